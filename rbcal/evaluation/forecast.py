"""What the next annotated cells are expected to bring, by the project's own learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_TRAININGS = 3  # two points are always on a line: they say nothing about how sure it is
_LAST = 6  # trainings; a curve bends down sooner or later, and its beginning would promise too much


@dataclass(frozen=True)
class Forecast:
    """What the next cells may bring if a curve goes on as it did: the gain, and its 95 % interval."""

    gain: float
    low: float
    high: float
    n_points: int


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
    from scipy.stats import t  # late: it takes a second, and a page that forecasts nothing can do without

    (slope, _), covariance = np.polyfit(np.log(n), y, 1, cov=True)
    half = t.ppf(0.975, len(n) - 2) * np.sqrt(covariance[0, 0])
    step = np.log1p(more / n[-1])
    gain, low, high = np.clip(step * np.array([slope, slope - half, slope + half]), -y[-1], 1 - y[-1])
    return Forecast(round(float(gain), 12), float(low), float(high), len(n))
