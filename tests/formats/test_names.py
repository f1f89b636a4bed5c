"""Names: the same letters are the same name, none is too long, and equal ones are told apart quickly."""

from __future__ import annotations

import unicodedata

from rbcal.formats import files
from rbcal.formats.names import file_names

ACUTE = "caf\u00e9"  # composed, as most programs write it
DECOMPOSED = unicodedata.normalize("NFD", ACUTE)  # as macOS writes the names of files


def test_twenty_thousand_equal_names_become_as_many_in_no_time():
    assert len(set(file_names(["cell.png"] * 20_000))) == 20_000  # it took seven minutes
    assert len(files.joined([("cell.png", bytes)] * 20_000)) == 20_000


def test_long_names_are_cut_in_front_so_that_what_differs_stays():
    long = [f"{'patient ' * 40}{n}.png" for n in range(3)]
    assert [name[-6:] for name in file_names(long)] == [" 0.png", " 1.png", " 2.png"]


def test_names_that_a_disk_of_a_mac_takes_for_one_are_told_apart():
    assert file_names([f"{ACUTE}.png", f"{DECOMPOSED}.png"]) == [f"{ACUTE}.png", f"{ACUTE} (2).png"]


def test_two_spellings_of_a_name_in_one_folder_are_both_read(tmp_path):
    (tmp_path / f"{ACUTE}.png").write_bytes(b"1")
    (tmp_path / f"{DECOMPOSED}.png").write_bytes(b"2")
    names = files.folder(tmp_path)
    assert {read() for read in names.values()} == {b"1", b"2"}
    assert sorted(names) == [f"2/{ACUTE}.png", f"{ACUTE}.png"]
