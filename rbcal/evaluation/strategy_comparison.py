"""Strategies side by side: what a simulation says, and how sure it may be of that.

Everything here compares strategies within a repeat: all arms of a repeat start from the same model and have
the same training, so their difference is what the choice of images is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rbcal.evaluation.learning_curves import BASELINE, Curves, Reals
from rbcal.evaluation.metrics import Difference

FEWEST_REPEATS = 5  # of fewer, an interval leaves out the truth far too often to call anything by it
MANY_REPEATS = 10  # the paper's number
_RESAMPLES = 4000  # the ends of the interval stand still to a few per cent of its width


def area(grid: Reals, curves: Reals) -> Reals:
    """Return the mean of curves (..., G) over the range of their grid (G,): their area by its length.

    >>> float(area(np.array([0.0, 100.0]), np.array([0.2, 0.4])))
    0.30000000000000004
    """
    return np.trapezoid(curves, grid, axis=-1) / (grid[-1] - grid[0])


@dataclass(frozen=True, eq=False)
class PairedDifference:
    """What a strategy is above the baseline, in the same repeats; each interval holds 95 % of resamples.

    Parameters
    ----------
    n_repeats : int
        R, the repeats that both have.
    mean, low, high : (G,) float64
        The difference along the grid. The band holds at each x alone, not for the whole curve at once.
    end, area : Difference
        At the end of the range, and of the mean over it.
    """

    n_repeats: int
    mean: Reals
    low: Reals
    high: Reals
    end: Difference
    area: Difference


@lru_cache(maxsize=64)  # a page asks for the chart, the file and the table of the same curves
def paired_difference(
    curves: Curves, strategy: str, other: str = BASELINE, seed: int = 0
) -> PairedDifference | None:
    """Return the difference of a strategy to another one, repeat by repeat; None without a common repeat.

    Parameters
    ----------
    curves : Curves
    strategy, other : str
    seed : int
        Of the bootstrap; the same numbers give the same interval, in whatever order the repeats come.

    Notes
    -----
    Repeats are resampled, R of R with replacement, and the interval lies between the 2.5 and 97.5 percentiles
    of the mean difference. Few repeats make it *too narrow*: for normal differences it holds the truth in
    73 % of cases with 3 repeats, 84 % with 5, 89 % with 10 and 93 % with 20, not in 95 %. So no claim is made
    from fewer than 5 (:func:`verdict`), and 10 or more are wanted. With 1 repeat it has no width and says
    nothing at all.

    References
    ----------
    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", ch. 13.
    """
    repeats = curves.common(strategy, other)
    if not repeats:
        return None
    old, new = curves.of(other, repeats), curves.of(strategy, repeats)
    differences = new - old
    differences = differences[
        np.lexsort(differences.T[::-1])
    ]  # else the interval would depend on the repeats' order
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(repeats), [1 / len(repeats)] * len(repeats), _RESAMPLES) / len(repeats)
    low, high = np.percentile(drawn @ differences, [2.5, 97.5], axis=0)
    areas = area(curves.grid, differences)
    area_low, area_high = np.percentile(drawn @ areas, [2.5, 97.5])
    old_area, new_area = area(curves.grid, old).mean(), area(curves.grid, new).mean()
    return PairedDifference(
        n_repeats=len(repeats),
        mean=differences.mean(axis=0),
        low=low,
        high=high,
        end=Difference(float(old[:, -1].mean()), float(new[:, -1].mean()), float(low[-1]), float(high[-1])),
        area=Difference(float(old_area), float(new_area), float(area_low), float(area_high)),
    )


def verdict(difference: Difference, n_repeats: int) -> str:
    """Return in words whether a paired difference to random is more than chance, and on what that rests.

    >>> verdict(Difference(0.5, 0.6, 0.02, 0.18), 10)
    'Above random (10 repeats)'
    >>> verdict(Difference(0.5, 0.6, -0.01, 0.21), 10)
    'No significant difference (10 repeats)'
    >>> verdict(Difference(0.5, 0.6, 0.02, 0.18), 3)
    'Too few repeats to say (3; at least 5)'
    >>> verdict(Difference(0.5, 0.4, -0.18, -0.02), 5)
    'Below random, on few repeats (5)'
    """
    if n_repeats < FEWEST_REPEATS:
        return f"Too few repeats to say ({n_repeats}; at least {FEWEST_REPEATS})"
    if difference.low <= 0 <= difference.high:
        return f"No significant difference ({n_repeats} repeats)"
    side = "Above" if difference.low > 0 else "Below"
    if n_repeats < MANY_REPEATS:
        return f"{side} random, on few repeats ({n_repeats})"
    return f"{side} random ({n_repeats} repeats)"


def first_reached(x: Reals, y: Reals, target: float) -> float | None:
    """Return where a curve first comes to a target, between its points by a line; None if it never does.

    >>> first_reached(np.array([0.0, 100.0, 200.0]), np.array([0.1, 0.2, 0.4]), 0.3)
    150.0
    """
    there = np.flatnonzero(y >= target)
    if not len(there):
        return None
    k = int(there[0])
    if k == 0:
        return float(x[0])
    share = (target - y[k - 1]) / (y[k] - y[k - 1])
    return float(x[k - 1] + share * (x[k] - x[k - 1]))


@dataclass(frozen=True, eq=False)
class Summary:
    """What a strategy came to. Figures beside the baseline rest on the repeats that both have.

    Parameters
    ----------
    strategy : str
    n_repeats : int
        That are done.
    end, area : float
        The metric at the end of the range, and its mean over the range; means over all repeats.
    end_deviation : float or None
        Standard deviation of the first over the repeats; None for a single one.
    difference : PairedDifference or None
        To the baseline; None for itself, and where no repeat has both.
    target : float or None
        What was to be reached.
    reached : float or None
        x at which the mean curve comes to the target; None: not within the range.
    ratio : float or None
        That x, as part of what the baseline needs; below 1 is better. None where either never comes to it, or
        the baseline is there at once.
    verdict : str
        Of the mean over the range, the one figure that uses all rounds.
    """

    strategy: str
    n_repeats: int
    end: float
    end_deviation: float | None
    area: float
    difference: PairedDifference | None
    target: float | None
    reached: float | None
    ratio: float | None
    verdict: str


def summaries(curves: Curves, target: float | None = None) -> list[Summary]:
    """Return what each strategy came to, the baseline first.

    Parameters
    ----------
    curves : Curves
    target : float, optional
        The value of the metric that is to be reached; left out: what the baseline had in the end, in the
        repeats that both have.
    """
    return [_summary(curves, strategy, target) for strategy in curves.strategies]


def _summary(curves: Curves, strategy: str, target: float | None) -> Summary:
    target, reached, ratio = _to_the_target(curves, strategy, target)
    difference = paired_difference(curves, strategy) if strategy != BASELINE else None
    if strategy == BASELINE:
        words = "The baseline"
    elif difference is None:
        words = "No repeat with random to compare with yet"
    else:
        words = verdict(difference.area, difference.n_repeats)
    own, deviation = curves.of(strategy), curves.deviation(strategy)
    return Summary(
        strategy=strategy,
        n_repeats=len(own),
        end=float(own[:, -1].mean()),
        end_deviation=None if deviation is None else float(deviation[-1]),
        area=float(area(curves.grid, own).mean()),
        difference=difference,
        target=target,
        reached=reached,
        ratio=ratio,
        verdict=words,
    )


def _to_the_target(
    curves: Curves, strategy: str, target: float | None
) -> tuple[float | None, float | None, float | None]:
    """Return the target, where a strategy reaches it, and that as part of what the baseline needs."""
    repeats = curves.common(strategy)
    if not repeats:
        reached = None if target is None else first_reached(curves.grid, curves.mean(strategy), target)
        return target, reached, None
    own, base = (curves.of(name, repeats).mean(axis=0) for name in (strategy, BASELINE))
    target = float(base[-1]) if target is None else target
    reached, needed = (first_reached(curves.grid, curve, target) for curve in (own, base))
    return target, reached, reached / needed if reached is not None and needed else None
