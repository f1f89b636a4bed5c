"""Folders of this PC, for who chooses one on a page."""

from __future__ import annotations

import pytest

from rbcal.errors import FormatError
from rbcal.formats import folders


def test_a_folder_lists_its_folders_and_its_files_of_an_ending(tmp_path):
    for name in ("B", "a", ".hidden"):
        (tmp_path / name).mkdir()
    for name in ("2.PNG", "1.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    found = folders.listing(tmp_path, [".png"])
    assert [each.name for each in found.folders] == ["a", "B"]
    assert [each.name for each in found.files] == ["1.png", "2.PNG"]
    assert (found.n_files, found.is_cut) == (2, False)


def test_a_folder_that_is_not_there_is_said_in_words(tmp_path):
    with pytest.raises(FormatError, match="cannot be read"):
        folders.listing(tmp_path / "nowhere", [])


def test_the_places_to_start_from_are_folders():
    assert all(each.is_dir() for each in folders.places().values())
