"""Numbers, times and names as people say them."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$~:&])")
_SIGNS = re.compile(r"([:<>~=-])")
_SHORT = 4  # letters; as wide as a small cell


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(42.4), duration(200), duration(7300)
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def roughly(seconds: float) -> str:
    """Return a time that is only known about.

    >>> roughly(20), roughly(1436), roughly(9000)
    ('about 1 min', 'about 24 min', 'about 2.5 h')
    """
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min" if minutes < 120 else f"about {seconds / 3600:.1f} h"


def count(n: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun.

    >>> count(1, "image"), count(2441, "cell"), count(3, "class", "classes")
    ('1 image', '2,441 cells', '3 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int | None = None, comma: str = ", ") -> str:
    """Return names as a sentence has them; those beyond `most` are counted.

    >>> listed(["S.D"]), listed(["S.D", "E.F"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('S.D', 'S.D and E.F', 'a, b and c', 'a and 2 more')
    """
    shown = list(names[:most])
    if len(shown) < len(names):
        shown.append(f"{len(names) - len(shown)} more")
    last = " and " if comma == ", " else f"{comma}and "
    return last.join([comma.join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def percent(part: int, whole: int) -> str:
    """Return a part as per cent of the whole; a dash where there is nothing to be part of."""
    return f"{part / whole:.0%}" if whole else "–"


def signed(at: str, who: str) -> str:
    """Return when, on the clock of this PC, and by whom something was done.

    >>> signed("2026-11-03T14:02:33.120+00:00", "Ann").endswith(" by Ann")
    True
    """
    moment = datetime.fromisoformat(at).astimezone().strftime("%d %b %Y %H:%M")
    return f"{moment} by {who}" if who else moment


def since(at: datetime, now: datetime) -> str:
    """Return how long ago a moment is, as people say it; both on the clock of this PC.

    >>> noon = datetime(2026, 11, 3, 12, 0)
    >>> [since(datetime(2026, *at), noon) for at in ((11, 3, 11, 59), (11, 3, 9, 5), (11, 2, 18, 0), (10, 1))]
    ['just now', 'today, 09:05', 'yesterday, 18:00', '1 Oct 2026']
    """
    days = (now.date() - at.date()).days
    if 0 <= (now - at).total_seconds() < 120:
        return "just now"
    if days == 0:
        return f"today, {at:%H:%M}"
    if days == 1:
        return f"yesterday, {at:%H:%M}"
    return f"{days} days ago" if 1 < days < 7 else f"{at.day} {at:%b %Y}"


def printable(text: str) -> str:
    r"""Return a line in which what a terminal would obey, or show in another order, is written as an escape.

    That are control characters, ends of lines, marks of direction, half characters.

    >>> print(printable("a\x1b[31mb\u202e\n"), printable("Zoë, 3 µm"))
    a\x1b[31mb\u202e\n Zoë, 3 µm
    """
    return "".join(
        each if each.isprintable() or each == " " else each.encode("unicode_escape").decode() for each in text
    )


def print_traceback(kind: type[BaseException], err: BaseException, trace: TracebackType | None) -> None:
    """Print on stderr what Python would of an error, without what a terminal would obey."""
    for lines in traceback.format_exception(kind, err, trace):
        for line in lines.rstrip("\n").split("\n"):
            print(printable(line), file=sys.stderr)


def literal(name: str) -> str:
    r"""Return a name as Markdown that Streamlit shows letter by letter.

    Beyond Markdown, Streamlit turns ``:material/bolt:`` into an icon and ``->`` into an arrow even where they
    are escaped; an invisible word joiner inside them prevents it.
    """
    return _MARKDOWN.sub(r"\\\1", _SIGNS.sub("\\1\u2060", printable(name)))


def short_names(names: Sequence[str], length: int = _SHORT) -> tuple[str, ...]:
    """Return names of a few letters, all different: the first letters, or a number where they are the same.

    >>> short_names(["S.D", "normal", "normoblast"])
    ('S.D', 'norm', 'nor3')
    """
    short: list[str] = []
    for position, name in enumerate(names, start=1):
        text = name[:length].strip()
        if not text or text.casefold() in (each.casefold() for each in short):
            number = str(position)
            text = name[: max(0, length - len(number))].strip() + number
        short.append(text)
    return tuple(short)
