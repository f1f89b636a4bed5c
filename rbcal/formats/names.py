"""Names that users gave, where a file system or a spreadsheet would take them for something else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    parts = list(map(_parts, names))
    stems = distinct((stem for stem, _ in parts), "{name} ({n})".format, str.casefold)
    return [stem + suffix for stem, (_, suffix) in zip(stems, parts, strict=True)]


def composed(text: str) -> str:
    """Return a name with its letters and accents joined (NFC); macOS writes them one after the other (NFD).

    >>> len("e\u0301"), len(composed("e\u0301"))
    (2, 1)
    """
    return unicodedata.normalize("NFC", text)


def distinct(
    names: Iterable[str],
    numbered: Callable[..., str],
    same: Callable[[str], str] = str,
) -> Iterator[str]:
    """Yield each name, or the first of `numbered(name=name, n=2)`, 3, ... that is not there yet.

    `same` returns what is alike for two names that count as one.

    >>> list(distinct(["a", "a", "2/a", "a"], "{n}/{name}".format))
    ['a', '2/a', '2/2/a', '3/a']
    """
    taken: set[str] = set()
    following: dict[str, int] = {}  # the number to try next; without it, n equal names take n * n steps
    for name in names:
        for n in count(following.get(same(name), 1)):
            unique = name if n == 1 else numbered(name=name, n=n)
            if same(unique) not in taken:
                break
        following[same(name)] = n + 1
        taken.add(same(unique))
        yield unique


def cell_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe before what begins like one.

    >>> cell_text("=cmd()"), cell_text("disc")
    ("'=cmd()", 'disc')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _parts(name: str) -> tuple[str, str]:
    """Return the stem and the ending of a file name that is safe; a name that is all ending gets a stem."""
    text = composed(name).encode("utf-8", "replace").decode()  # "?" is forbidden, too
    plain = _FORBIDDEN.sub("_", text).rstrip(" .")
    stem, dot, ending = plain.rpartition(".")
    if not dot or not ending.isalnum() or len(ending) > _LONGEST_ENDING:
        stem, suffix = plain, ""
    else:
        suffix = f".{ending}"
    stem = stem.strip(" .") or "_"
    if _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    return stem.encode()[-_LONGEST:].decode("utf-8", "ignore").strip(" .") or "_", suffix  # ends differ
