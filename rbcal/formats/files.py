"""Where files to be imported lie: a folder on this PC, a zip archive, or what a browser uploaded."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from rbcal.errors import FormatError

Files = Mapping[str, Callable[[], bytes]]  # name, folders separated by "/" -> reads the file's bytes

MAX_FILE = 2**30  # bytes of one file in an archive
_MAX_RATIO = 200  # between a file and how it is packed; pictures come to 2, text to 20, bombs to 1000
_SMALL = 10 * 2**20  # bytes; below that no ratio does harm
_MAX_FILES = 500_000


def folder(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return the files in a folder and its subfolders; those whose name begins with a dot are left out."""
    if not path.is_dir():
        raise FormatError(f"There is no folder {path}. Check its path.")
    found = (file for file in sorted(path.rglob("*")) if not file.name.startswith("."))
    return {file.relative_to(path).as_posix(): file.read_bytes for file in found if file.is_file()}


def archive(source: Path | IO[bytes]) -> dict[str, Callable[[], bytes]]:
    """Return the files in a zip archive. Each is unpacked in memory when it is read, and nothing on disk.

    Raises
    ------
    FormatError
        When it is not a zip archive. Reading a file of it raises the same when it is damaged, encrypted, or
        too large: one that is packed more than 200 times over is taken for a bomb.
    """
    try:
        opened = zipfile.ZipFile(source)
        members = opened.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as err:
        raise FormatError(f"The archive is not a zip file, or is damaged: {err}.") from err
    if len(members) > _MAX_FILES:
        raise FormatError(f"The archive has {len(members):,} files; at most {_MAX_FILES:,} are read.")
    return {
        name: partial(_unpack, opened, member)
        for member in members
        if not member.is_dir() and (name := plain_name(member.filename))
    }


def located(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return the files that a path means: those of a folder or of a zip archive, or the file itself."""
    if path.is_dir():
        return folder(path)
    if not path.is_file():
        raise FormatError(f"There is no file or folder {path}. Check its path.")
    return archive(path) if path.suffix.lower() == ".zip" else {path.name: path.read_bytes}


def plain_name(name: str) -> str:
    r"""Return a name inside an archive without what leads out of it; empty for a file that is hidden.

    >>> plain_name("../../etc/passwd"), plain_name("C:\\slides\\1.png"), plain_name("__MACOSX/._1.png")
    ('etc/passwd', 'slides/1.png', '')
    """
    parts = [
        part
        for part in PurePosixPath(name.replace("\\", "/")).parts
        if part not in ("/", "..", ".") and not part.endswith(":")
    ]
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return "" if hidden else "/".join(parts)


def _unpack(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    unpacked, packed = member.file_size, max(1, member.compress_size)
    if unpacked > MAX_FILE or (unpacked > _SMALL and unpacked / packed > _MAX_RATIO):
        raise FormatError(
            f"{member.filename[:80]} would unpack to {unpacked / 1e6:,.0f} MB; that is not a picture."
        )
    try:
        with opened.open(member) as file:
            return file.read(unpacked + 1)[:unpacked]
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError) as err:
        raise FormatError(f"{member.filename[:80]} cannot be unpacked: {err}.") from err
