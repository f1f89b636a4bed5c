"""Learning curves of strategies side by side: what a simulation says, and how sure it may be of that.

Everything here compares strategies within a repeat: all arms of a repeat start from the same model and have
the same training, so their difference is what the choice of images is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rbcal.errors import ScoringError
from rbcal.evaluation.metrics import Difference, Evaluation

Reals = NDArray[np.float64]
Axis = Literal["cells", "minutes"]
Metric = Callable[[Evaluation], float | None]

BASELINE = "random"
FEWEST_REPEATS = 5  # of fewer, an interval leaves out the truth far too often to call anything by it
MANY_REPEATS = 10  # the paper's number
_RESAMPLES = 4000  # the ends of the interval stand still to a few per cent of its width
_GRID = 61  # points along the axis; rounds are far fewer

METRICS: Mapping[str, Metric] = {
    "Precision_all": lambda evaluation: evaluation.precision_all,
    "mAP@0.5": lambda evaluation: evaluation.map_50,
    "Rare-class AP@0.5": lambda evaluation: evaluation.rare_ap_50,
}


@dataclass(frozen=True)
class SimulationPoint:
    """What one strategy had come to after one round of one repeat.

    `n_cells` are annotated by then, `cells_by_class` of each class; `expert_seconds` is the expected time of
    the expert since round 0; `query` are the ids of the images of this round, in the order of their review.
    """

    repeat: int
    strategy: str
    round: int
    n_images: int
    n_cells: int
    cells_by_class: tuple[int, ...]
    expert_seconds: float
    evaluation: Evaluation
    weights_sha256: str
    query: tuple[int, ...]
    seconds: float


def class_metric(label: int) -> Metric:
    """Return the metric that is AP at IoU 0.5 of one class; None where the test set has no such cell."""
    return lambda evaluation: evaluation.ap_50[label] if label < len(evaluation.ap_50) else None


@dataclass(frozen=True, eq=False)
class Run:
    """One strategy in one repeat: a metric `y` (P,) at each `x` (P,), which grows strictly from 0 on.

    `start` are the cells that were annotated at x = 0, before the first round.
    """

    repeat: int
    strategy: str
    x: Reals
    y: Reals
    start: int


def runs(points: Sequence[SimulationPoint], metric: Metric, axis: Axis = "cells") -> list[Run]:
    """Return the runs of a simulation, by repeat and strategy; where the metric is not defined there is none.

    Parameters
    ----------
    points : sequence of SimulationPoint
        In any order.
    metric : callable
        One of :data:`METRICS`, or a :func:`class_metric`.
    axis : {"cells", "minutes"}
        x: cells annotated since round 0, or the expected minutes of the expert since then.

    Returns
    -------
    list of Run
        A round that brought no new cell takes the place of the one before: x grows strictly.

    Raises
    ------
    ScoringError
        If a value is NaN or infinite, which no AP is.
    """
    if axis not in get_args(Axis):
        raise ScoringError(f"Curves go by 'cells' or 'minutes', but got {axis!r}.")
    of_run: dict[tuple[int, str], list[SimulationPoint]] = {}
    for point in points:
        of_run.setdefault((point.repeat, point.strategy), []).append(point)
    found = []
    for (repeat, strategy), rounds in sorted(of_run.items()):
        rounds.sort(key=lambda point: point.round)
        at: dict[float, float] = {}
        for point in rounds:
            value = metric(point.evaluation)
            if value is not None:
                new = point.n_cells - rounds[0].n_cells
                at[new if axis == "cells" else point.expert_seconds / 60] = value
        x, y = np.array(list(at), np.float64), np.array(list(at.values()), np.float64)
        if not (np.isfinite(y).all() and (np.diff(x) > 0).all()):
            raise ScoringError(
                f"Repeat {repeat + 1} of {strategy} is no curve: values must be numbers, and cells and time "
                "must grow from round to round. Run this simulation again."
            )
        if len(x):
            found.append(Run(repeat, strategy, x, y, rounds[0].n_cells))
    return found


@dataclass(frozen=True, eq=False)
class Curves:
    """Runs on a common grid: values are interpolated linearly, over the range that every run covers.

    Parameters
    ----------
    grid : (G,) float64
        x, rising from 0 to where the shortest run ends.
    values : {strategy: {repeat: (G,) float64}}
        The metric of each run on the grid.
    start : float
        Annotated cells at x = 0, the mean over the runs.
    """

    grid: Reals
    values: Mapping[str, Mapping[int, Reals]]
    start: float

    @property
    def strategies(self) -> list[str]:
        """The strategies, the baseline first, the others by name."""
        return sorted(self.values, key=lambda name: (name != BASELINE, name))

    def of(self, strategy: str, repeats: Sequence[int] | None = None) -> Reals:
        """Return the curves (R, G) of a strategy in some repeats, or in all that it has."""
        known = self.values[strategy]
        return np.stack([known[repeat] for repeat in (sorted(known) if repeats is None else repeats)])

    def mean(self, strategy: str) -> Reals:
        """Return the mean over the repeats, (G,)."""
        return self.of(strategy).mean(axis=0)

    def deviation(self, strategy: str) -> Reals | None:
        """Return the standard deviation over the repeats (G,), of a sample; None for a single repeat."""
        curves = self.of(strategy)
        return curves.std(axis=0, ddof=1) if len(curves) > 1 else None

    def common(self, strategy: str, other: str = BASELINE) -> list[int]:
        """Return the repeats that two strategies both have."""
        return sorted(self.values.get(strategy, {}).keys() & self.values.get(other, {}).keys())


def on_common_grid(found: Sequence[Run], n_grid: int = _GRID) -> Curves | None:
    """Return runs on one grid from 0 to the end of the shortest; None if there is no such range.

    A run that stops early, since the pool was exhausted, shortens the range of all: beyond its end there is
    nothing to compare. So does, for the time being, no run that is still under way: arms are stored whole.

    Parameters
    ----------
    found : sequence of Run
        As :func:`runs` returns them.
    n_grid : int
        G, at least 2.
    """
    end = min((run.x[-1] for run in found), default=0.0)
    first = max((run.x[0] for run in found), default=0.0)
    if end <= first:
        return None
    grid = np.linspace(first, end, n_grid)
    values: dict[str, dict[int, Reals]] = {}
    for run in found:
        values.setdefault(run.strategy, {})[run.repeat] = np.interp(grid, run.x, run.y)
    return Curves(grid, values, float(np.mean([run.start for run in found])))


def area(grid: Reals, curves: Reals) -> Reals:
    """Return the mean of curves (..., G) over the range of their grid (G,): their area by its length.

    >>> float(area(np.array([0.0, 100.0]), np.array([0.2, 0.4])))
    0.30000000000000004
    """
    return np.trapezoid(curves, grid, axis=-1) / (grid[-1] - grid[0])


@dataclass(frozen=True, eq=False)
class Paired:
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
def paired(curves: Curves, strategy: str, other: str = BASELINE, seed: int = 0) -> Paired | None:
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
    differences = differences[np.lexsort(differences.T[::-1])]  # else the interval knew the repeats' order
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(repeats), [1 / len(repeats)] * len(repeats), _RESAMPLES) / len(repeats)
    low, high = np.percentile(drawn @ differences, [2.5, 97.5], axis=0)
    areas = area(curves.grid, differences)
    area_low, area_high = np.percentile(drawn @ areas, [2.5, 97.5])
    old_area, new_area = area(curves.grid, old).mean(), area(curves.grid, new).mean()
    return Paired(
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


def reach(x: Reals, y: Reals, target: float) -> float | None:
    """Return where a curve first comes to a target, between its points by a line; None if it never does.

    >>> reach(np.array([0.0, 100.0, 200.0]), np.array([0.1, 0.2, 0.4]), 0.3)
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
    difference : Paired or None
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
    difference: Paired | None
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
    repeats = curves.common(strategy)
    reached = ratio = None
    if repeats:
        mine, base = (curves.of(name, repeats).mean(axis=0) for name in (strategy, BASELINE))
        target = float(base[-1]) if target is None else target
        reached, needed = reach(curves.grid, mine, target), reach(curves.grid, base, target)
        ratio = reached / needed if reached is not None and needed else None
    elif target is not None:
        reached = reach(curves.grid, curves.mean(strategy), target)
    difference = paired(curves, strategy) if strategy != BASELINE else None
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


