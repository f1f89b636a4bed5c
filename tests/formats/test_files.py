"""Archives that strangers pack: nothing on the disk, little in memory, and a sentence where it fails."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbcal.errors import FormatError
from rbcal.formats import files


def packed(*members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    file.seek(0)
    return file


def test_names_in_an_archive_lead_nowhere():
    unpacked = files.archive(packed(("../../a.png", b"1"), ("/etc/b.png", b"2"), ("__MACOSX/._c.png", b"3")))
    assert {name: read() for name, read in unpacked.items()} == {"a.png": b"1", "etc/b.png": b"2"}


def test_a_folder_has_the_files_that_a_zip_archive_of_it_has(tmp_path):
    names = ["s/a.png", ".b.png", ".Trash-1000/files/c.png", "s/.ipynb_checkpoints/d.png", "__MACOSX/e.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    zipped = files.archive(packed(*((name, b"1") for name in names)))
    assert list(files.folder(tmp_path)) == list(zipped) == ["s/a.png"]


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    [read] = files.archive(packed(("a.png", bytes(50_000_000)))).values()
    with pytest.raises(FormatError, match="would unpack to 50 MB"):
        read()


def test_a_damaged_archive_is_a_sentence():
    whole = packed(("a.png", bytes(range(256)) * 40), compression=zipfile.ZIP_STORED).getvalue()
    with pytest.raises(FormatError, match="not a zip file"):
        files.archive(io.BytesIO(whole[:500]))
    [read] = files.archive(io.BytesIO(whole[:60] + b"?" + whole[61:])).values()
    with pytest.raises(FormatError, match=r"a\.png cannot be unpacked"):
        read()


def test_many_small_bombs_are_refused_as_a_whole():
    with pytest.raises(FormatError, match="would unpack to 150 MB of almost nothing"):
        files.archive(packed(*((f"{place}.png", bytes(10_000_000)) for place in range(15))))


def test_files_that_lie_over_each_other_are_refused():
    whole = packed(("a.png", os.urandom(5000)), ("b.png", b""), compression=zipfile.ZIP_STORED)
    with zipfile.ZipFile(whole, "a") as archive:
        first, second = archive.infolist()
        second.header_offset, second.file_size, second.compress_size = first.header_offset, 5000, 5000
        archive.writestr("c.png", b"")  # makes it write the list anew
    with pytest.raises(FormatError, match="lie over each other"):
        files.archive(whole)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_knows_no_limit_is_refused(compression):
    [read] = files.archive(packed(("a.png", b"1"), compression=compression)).values()
    with pytest.raises(FormatError, match="unusual way"):
        read()


def test_two_names_that_become_one_are_both_read():
    unpacked = files.archive(packed(("../a.png", b"1"), ("a.png", b"2")))
    assert {name: read() for name, read in unpacked.items()} == {"a.png": b"1", "2/a.png": b"2"}


WHOLE = packed(("a.txt", b"hello world " * 50), ("b.txt", bytes(range(256)))).getvalue()


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_an_archive_with_any_bytes_changed_is_read_or_a_sentence(changes):
    damaged = bytearray(WHOLE)
    for place, value in changes:
        damaged[place] = value
    with contextlib.suppress(FormatError):
        for read in files.archive(io.BytesIO(bytes(damaged))).values():
            with contextlib.suppress(FormatError):
                read()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the disk allows only Unicode")
def test_a_file_name_that_is_no_text_is_read_under_a_name_that_is(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"1")
    assert {name: read() for name, read in files.folder(tmp_path).items()} == {"\\udcff.png": b"1"}
