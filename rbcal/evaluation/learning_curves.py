"""Learning curves of a simulation: a metric of each arm against the cells or minutes that it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rbcal.config import CONTROL
from rbcal.errors import ScoringError
from rbcal.evaluation.metrics import Evaluation

Reals = NDArray[np.float64]
Axis = Literal["cells", "minutes"]
Metric = Callable[[Evaluation], float | None]

BASELINE = "random"
_GRID = 61  # points along the axis; rounds are far fewer

METRICS: Mapping[str, Metric] = {
    "Precision_all": lambda evaluation: evaluation.precision_all,
    "mAP@0.5": lambda evaluation: evaluation.map_50,
    "Rare-class AP@0.5": lambda evaluation: evaluation.rare_ap_50,
    "Macro F1": lambda evaluation: evaluation.macro_f1,
}


@dataclass(frozen=True)
class SimulationPoint:
    """What one strategy had come to after one round of one repeat.

    `n_cells` are annotated by then, `cells_by_class` of each class; where cells are asked for one by one, the
    answer that there is no cell is counted in `n_cells`, too. `expert_seconds` is the expected time of the
    expert since round 0; `query` are the ids of the images of this round, in the order of their review.
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
class ArmCurve:
    """One arm, a strategy in one repeat: a metric `y` (P,) at each `x` (P,), which grows strictly from 0 on.

    `start` are the cells that were annotated at x = 0, before the first round.
    """

    repeat: int
    strategy: str
    x: Reals
    y: Reals
    start: int


def arm_curves(points: Sequence[SimulationPoint], metric: Metric, axis: Axis = "cells") -> list[ArmCurve]:
    """Return the arms of a simulation, by repeat and strategy; where the metric is not defined there is none.

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
    list of ArmCurve
        A round that brought no new cell takes the place of the one before: x grows strictly. The control,
        which annotates nothing, has the mean x of the other arms of its repeat, round by round.

    Raises
    ------
    ScoringError
        If a value is NaN or infinite, which no AP or F1 is.
    """
    if axis not in get_args(Axis):
        raise ScoringError(f"Curves go by 'cells' or 'minutes', but got {axis!r}.")
    by_arm = sorted(points, key=lambda point: (point.repeat, point.strategy, point.round))
    arms = {key: list(rounds) for key, rounds in groupby(by_arm, lambda p: (p.repeat, p.strategy))}
    grown = {key: [_grown(point, rounds[0], axis) for point in rounds] for key, rounds in arms.items()}
    for repeat, strategy in arms:
        if strategy == CONTROL:
            others = [x for (each, name), x in grown.items() if each == repeat and name != CONTROL]
            grown[repeat, strategy] = _mean_by_round(others)
    curves = [_arm_curve(rounds, grown[key], metric) for key, rounds in arms.items()]
    return [curve for curve in curves if len(curve.x)]


def _grown(point: SimulationPoint, first: SimulationPoint, axis: Axis) -> float:
    """Return what a point took since round 0."""
    return point.n_cells - first.n_cells if axis == "cells" else point.expert_seconds / 60


def _mean_by_round(arms: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean over the arms that are that long, round by round; it never falls where one ends."""
    longest = max(map(len, arms), default=0)
    means = [float(np.mean([arm[k] for arm in arms if len(arm) > k])) for k in range(longest)]
    return np.maximum.accumulate(means).tolist() if means else []


def _arm_curve(rounds: Sequence[SimulationPoint], grown: Sequence[float], metric: Metric) -> ArmCurve:
    first = rounds[0]
    values: dict[float, float] = {}
    for point, at in zip(rounds, grown, strict=False):  # a control alone stands nowhere
        if (value := metric(point.evaluation)) is not None:
            values[at] = value
    x, y = np.array(list(values), np.float64), np.array(list(values.values()), np.float64)
    if not (np.isfinite(y).all() and (np.diff(x) > 0).all()):
        raise ScoringError(
            f"Repeat {first.repeat + 1} of {first.strategy} is no curve: values must be numbers, and cells "
            "and time must grow from round to round. Run this simulation again."
        )
    return ArmCurve(first.repeat, first.strategy, x, y, first.n_cells)


@dataclass(frozen=True, eq=False)
class Curves:
    """Arms on a common grid: values are interpolated linearly, over the range that every arm covers.

    Parameters
    ----------
    grid : (G,) float64
        x, rising from 0 to where the shortest arm ends.
    values : {strategy: {repeat: (G,) float64}}
        The metric of each arm on the grid.
    start : float
        Annotated cells at x = 0, the mean over the arms.
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
        by_repeat = self.values[strategy]
        return np.stack([by_repeat[repeat] for repeat in (sorted(by_repeat) if repeats is None else repeats)])

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


def on_common_grid(arms: Sequence[ArmCurve], n_grid: int = _GRID) -> Curves | None:
    """Return arms on one grid from 0 to the end of the shortest; None if there is no such range.

    An arm that stops early, since the pool was exhausted, shortens the range of all: beyond its end there is
    nothing to compare. One that is still under way does not: arms are stored whole.

    Parameters
    ----------
    arms : sequence of ArmCurve
        As :func:`arm_curves` returns them.
    n_grid : int
        G, at least 2.
    """
    end = min((arm.x[-1] for arm in arms), default=0.0)
    first = max((arm.x[0] for arm in arms), default=0.0)
    if end <= first:
        return None
    grid = np.linspace(first, end, n_grid)
    values: dict[str, dict[int, Reals]] = {}
    for arm in arms:
        values.setdefault(arm.strategy, {})[arm.repeat] = np.interp(grid, arm.x, arm.y)
    return Curves(grid, values, float(np.mean([arm.start for arm in arms])))
