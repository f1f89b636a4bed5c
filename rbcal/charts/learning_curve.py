"""The learning curve of a project, by metric and by class, and the loss of a training: charts and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor

import altair as alt
import pandas as pd

from rbcal.charts.colours import COLOURS, class_colours, palette
from rbcal.charts.few_cells import few_rare_cells, interval_words, range_words
from rbcal.charts.matched_training import NEW_CELLS, trainings
from rbcal.evaluation.metrics import Evaluation, Interval
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint
from rbcal.store.rankings import PoolState

INTERVAL = "95 % within"
SCORE = "Score"  # what a screen calls Precision_all
SHAPES = [
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-left",
    "triangle-right",
]
_CELLS_AXIS = "Annotated cells in training"
_FEW = ["Few", "Low", "High", INTERVAL]  # columns of classes with few test cells
_HIDDEN = {"Few", "Low", "High"}  # in tooltips: the interval says it in words
_FAINT = 0.35  # opacity


def metrics_table(curve: Sequence[CurvePoint]) -> pd.DataFrame:
    """Return one row for each model: what it was trained on and how good it is, AP and F1 in [0, 1]."""
    return pd.DataFrame(
        {
            "Model": [point.model_id for point in curve],
            "Annotated images": [point.n_images for point in curve],
            "Annotated cells": [point.n_cells for point in curve],
            "Precision_all": [point.evaluation.precision_all for point in curve],
            "mAP@0.5": [point.evaluation.map_50 for point in curve],
            "mAP@[.5:.95]": [point.evaluation.map_50_95 for point in curve],
            "Rare-class AP@0.5": pd.array([point.evaluation.rare_ap_50 for point in curve], "Float64"),
            "Macro F1": pd.array([point.evaluation.macro_f1 for point in curve], "Float64"),
            "Training": trainings(curve),
        }
    )


def class_table(curve: Sequence[CurvePoint], classes: Sequence[CellClass]) -> pd.DataFrame:
    """Return one row for each model and class: AP@0.5, and recall, precision and F1 as named, in [0, 1].

    Classes without a test cell are left out. A figure is NA where nobody counted names, and precision also
    where no box has the name. Where a class has few test cells, the last columns say so, and where its
    figures may lie.
    """
    rows = [
        (
            *(point.model_id, point.n_cells, each.name, each.rare, ap, recall, precision, f1, n_cells),
            *_few_columns(measured, each.label),
        )
        for point in curve
        for measured in (point.evaluation,)
        for each, ap, recall, precision, f1, n_cells in zip(
            classes,
            measured.ap_50,
            measured.recall,
            measured.precision,
            measured.f1,
            measured.n_cells,
            strict=False,
        )
        if ap is not None
    ]
    as_named = ["Recall", "Precision", "F1"]
    columns = ["Model", "Annotated cells", "Class", "Rare", "AP@0.5", *as_named, "Test cells", *_FEW]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(as_named, "Float64"))


def _few_columns(measured: Evaluation, label: int) -> tuple[bool, float | None, float | None, str]:
    """Return whether a class has few test cells, and where its figures may lie, as :data:`_FEW` has it."""
    if not measured.few[label]:
        return False, None, None, ""
    intervals = measured.interval(label)
    low, high = (None, None) if intervals is None else intervals.ap_50
    return True, low, high, interval_words(intervals)


def learning_curve(curve: Sequence[CurvePoint], classes: Sequence[CellClass] = ()) -> alt.LayerChart:
    """Return the chart of the summary metrics against annotated cells, one point for each model.

    Rare-class AP is faint where no rare class of `classes` has enough test cells.
    """
    metrics = ["Precision_all", "mAP@0.5", "mAP@[.5:.95]", "Rare-class AP@0.5", "Macro F1"]
    long = metrics_table(curve).melt(
        ["Model", "Annotated cells", "Annotated images", "Training"], metrics, "Metric", "Value"
    )
    few = {point.model_id: few_rare_cells(point.evaluation, classes) > 0 for point in curve}
    long["Few"] = (long["Metric"] == "Rare-class AP@0.5") & long["Model"].map(few).astype(bool)
    return _lines(long.dropna(subset="Value"), "Metric", metrics, "Value", "AP and F1 on the test set")


def score_curve(curve: Sequence[CurvePoint], intervals: Mapping[int, Interval]) -> alt.LayerChart:
    """Return the chart of the score, Precision_all, against annotated cells, one point for each model.

    Parameters
    ----------
    curve : sequence of CurvePoint
    intervals : mapping of model to (low, high)
        Where the score of a model lies with 95 %; models that nobody compared are not in it.

    Returns
    -------
    alt.LayerChart
        Its scale shows the tenths that the scores lie in: an interval of a few hundredths is to be seen.
    """
    rows = [
        (
            *(point.model_id, point.n_cells, SCORE, point.evaluation.precision_all),
            *intervals.get(point.model_id, (None, None)),
            range_words(intervals[point.model_id]) if point.model_id in intervals else "",
        )
        for point in curve
    ]
    columns = ["Model", "Annotated cells", "Measure", SCORE, "Low", "High", INTERVAL]
    table = _with_training(pd.DataFrame(rows, columns=columns), curve)
    seen = [value for column in (SCORE, "Low", "High") for value in table[column].dropna().tolist()]
    low, high = floor(10 * min(seen)), ceil(10 * max(seen))
    if high - low < 2:
        low, high = max(0, low - 1), min(10, high + 1)
    domain = low / 10, high / 10
    return _lines(table, "Measure", [SCORE], SCORE, "Score on the test set", domain=domain)


def class_curve(curve: Sequence[CurvePoint], classes: Sequence[CellClass]) -> alt.LayerChart:
    """Return the chart of AP@0.5 of each class against annotated cells."""
    table = _with_training(class_table(curve, classes), curve)
    tested = set(table["Class"])
    of_class = zip(classes, class_colours(classes), strict=True)
    colours = {each.name: colour for each, colour in of_class if each.name in tested}
    title = "AP@0.5 on the test set"
    return _lines(table, "Class", list(colours), "AP@0.5", title, colours=list(colours.values()))


def flagged_curve(history: Sequence[PoolState], curve: Sequence[CurvePoint]) -> alt.LayerChart:
    """Return the chart of flagged cells in the pool against annotated cells, one point for each ranking."""
    kind = "Red cells in the pool"
    rows = [(state.model_id, state.annotated_cells, state.n_flagged, kind) for state in history]
    table = pd.DataFrame(rows, columns=["Model", "Annotated cells", "Cells", "Kind"])
    domain = 0.0, max(1.0, 1.05 * table["Cells"].max())
    return _lines(_with_training(table, curve), "Kind", [kind], "Cells", "Red cells", domain=domain)


def _with_training(table: pd.DataFrame, curve: Sequence[CurvePoint]) -> pd.DataFrame:
    """Return a table with a column more, which says what is new in the training of the model of each row."""
    by_model = dict(zip((point.model_id for point in curve), trainings(curve), strict=True))
    return table.assign(Training=table["Model"].map(by_model).fillna(NEW_CELLS))


def loss_curve(losses: Sequence[tuple[int, float]]) -> alt.LayerChart:
    """Return the chart of the training loss against the step: each step pale, their running mean dark."""
    table = pd.DataFrame(losses, columns=["Step", "Loss"])
    table["Mean"] = table["Loss"].ewm(span=20).mean()
    base = alt.Chart(table).encode(x=alt.X("Step:Q", title="Step", axis=alt.Axis(format="d", tickMinStep=1)))
    steps = base.mark_line(opacity=0.3, color=COLOURS[0]).encode(y=alt.Y("Loss:Q", title="Loss"))
    mean = base.mark_line(color=COLOURS[0], strokeWidth=2.5).encode(y="Mean:Q")
    return (steps + mean).properties(height=200)


def _lines(
    table: pd.DataFrame,
    series: str,
    names: Sequence[str],
    value: str,
    title: str,
    domain: Interval = (0.0, 1.0),
    colours: Sequence[str] | None = None,
) -> alt.LayerChart:
    scale = alt.Scale(domain=list(domain))
    height = 220 if len(names) == 1 else max(340, 40 + 30 * len(names))  # as high as its legend
    colours = colours or palette(len(names))
    shapes = [SHAPES[k % len(SHAPES)] for k in range(len(names))]
    legend = alt.Legend(title=None, labelLimit=200) if len(names) > 1 else None
    x_scale = alt.Scale(domain=[0, 1.05 * table["Annotated cells"].max()])
    x_axis = alt.Axis(format=",d", tickMinStep=1, tickCount=8)
    base = alt.Chart(table).encode(
        x=alt.X("Annotated cells:Q", title=_CELLS_AXIS, scale=x_scale, axis=x_axis),
        order="Model:Q",  # a line goes from model to model, also where both had as many cells
        y=alt.Y(f"{field_name(value)}:Q", title=title, scale=scale),
        color=alt.Color(f"{series}:N", scale=alt.Scale(domain=list(names), range=colours), legend=legend),
        tooltip=[
            alt.Tooltip(f"{field_name(column)}", title=column)
            for column in table.columns
            if column not in _HIDDEN
        ],
    )
    if "Few" in table:  # a class has few test cells: it stands back
        few = alt.Scale(domain=[False, True], range=[1.0, _FAINT])
        base = base.encode(opacity=alt.Opacity("Few:N", scale=few, legend=None))
    shape = alt.Shape(f"{series}:N", scale=alt.Scale(domain=list(names), range=shapes), legend=legend)
    on_new_cells = alt.datum.Training == NEW_CELLS  # the others stand beside the line, hollow
    layers = [
        base.mark_line(strokeWidth=2).transform_filter(on_new_cells),
        base.mark_point(filled=True, size=90, opacity=1).encode(shape=shape).transform_filter(on_new_cells),
    ]
    if (table["Training"] != NEW_CELLS).any():
        hollow = base.mark_point(filled=False, size=90, opacity=1, strokeWidth=2).encode(shape=shape)
        layers.append(hollow.transform_filter(alt.datum.Training != NEW_CELLS))
    if "Low" in table and table["Low"].notna().any():
        ranges = base.mark_rule(strokeWidth=2).encode(y=alt.Y("Low:Q", title=title, scale=scale), y2="High:Q")
        layers.append(ranges.transform_filter("isValid(datum.Low)").transform_filter(on_new_cells))
    return alt.LayerChart(layer=layers).properties(height=height)


def field_name(column: str) -> str:
    """Return a column's name as Vega-Lite reads it: brackets and dots are paths there."""
    return column.replace(".", "\\.").replace("[", "\\[").replace("]", "\\]")
