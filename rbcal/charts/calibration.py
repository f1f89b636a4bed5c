"""Does a predicted change come true? The calibration of e against the truth.

It loads scipy and scikit-learn; pages import it when they show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from rbcal.acquisition.calibration import Bin, expected_error, reliability
from rbcal.acquisition.change_model import FEWEST, cross_fitted
from rbcal.charts.colours import COLOURS
from rbcal.evaluation.intervals import wilson
from rbcal.jobs.colours import ChangeEvidence

_FEWEST_IN_BIN = 20
_MOST_BINS = 10


@dataclass(frozen=True)
class CalibrationCheck:
    """What was predicted of cells by a change model that had not seen their slide, and what is true of them.

    Parameters
    ----------
    bins : tuple of Bin
        Of about equal numbers of cells, the least likely to change first; empty while nothing is known.
    error : float
        Expected calibration error in [0, 1], 0 is best.
    n_cells : int
        Whose truth is known, and which the model was not trained on.
    n_read : int
        Of them, those that the expert read since the training; the others are of test images.
    audit : Bin or None
        Those in images that were drawn at random, all in one: they stand for the whole pool.
    """

    bins: tuple[Bin, ...]
    error: float
    n_cells: int
    n_read: int
    audit: Bin | None


def check_calibration(evidence: ChangeEvidence) -> CalibrationCheck:
    """Return how well the chance of a change is predicted, each cell by what other slides say."""
    n_read = int(evidence.is_read.sum())
    predicted = cross_fitted(evidence.features, evidence.changed, evidence.group)
    if predicted is None:
        return CalibrationCheck((), 0.0, len(evidence), n_read, None)
    changed, drawn = evidence.changed, evidence.is_audit
    bins = reliability(predicted, changed, int(np.clip(len(evidence) // _FEWEST_IN_BIN, 1, _MOST_BINS)))
    return CalibrationCheck(
        bins=tuple(bins),
        error=expected_error(bins),
        n_cells=len(evidence),
        n_read=n_read,
        audit=reliability(predicted[drawn], changed[drawn], 1)[0] if drawn.any() else None,
    )


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
    y = alt.Y("Changed:Q", scale=scale, axis=axis, title="Cells that were wrong")
    layers = [
        line.mark_line(color="#808080", strokeDash=[6, 5]).encode(x="Predicted:Q", y="Changed:Q"),
        base.mark_rule(color=COLOURS[0], strokeWidth=2).encode(
            y=alt.Y("Low:Q", scale=scale, axis=axis, title="Cells that were wrong"), y2="High:Q"
        ),
        base.mark_line(color=COLOURS[0], strokeWidth=1, opacity=0.6).encode(y=y),
        base.mark_point(filled=True, size=90, opacity=1, color=COLOURS[0]).encode(y=y),
    ]
    return alt.LayerChart(layer=layers).properties(height=340)


def reliability_words(check: CalibrationCheck) -> str:
    """Return in words what the diagram shows, and how honest it is."""
    if not check.bins:
        return (
            "How likely you would change a cell is known once the truth is known of "
            f"{FEWEST} cells that the model was not trained on, on at least two slides, some of them wrong; "
            f"{check.n_cells:,} so far. They come from test images, and from what you kept or corrected. "
            "Until then nothing is green."
        )
    words = (
        f"{check.n_cells:,} cells whose truth is known: {check.n_cells - check.n_read:,} of test images, "
        f"{check.n_read:,} that you read since the training. Each is predicted from other slides, never from "
        f"its own. The mean gap between predicted and true is {check.error:.0%}. Bars: 95 % intervals, as if "
        "each cell were independent of the others. Cells accepted in bulk or saved unread are left out."
    )
    if check.audit is None:
        return words
    predicted, changed, n_cells = check.audit.predicted, check.audit.changed, check.audit.n_cells
    low, high = wilson(round(changed * n_cells), n_cells)
    return (
        f"{words} In images drawn at random and read whole, which stand for all that wait: "
        f"{predicted:.0%} predicted, {changed:.0%} changed (95 % interval {low:.0%} to {high:.0%}, "
        f"{n_cells:,} cells)."
    )
