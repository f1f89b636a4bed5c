"""Simulations as charts and tables: what each strategy is worth, and how sure that is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from rbcal.charts.colours import COLOURS, palette
from rbcal.evaluation.learning_curves import BASELINE, ArmCurve, Axis, Curves, Metric, SimulationPoint
from rbcal.evaluation.metrics import Shares
from rbcal.evaluation.strategy_comparison import Summary, paired_difference
from rbcal.store.evaluations import CurvePoint

AXES: dict[Axis, str] = {"cells": "Newly annotated cells", "minutes": "Expert minutes, expected"}
_GREY = "#808080"  # the baseline; readable on both backgrounds
_DASHES = [[1, 0], [9, 3], [3, 2], [9, 3, 2, 3], [14, 4], [2, 4], [14, 3, 3, 3, 3, 3]]
_BASE_DASH = [6, 5]
_BAND = 0.16  # opacity, of up to four bands; more of them must be paler
Shown = Collection[str] | None  # strategies; None: all


def curve_table(curves: Curves) -> pd.DataFrame:
    """Return mean and standard deviation over the repeats, one row for each strategy and grid point.

    The columns Low and High are one standard deviation below and above the mean; empty for a single repeat.
    """
    parts = []
    for strategy in curves.strategies:
        mean, deviation = curves.mean(strategy), curves.deviation(strategy)
        spread = np.full(len(mean), np.nan) if deviation is None else deviation
        columns = {"x": curves.grid, "Mean": mean, "Deviation": spread}
        columns |= {"Low": mean - spread, "High": mean + spread}
        parts.append(pd.DataFrame({"Strategy": strategy, "Repeats": len(curves.values[strategy])} | columns))
    return pd.concat(parts, ignore_index=True)


def difference_table(curves: Curves) -> pd.DataFrame:
    """Return the paired difference to random with its 95 % interval, for each strategy and grid point."""
    parts = [pd.DataFrame(columns=["Strategy", "Repeats", "x", "Difference", "Low", "High"])]
    for strategy in curves.strategies:
        difference = paired_difference(curves, strategy) if strategy != BASELINE else None
        if difference is not None:
            columns = {"x": curves.grid, "Difference": difference.mean}
            columns |= {"Low": difference.low, "High": difference.high}
            parts.append(pd.DataFrame({"Strategy": strategy, "Repeats": difference.n_repeats} | columns))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def arm_table(arms: Sequence[ArmCurve]) -> pd.DataFrame:
    """Return every arm as it was measured, one row for each round."""
    rows = [
        (arm.strategy, arm.repeat + 1, x, y)
        for arm in arms
        for x, y in zip(arm.x.tolist(), arm.y.tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["Strategy", "Repeat", "x", "Value"])


def points_table(points: Sequence[SimulationPoint], classes: Sequence[str]) -> pd.DataFrame:
    """Return every stored point with all of its figures, for other programs."""
    start = {(point.repeat, point.strategy): point.n_cells for point in points if point.round == 0}
    return pd.DataFrame(
        {
            "Strategy": point.strategy,
            "Repeat": point.repeat + 1,
            "Round": point.round,
            "Images": point.n_images,
            "Cells": point.n_cells,
            "New cells": point.n_cells - start[point.repeat, point.strategy],
            "Expert minutes": point.expert_seconds / 60,
            "Precision_all": point.evaluation.precision_all,
            "mAP@0.5": point.evaluation.map_50,
            "mAP@[.5:.95]": point.evaluation.map_50_95,
            "Rare-class AP@0.5": point.evaluation.rare_ap_50,
            "Macro F1": point.evaluation.macro_f1,
            "Computing seconds": point.seconds,
            **_by_class("AP@0.5", classes, point.evaluation.ap_50),
            **_by_class("Recall", classes, point.evaluation.recall),
            **_by_class("Precision", classes, point.evaluation.precision),
            **_by_class("F1", classes, point.evaluation.f1),
            "Model SHA-256": point.weights_sha256,
        }
        for point in points
    )


def _by_class(figure: str, classes: Sequence[str], values: Shares) -> dict[str, float | None]:
    return {f"{figure} of {name}": value for name, value in zip(classes, values, strict=False)}


def curves_chart(
    curves: Curves,
    arms: Sequence[ArmCurve],
    axis: Axis,
    metric: str,
    *,
    every_arm: bool = False,
    shown: Shown = None,
) -> alt.LayerChart:
    """Return the chart of the mean of each strategy in a band of one standard deviation on either side.

    A strategy keeps its colour, also where not all of them are `shown`.
    """
    base = _base(_only(curve_table(curves), shown), curves.strategies, axis, shown)
    scale = alt.Scale(zero=False, nice=True)
    band = base.mark_area(opacity=_pale(curves.strategies, shown)).encode(
        y=alt.Y("Low:Q", scale=scale, title=metric), y2="High:Q"
    )
    line = base.mark_line(strokeWidth=2.5).encode(
        y=alt.Y("Mean:Q", scale=scale, title=metric),
        tooltip=[
            "Strategy",
            _x_tooltip(axis),
            alt.Tooltip("Mean:Q", format=".3f"),
            alt.Tooltip("Deviation:Q", title="Standard deviation", format=".3f"),
            "Repeats",
        ],
    )
    thin = _every_arm(arms, curves.strategies, axis, scale, metric, shown) if every_arm else []
    layers = [band.transform_filter("isValid(datum.Deviation)"), *thin, line]
    return alt.LayerChart(layer=layers).properties(height=340)


def _every_arm(
    arms: Sequence[ArmCurve],
    strategies: Sequence[str],
    axis: Axis,
    scale: alt.Scale,
    metric: str,
    shown: Shown,
) -> list[alt.Chart]:
    """Return thin lines with a mark for each round that was measured, also beyond the common range."""
    base = _base(_only(arm_table(arms), shown), strategies, axis, shown).encode(
        y=alt.Y("Value:Q", scale=scale, title=metric),
        detail="Repeat:N",
        tooltip=[
            "Strategy",
            "Repeat",
            _x_tooltip(axis),
            alt.Tooltip("Value:Q", title=metric, format=".3f"),
        ],
    )
    return [base.mark_line(strokeWidth=0.8, opacity=0.55), base.mark_circle(size=26, opacity=0.55)]


def difference_chart(curves: Curves, axis: Axis, metric: str, *, shown: Shown = None) -> alt.LayerChart:
    """Return the chart of the paired difference to random in its 95 % interval, with a line at 0."""
    table = _only(difference_table(curves), shown)
    base = _base(table, curves.strategies, axis, sorted(set(table["Strategy"])))
    title = f"{metric}, above random"
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=_GREY, strokeDash=_BASE_DASH, size=1.5)
    band = base.mark_area(opacity=_pale(curves.strategies, shown)).encode(
        y=alt.Y("Low:Q", title=title), y2="High:Q"
    )
    line = base.mark_line(strokeWidth=2.5).encode(
        y=alt.Y("Difference:Q", title=title, axis=alt.Axis(format="+.3~f")),
        tooltip=[
            "Strategy",
            _x_tooltip(axis),
            *(alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("Difference", "Low", "High")),
            "Repeats",
        ],
    )
    return alt.LayerChart(layer=[zero.encode(y="zero:Q"), band, line]).properties(height=260)


def live_chart(curve: Sequence[CurvePoint], curves: Curves, metric: Metric, name: str) -> alt.LayerChart:
    """Return the project's own curve against annotated cells, the simulated strategies pale behind it."""
    table = curve_table(curves)
    table["x"] += curves.start
    own = pd.DataFrame(
        [(point.n_cells, metric(point.evaluation), point.model_id) for point in curve],
        columns=["x", "Value", "Model"],
    ).dropna(subset="Value")
    scale = alt.Scale(domain=[0, 1])
    title = "Annotated cells in training"
    behind = _base(table, curves.strategies, "cells", title=title)
    band = behind.mark_area(opacity=_BAND / 2).encode(y=alt.Y("Low:Q", scale=scale, title=name), y2="High:Q")
    means = behind.mark_line(strokeWidth=1.5, opacity=0.7).encode(y=alt.Y("Mean:Q", scale=scale, title=name))
    front = alt.Chart(own).encode(
        x=alt.X("x:Q", title=title),
        y=alt.Y("Value:Q", scale=scale, title=name),
        order="Model:Q",
        tooltip=["Model", alt.Tooltip("x:Q", title=title, format=",d"), alt.Tooltip("Value:Q", format=".3f")],
    )
    line = front.mark_line(strokeWidth=3, color=COLOURS[1])
    marks = front.mark_point(filled=True, size=110, opacity=1, color=COLOURS[1])
    layers = [band.transform_filter("isValid(datum.Deviation)"), means, line, marks]
    return alt.LayerChart(layer=layers).properties(height=340)


