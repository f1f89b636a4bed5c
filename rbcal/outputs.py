"""Files and folders where the user says: written beside their place, and moved there when they are whole."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from rbcal.errors import ExistsError, ProjectError

_PART = ".rbcal-part"
_LONGEST = 200  # bytes of a name, so that what is added to it stays within the 255 of a file system
_DEAD = 3600  # seconds without a write, after which what is unfinished is nobody's any more


@contextmanager
def new_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a place to write a file to; it becomes `path`, in one step, when the block ends without an error.

    Parameters
    ----------
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    ExistsError
        When the file is there already.
    ProjectError
        When it cannot be written, or is a folder.
    """
    if path.is_dir():
        raise ProjectError(f"{path} is a folder. Give the name of a file in it.")
    target = Path(os.path.realpath(path))
    if target.exists() and not overwrite:
        raise _exists(path)
    with _part(target) as part:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        if overwrite:
            part.replace(target)
        else:
            _put(part, target)


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder to write into; it becomes `path` when the block ends without an error.

    Parameters
    ----------
    overwrite : bool
        Whether `path` may be a folder with things in it. They are kept, as NAME.before-1.

    Raises
    ------
    ExistsError
        When there is something at `path` already; an empty folder does not count.
    ProjectError
        When it cannot be written, or what would be replaced is a file, or has projects in it.
    """
    target = Path(os.path.realpath(path))
    occupied = is_occupied(target)
    if occupied and not overwrite:
        raise _exists(path)
    if occupied and (not target.is_dir() or any(target.rglob("*.rbcal"))):
        raise ProjectError(f"{path} is a file, or has projects in it, and stays. Choose another folder.")
    with _part(target) as part:
        part.mkdir(parents=True)
        yield part
        if occupied:
            names = (target.with_name(f"{target.name}.before-{n}") for n in count(1))
            target.rename(next(each for each in names if not each.exists()))
        elif target.exists():
            target.rmdir()
        part.rename(target)


def is_occupied(path: Path) -> bool:
    """Return whether there is something at a path; an empty folder does not count."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def _exists(path: Path) -> ExistsError:
    return ExistsError(
        f"{path} exists already. Choose another name, or replace it (in a command: --overwrite)."
    )


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Give a name beside a target that is nobody else's; afterwards nothing is left there."""
    name = os.fsencode(target.name)[:_LONGEST].decode("utf-8", "ignore")
    part = target.with_name(f"{name}.{secrets.token_hex(4)}{_PART}")
    _clear(target.parent)
    try:
        yield part
    except OSError as err:
        raise ProjectError(
            f"{target} cannot be written: {err.strerror}. Choose another place or name."
        ) from err
    finally:
        _remove(part)


def _put(part: Path, target: Path) -> None:
    """Give a file its name, unless somebody took the name meanwhile: a rename would overwrite theirs."""
    try:
        os.link(part, target)
    except FileExistsError as err:
        raise _exists(target) from err
    except OSError:  # a disk that knows no links
        part.rename(target)


def _clear(where: Path) -> None:
    """Remove what programs that died left unfinished; a living one writes all the time."""
    for part in where.glob(f"*{_PART}*"):
        with suppress(OSError):
            newest = max(each.stat().st_mtime for each in (part, *part.rglob("*")))
            if time.time() - newest > _DEAD:
                _remove(part)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)
