"""Confidence intervals of shares."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(hits: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share that was observed as `hits` of `n`; `hits` may be a mean, and not whole.

    References
    ----------
    Wilson 1927, J. Am. Stat. Assoc. 22, 209: it stays in [0, 1] and holds for small n, too.

    >>> [round(side, 3) for side in wilson(0, 10)]
    [0.0, 0.278]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(hits * (n - hits) / n + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)