def _base(
    table: pd.DataFrame,
    strategies: Sequence[str],
    axis: Axis,
    shown: Shown = None,
    *,
    title: str | None = None,
) -> alt.Chart:
    """Return a chart in which each strategy has its colour and its dashes."""
    others = [name for name in strategies if name != BASELINE]
    colours = {BASELINE: _GREY} | dict(zip(others, palette(len(others)), strict=True))
    dashes = {BASELINE: _BASE_DASH}
    dashes |= {name: _DASHES[k % len(_DASHES)] for k, name in enumerate(others)}
    domain = [name for name in strategies if shown is None or name in shown]
    legend = alt.Legend(
        title=None,
        symbolType="stroke",
        symbolOpacity=1,
        symbolSize=500,
        symbolStrokeWidth=2.5,
        labelLimit=200,
    )
    colour_scale, dash_scale = (
        alt.Scale(domain=domain, range=[styles[name] for name in domain]) for styles in (colours, dashes)
    )
    return alt.Chart(table).encode(
        x=alt.X("x:Q", title=title or AXES[axis], axis=alt.Axis(format=",.2~f", tickCount=8)),
        color=alt.Color("Strategy:N", scale=colour_scale, legend=legend),
        strokeDash=alt.StrokeDash("Strategy:N", scale=dash_scale, legend=legend),
    )


