"""Names that users gave, where a file system or a spreadsheet would take them for something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

# What Windows forbids, which forbids the most, and what ends a line in a list of names.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029]+')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_LONGEST_ENDING = 5  # characters
_LONGEST = 120  # bytes: a folder and an ending must still fit in 255


def file_names(names: Sequence[str]) -> list[str]:
    """Return for each name one that every file system takes, each with another stem.

    >>> file_names(["a/b.png", "A/B.png", "../..", "nul.tif", "1.png", "1.tif", ".jpg"])
    ['a_b.png', 'A_B (2).png', '_', '_nul.tif', '1.png', '1 (2).tif', '_ (2).jpg']
    """
    taken: set[str] = set()
    safe = []
    for name in names:
        stem, suffix = _parts(name)
        stems = (stem if n == 1 else f"{stem} ({n})" for n in count(1))
        unique = next(each for each in stems if each.casefold() not in taken)
        taken.add(unique.casefold())
        safe.append(unique + suffix)
    return safe


def cell_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe before what begins like one.

    >>> cell_text("=cmd()"), cell_text("disc")
    ("'=cmd()", 'disc')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _parts(name: str) -> tuple[str, str]:
    """Return the stem and the ending of a file name that is safe; a name that is all ending gets a stem."""
    plain = _FORBIDDEN.sub("_", name.encode("utf-8", "replace").decode()).rstrip(
        " ."
    )  # "?" is forbidden, too
    stem, dot, ending = plain.rpartition(".")
    if not dot or not ending.isalnum() or len(ending) > _LONGEST_ENDING:
        stem, suffix = plain, ""
    else:
        suffix = f".{ending}"
    stem = stem.strip(" .") or "_"
    if _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    return stem.encode()[:_LONGEST].decode("utf-8", "ignore").strip(" .") or "_", suffix
