"""Class keys: the user's choice first, then digits, then letters that nothing else needs."""

from __future__ import annotations

import pytest

from rbcal.errors import ProjectError
from rbcal.review import shortcuts
from rbcal.store.classes import CellClass


def test_every_class_of_a_large_project_has_a_key_and_none_is_taken():
    many = [CellClass(label, str(label), False) for label in range(18)]
    keys = shortcuts.class_keys(many)
    assert keys[:9] == tuple("123456789")
    assert len(set(keys)) == 18
    assert not set(keys) & set("abcdfghknpqrsuvw0")


def test_a_choice_is_kept_and_not_given_twice():
    classes = [CellClass(0, "a", False), CellClass(1, "b", False, "1"), CellClass(2, "c", False, "x")]
    assert shortcuts.class_keys(classes) == ("2", "1", "x")


def test_a_class_without_a_key_left_has_none():
    assert shortcuts.class_keys([CellClass(label, str(label), False) for label in range(40)])[-1] == ""


def test_keys_are_kept_as_they_are_pressed():
    assert shortcuts.check_keys([" E ", "", "7"]) == ("e", None, "7")


@pytest.mark.parametrize(
    ("key", "why"), [("ee", "one letter"), ("%", "one letter"), ("w", "taken"), ("0", "taken")]
)
def test_a_key_that_cannot_be_is_refused(key, why):
    with pytest.raises(ProjectError, match=why):
        shortcuts.check_keys([key])


def test_no_letter_of_the_table_is_left_to_the_classes():
    letters = {key for each in shortcuts.SHORTCUTS for key in each.keys if len(key) == 1}
    assert {"g", "w", "a", "s", "q", "v", "n", "k", "d", "b", "f", "u", "h", "p", "?"} <= letters
    assert not letters & set(shortcuts.class_keys([CellClass(k, str(k), False) for k in range(40)]))


@pytest.mark.parametrize("mode", ["cells", "image"])
def test_a_key_does_one_thing_in_a_mode(mode):
    keys = [key for each in shortcuts.SHORTCUTS if each.mode in ("everywhere", mode) for key in each.keys]
    assert len(keys) == len(set(keys))
    assert shortcuts.key_table()[mode].keys() == set(keys)
