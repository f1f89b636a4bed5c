"""Does a predicted change come true? The calibration of e against what the expert then did.

It loads scipy, with the calibration; pages import it when they show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import altair as alt
import numpy as np
import pandas as pd

from rbcal.acquisition.calibration import FEWEST, Bin, Calibration, expected_error, reliability
from rbcal.charts.learning_curve import COLOURS
from rbcal.evaluation.intervals import wilson
from rbcal.store.outcomes import Bools, Outcomes
from rbcal.types import Reals

_REFIT = 1.1  # once there are a tenth more cells: fifty fits for 20,000 cells, not one for each image
_FEWEST_IN_BIN = 20
_MOST_BINS = 10


@dataclass(frozen=True)
class CalibrationCheck:
    """What was predicted of cells before the expert saw them, and what the expert then did.

    Parameters
    ----------
    bins : tuple of Bin
        Of about equal numbers of cells, the least doubtful first; empty while nothing could be predicted.
    error : float
        Expected calibration error in [0, 1], 0 is best.
    n_cells : int
        That were predicted.
    n_read : int
        That the expert looked at; the first 200 or more of them are trained on alone.
    audit : Bin or None
        Those in images that were drawn at random, all in one: they stand for the whole pool.
    """

    bins: tuple[Bin, ...]
    error: float
    n_cells: int
    n_read: int
    audit: Bin | None


def check_calibration(outcomes: Outcomes) -> CalibrationCheck:
    """Return how well each review is predicted from the reviews before it (prequentially).

    Only cells that the expert looked at count. A cell is never predicted by a calibration that has seen its
    own image, or a later one: the diagram would praise itself.
    """
    read = outcomes.read
    changed, audit = outcomes.changed[read], outcomes.audit[read]
    positions, predicted = _predict_ahead(outcomes.uncertainty[read], changed, outcomes.image[read])
    if not len(positions):
        return CalibrationCheck((), 0.0, 0, len(changed), None)
    true, drawn = changed[positions], audit[positions]
    n_bins = int(np.clip(len(positions) // _FEWEST_IN_BIN, 1, _MOST_BINS))
    bins = reliability(predicted, true, n_bins)
    return CalibrationCheck(
        bins=tuple(bins),
        error=expected_error(bins),
        n_cells=len(positions),
        n_read=len(changed),
        audit=reliability(predicted[drawn], true[drawn], 1)[0] if drawn.any() else None,
    )


def _predict_ahead(uncertainty: Reals, changed: Bools, image: np.ndarray) -> tuple[np.ndarray, Reals]:
    """Return the positions of the cells that can be predicted from earlier images, and the predictions."""
    borders = [*np.flatnonzero(np.diff(image, prepend=-1)), len(image)]
    positions, predicted = [np.empty(0, np.int64)], [np.empty(0)]
    calibration, n_trained = Calibration(), 0
    for start, end in pairwise(borders):
        if start >= max(FEWEST, _REFIT * n_trained):
            calibration, n_trained = Calibration.fit(uncertainty[:start], changed[:start]), int(start)
        if calibration.learnt:
            positions.append(np.arange(start, end))
            predicted.append(calibration(uncertainty[start:end]))
    return np.concatenate(positions), np.concatenate(predicted)


def reliability_table(bins: Sequence[Bin]) -> pd.DataFrame:
    """Return one row for each bin: predicted, true, and the 95 % interval of the truth."""
    rows = [
        (
            each.predicted,
            each.changed,
            *wilson(round(each.changed * each.n_cells), each.n_cells),
            each.n_cells,
        )
        for each in bins
    ]
    return pd.DataFrame(rows, columns=["Predicted", "Changed", "Low", "High", "Cells"])


def reliability_chart(bins: Sequence[Bin]) -> alt.LayerChart:
    """Return the reliability diagram: what was predicted, what came true, and the line where both agree."""
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="%", tickCount=6)
    line = alt.Chart(pd.DataFrame({"Predicted": [0.0, 1.0], "Changed": [0.0, 1.0]}))
    base = alt.Chart(reliability_table(bins)).encode(
        x=alt.X("Predicted:Q", scale=scale, axis=axis, title="Predicted chance of a change"),
        tooltip=[
            *(alt.Tooltip(f"{name}:Q", format=".0%") for name in ("Predicted", "Changed", "Low", "High")),
            "Cells",
        ],
    )
    y = alt.Y("Changed:Q", scale=scale, axis=axis, title="Cells that the expert changed")
    layers = [
        line.mark_line(color="#808080", strokeDash=[6, 5]).encode(x="Predicted:Q", y="Changed:Q"),
        base.mark_rule(color=COLOURS[0], strokeWidth=2).encode(
            y=alt.Y("Low:Q", scale=scale, axis=axis, title="Cells that the expert changed"), y2="High:Q"
        ),
        base.mark_line(color=COLOURS[0], strokeWidth=1, opacity=0.6).encode(y=y),
        base.mark_point(filled=True, size=90, opacity=1, color=COLOURS[0]).encode(y=y),
    ]
    return alt.LayerChart(layer=layers).properties(height=340)


def reliability_words(check: CalibrationCheck) -> str:
    """Return in words what the diagram shows, and how honest it is."""
    if not check.n_cells:
        return (
            f"The chance that you would change a cell is learnt from your reviews once you have looked at "
            f"{FEWEST} cells, and checked on the images after those; {check.n_read} so far. Until then the "
            "queue goes by what is unusual in the pool."
        )
    words = (
        f"{check.n_cells:,} cells that you looked at, each predicted from your earlier reviews only, never "
        f"from its own image. The mean gap between predicted and true is {check.error:.0%}. Bars: 95 % "
        "intervals, as if cells had nothing to do with each other. Cells accepted in bulk or saved without a "
        "look are left out."
    )
    if check.audit is None:
        return f"{words} No image of them was drawn at random, so this holds for images that were chosen."
    predicted, changed, n_cells = check.audit.predicted, check.audit.changed, check.audit.n_cells
    low, high = wilson(round(changed * n_cells), n_cells)
    return (
        f"{words} In images drawn at random, which stand for the whole pool: {predicted:.0%} predicted, "
        f"{changed:.0%} changed (95 % interval {low:.0%} to {high:.0%}, {n_cells:,} cells)."
    )