def _x_tooltip(axis: Axis) -> alt.Tooltip:
    return alt.Tooltip("x:Q", title=AXES[axis], format=",.0f")


def _pale(strategies: Sequence[str], shown: Shown) -> float:
    return _BAND * min(1.0, 4 / max(1, len(strategies if shown is None else shown)))


def _only(table: pd.DataFrame, shown: Shown) -> pd.DataFrame:
    return table if shown is None else table[table["Strategy"].isin(shown)]


def summary_table(summaries: Sequence[Summary], axis: Axis, metric: str) -> pd.DataFrame:
    """Return one row for each strategy: what it came to, and whether that is more than chance."""
    return pd.DataFrame(
        {
            "Strategy": [each.strategy for each in summaries],
            "Verdict": [each.verdict for each in summaries],
            "Mean above random (95 %)": [_gain(each, "area") for each in summaries],
            f"{metric} at the end": [_with_spread(each.end, each.end_deviation) for each in summaries],
            "End above random (95 %)": [_gain(each, "end") for each in summaries],
            f"{axis.capitalize()} to the target": [_reached(each) for each in summaries],
            "Mean over the range": [f"{each.area:.3f}" for each in summaries],
            "Repeats": [each.n_repeats for each in summaries],
        }
    )


def _with_spread(mean: float, deviation: float | None) -> str:
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"


def _gain(summary: Summary, figure: Literal["area", "end"]) -> str:
    if summary.difference is None:
        return ""
    each = getattr(summary.difference, figure)
    gain = f"{each.new - each.old:+.3f}"
    if summary.difference.n_repeats == 1:
        return gain  # an interval of one repeat has no width, which would look like certainty
    return f"{gain} ({each.low:+.3f} to {each.high:+.3f})"


def _reached(summary: Summary) -> str:
    if summary.target is None:
        return ""
    if summary.reached is None:
        return "not reached"
    if summary.ratio is None or summary.strategy == BASELINE:
        return f"{summary.reached:,.0f}"
    return f"{summary.reached:,.0f} ({summary.ratio:.2f} × random)"
