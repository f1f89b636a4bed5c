"""Folders of this PC, for who chooses one on a page."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from rbcal.errors import FormatError

_MOST = 200  # of each kind that are listed
_USUAL = ("Desktop", "Documents", "Pictures", "Downloads")


@dataclass(frozen=True)
class Listing:
    """What a folder holds: its folders, and its files of some endings; `n_files` counts them all."""

    folders: tuple[Path, ...]
    files: tuple[Path, ...]
    n_files: int
    is_cut: bool


def listing(folder: Path, endings: Collection[str]) -> Listing:
    """Return what lies in a folder, by name; what is hidden is left out.

    Raises
    ------
    FormatError
        When there is no such folder, or it cannot be read.
    """
    try:
        entries = sorted(
            (each for each in folder.iterdir() if not each.name.startswith(".")),
            key=lambda each: each.name.casefold(),
        )
        folders = [each for each in entries if each.is_dir()]
        files = [each for each in entries if each.suffix.lower() in endings and each.is_file()]
    except OSError as err:
        raise FormatError(f"{folder} cannot be read: {err.strerror}. Choose another folder.") from err
    is_cut = len(folders) > _MOST or len(files) > _MOST
    return Listing(tuple(folders[:_MOST]), tuple(files[:_MOST]), len(files), is_cut)


def places() -> dict[str, Path]:
    """Return the folders that people start from: home, what is usual in it, and the drives."""
    home = Path.home()
    usual = {"Home": home} | {name: home / name for name in _USUAL if (home / name).is_dir()}
    if sys.platform == "win32":
        drives = (Path(f"{letter}:/") for letter in "CDEFGHIJKLMNOPQRSTUVWXYZ")
        return usual | {str(drive): drive for drive in drives if drive.exists()}
    return usual | {"This PC": Path(home.anchor)}