@dataclass(frozen=True)
class Forecast:
    """What the next cells may bring if a curve goes on as it did: the gain, and its 95 % interval."""

    gain: float
    low: float
    high: float
    n_points: int


FEWEST_TRAININGS = 3  # two points are always on a line: they say nothing about how sure it is
_LAST = 6  # trainings; a curve bends down sooner or later, and its beginning would promise too much
_STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}  # t at 97.5 % by degrees of freedom; any table has them


def forecast(n_cells: Sequence[float], values: Sequence[float], more: float) -> Forecast | None:
    """Return what `more` annotated cells are expected to add to a metric, by the last trainings.

    Parameters
    ----------
    n_cells : P numbers > 0
        Annotated cells of each training.
    values : P numbers in [0, 1]
        The metric of each.
    more : float > 0
        New cells.

    Returns
    -------
    Forecast or None
        None for fewer than 3 trainings, or if all of them had the same number of cells. A metric cannot leave
        [0, 1], nor can the interval.

    Notes
    -----
    y = a + b ln n is fitted to the last 6 trainings by least squares. Then the gain is b ln(1 + more / n),
    and all of its uncertainty is that of b: Student's interval of P - 2 degrees of freedom. With 3 trainings
    that is 13 standard errors on either side, which is as much as 3 points can say. The noise of the next
    single training comes on top. Such a curve is concave, as learning curves are, but never levels off: far
    ahead it promises too much, so ask it for a step, not for a project.

    References
    ----------
    Student 1908, Biometrika 6, 1. For the shape of learning curves: Viering and Loog 2023, "The shape of
    learning curves: a review", IEEE TPAMI 45, 7799.

    >>> forecast([100, 200, 400], [0.2, 0.3, 0.4], 400).gain
    0.1
    """
    n, y = np.array(n_cells[-_LAST:], np.float64), np.array(values[-_LAST:], np.float64)
    if len(n) < FEWEST_TRAININGS or np.ptp(n) == 0:
        return None
    x = np.log(n) - np.log(n).mean()
    slope = x @ y / (x @ x)
    residuals = y - y.mean() - slope * x
    freedom = len(n) - 2
    error = np.sqrt(residuals @ residuals / freedom / (x @ x))
    step = np.log1p(more / n[-1])
    half = _STUDENT[freedom] * error
    gain, low, high = np.clip(step * np.array([slope, slope - half, slope + half]), -y[-1], 1 - y[-1])
    return Forecast(round(float(gain), 12), float(low), float(high), len(n))
