"""Class keys: the user's choice first, then digits, then letters that nothing else needs."""

from __future__ import annotations

import pytest

from rbcal.errors import ProjectError
from rbcal.store.classes import CellClass
from rbcal.view import keys


def test_every_class_of_a_large_project_has_a_key_and_none_is_taken():
    many = [CellClass(label, str(label), False) for label in range(18)]
    found = keys.class_keys(many)
    assert found[:9] == tuple("123456789")
    assert len(set(found)) == 18
    assert not set(found) & set("abcdfghknpqrsuvw0")


def test_a_choice_is_kept_and_not_given_twice():
    classes = [CellClass(0, "a", False), CellClass(1, "b", False, "1"), CellClass(2, "c", False, "x")]
    assert keys.class_keys(classes) == ("2", "1", "x")


def test_a_class_without_a_key_left_has_none():
    assert keys.class_keys([CellClass(label, str(label), False) for label in range(40)])[-1] == ""


def test_keys_are_kept_as_they_are_pressed():
    assert keys.check_keys([" E ", "", "7"]) == ("e", None, "7")


@pytest.mark.parametrize(
    ("key", "why"), [("ee", "one letter"), ("%", "one letter"), ("w", "taken"), ("0", "taken")]
)
def test_a_key_that_cannot_be_is_refused(key, why):
    with pytest.raises(ProjectError, match=why):
        keys.check_keys([key])


def test_no_letter_of_the_sheets_is_left_to_the_classes():
    sheet = keys.EVERYWHERE + keys.WALK + keys.IMAGE
    letters = {key.lower() for names, _ in sheet for key in names.replace("(held)", "").split(" or ")}
    letters = {key.strip() for key in letters if len(key.strip()) == 1}
    assert letters <= set(keys._TAKEN)
    assert {"g", "w", "a", "s", "q", "v", "n", "k", "d", "b", "f", "u", "h", "p", "?"} <= letters
