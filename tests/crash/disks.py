"""Disks that are full, and folders in which nobody may write."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from rbcal.store import database

_MEGABYTES = 24  # of the small disk


@contextmanager
def mounted(options: str) -> Iterator[Path]:
    """Mount a file system in memory; unmount it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="rbcal-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


@cache
def can_mount() -> bool:
    """Return whether this machine lets us mount a disk of our own."""
    try:
        with mounted("size=1m"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def ways_to_fill() -> list[str]:
    """Return the ways to a full disk that work here; one of them works everywhere."""
    return ["a page limit", *(["a small disk"] if can_mount() else [])]


class SmallDisk:
    """A real disk of a few MB, filled up by a file of ballast."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, but: int = 0) -> None:
        """Leave so many bytes free."""
        ballast = self.folder / "ballast"
        free = shutil.disk_usage(self.folder).free
        with ballast.open("ab") as file, suppress(OSError):
            file.write(bytes(max(0, free - but)))
            file.flush()

    def free(self) -> None:
        """Make room again."""
        (self.folder / "ballast").unlink()


class PageLimit:
    """SQLite itself says that the disk is full, on every connection that is opened from now on."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = patch
        self._connect = database._connect

    def fill(self, but: int = 0) -> None:
        def connect(path: Path, mode: str):
            connection = self._connect(path, mode)
            size = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {max(1, but // size)}")  # at least those there are
            return connection

        self._patch.setattr(database, "_connect", connect)

    def free(self) -> None:
        self._patch.setattr(database, "_connect", self._connect)


@contextmanager
def a_disk(way: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[SmallDisk | PageLimit]:
    """Return a disk that can be filled in one of :func:`ways_to_fill`."""
    if way == "a page limit":
        yield PageLimit(folder, patch)
        return
    with mounted(f"size={_MEGABYTES}m") as small:
        yield SmallDisk(small)


def as_nobody(act: Callable[[], None]) -> int:
    """Do something in a process without any right to write, and return its exit code; 0: it did it.

    For root, rights on files mean nothing: so the child gives them up first.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        act()
        code = 0
    except BaseException as err:
        print(repr(err), flush=True)
    finally:
        os._exit(code)
