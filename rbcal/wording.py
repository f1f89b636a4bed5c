"""Numbers and names as people say them."""

from __future__ import annotations

from collections.abc import Sequence


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
