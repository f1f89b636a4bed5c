"""Where files to be imported lie: a folder on this PC, a zip archive, or what a browser uploaded."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from rbcal.errors import FormatError
from rbcal.formats.names import composed, distinct

Files = Mapping[str, Callable[[], bytes]]  # name, folders separated by "/" -> reads the file's bytes

MAX_FILE = 2**30  # bytes of one file in an archive
_MAX_RATIO = 200  # between a file and how it is packed; pictures come to 2, text to 20, bombs to 1000
_SMALL = 10 * 2**20  # bytes; below that no ratio of one file does harm
_SMALL_TOTAL = 10 * _SMALL  # bytes; below that not even many of them
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a limit in between
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,  # encrypted; NotImplementedError is one, too
    ValueError,
    LookupError,
)
_MAX_FILES = 500_000


def folder(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return the files in a folder and its subfolders; hidden ones are left out, as in an archive."""
    if not path.is_dir():
        raise FormatError(f"There is no folder {path}. Check its path.")
    named = ((_encodable(file.relative_to(path).as_posix()), file) for file in sorted(path.rglob("*")))
    return joined((name, file.read_bytes) for name, file in named if plain_name(name) and file.is_file())


def archive(source: Path | IO[bytes]) -> dict[str, Callable[[], bytes]]:
    """Return the files in a zip archive. Each is unpacked in memory when it is read, and nothing on disk.

    Raises
    ------
    FormatError
        When it is not a zip archive, or is made to fill a memory: files that are packed more than 200 times
        over and come to 100 MB, or that lie over each other. Reading a file raises the same when it is
        damaged, encrypted, or too large by itself.
    """
    try:
        opened = zipfile.ZipFile(source)
        members = [member for member in opened.infolist() if not member.is_dir()]
        length = source.stat().st_size if isinstance(source, Path) else source.seek(0, os.SEEK_END)
    except _DAMAGE as err:
        raise FormatError(f"The archive is not a zip file, or is damaged: {err}.") from err
    if len(members) > _MAX_FILES:
        raise FormatError(f"The archive has {len(members):,} files; at most {_MAX_FILES:,} are read.")
    total = sum(member.file_size for member in members if _is_dense(member))
    if total > _SMALL_TOTAL:
        raise FormatError(
            f"The archive would unpack to {total / 1e6:,.0f} MB of almost nothing; those are no pictures."
        )
    if sum(member.compress_size for member in members) > length:
        raise FormatError("The archive's files lie over each other; no zip program does that. Pack it anew.")
    return joined((plain_name(member.filename), partial(_unpack, opened, member)) for member in members)


def joined(files: Iterable[tuple[str, Callable[[], bytes]]]) -> dict[str, Callable[[], bytes]]:
    """Return named files, their names composed; where two have the same, the second gets a folder of its own.

    One that has no name is left out.
    """
    named = [(composed(name), read) for name, read in files if name]
    unique = distinct((name for name, _ in named), "{n}/{name}".format)
    return {name: read for name, (_, read) in zip(unique, named, strict=True)}


def located(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return the files that a path means: those of a folder or of a zip archive, or the file itself."""
    if path.is_dir():
        return folder(path)
    if not path.is_file():
        raise FormatError(f"There is no file or folder {path}. Check its path.")
    return archive(path) if path.suffix.lower() == ".zip" else joined([(path.name, path.read_bytes)])


def lines(content: bytes) -> list[str]:
    r"""Return the lines of a text file, stripped, without the mark that Windows puts before the first.

    >>> lines(b"\xef\xbb\xbf0 0.5\r\n\r\n1 0.5")
    ['0 0.5', '', '1 0.5']
    """
    return [line.strip() for line in content.decode("utf-8-sig", "replace").splitlines()]


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


def _is_dense(member: zipfile.ZipInfo) -> bool:
    return member.file_size / max(1, member.compress_size) > _MAX_RATIO


def _encodable(name: str) -> str:
    r"""Return a file's name; bytes that are no UTF-8, as old disks have them, become ``\\udcff``."""
    return name.encode("utf-8", "backslashreplace").decode()


def _unpack(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    unpacked = member.file_size
    if unpacked > MAX_FILE or (unpacked > _SMALL and _is_dense(member)):
        raise FormatError(
            f"{member.filename[:80]} would unpack to {unpacked / 1e6:,.0f} MB; that is not a picture."
        )
    if member.compress_type not in _PACKINGS:
        raise FormatError(f"{member.filename[:80]} is packed in an unusual way. Pack it as a plain zip.")
    try:
        with opened.open(member) as file:
            return file.read(unpacked + 1)[:unpacked]
    except _DAMAGE as err:
        raise FormatError(f"{member.filename[:80]} cannot be unpacked: {err}.") from err
