"""Simulations as charts, tables and words: what each strategy is worth, and how sure that is."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from rbcal.charts.learning_curve import COLOURS
from rbcal.config import SimulationConfig
from rbcal.evaluation.learning_curves import (
    BASELINE,
    Axis,
    Curves,
    Metric,
    Run,
    SimulationPoint,
    Summary,
    paired,
)
from rbcal.formats.names import cell_text
from rbcal.store.evaluations import CurvePoint
from rbcal.store.simulations import Simulation
from rbcal.wording import duration

AXES: dict[Axis, str] = {"cells": "Newly annotated cells", "minutes": "Expert minutes, expected"}
_GREY = "#808080"  # the baseline; readable on both backgrounds
_HUES = [colour for colour in COLOURS if colour != "#000000"]  # black is lost on a dark page
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
        difference = paired(curves, strategy) if strategy != BASELINE else None
        if difference is not None:
            columns = {"x": curves.grid, "Difference": difference.mean}
            columns |= {"Low": difference.low, "High": difference.high}
            parts.append(pd.DataFrame({"Strategy": strategy, "Repeats": difference.n_repeats} | columns))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def run_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Return every run as it was measured, one row for each round."""
    rows = [
        (run.strategy, run.repeat + 1, x, y)
        for run in runs
        for x, y in zip(run.x.tolist(), run.y.tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["Strategy", "Repeat", "x", "Value"])


def points_table(points: Sequence[SimulationPoint], classes: Sequence[str]) -> pd.DataFrame:
    """Return every stored point with all of its figures, for other programs."""
    start = {(point.repeat, point.strategy): point.n_cells for point in points if point.round == 0}
    rows = []
    for point in points:
        figures = point.evaluation
        row = {"Strategy": point.strategy, "Repeat": point.repeat + 1, "Round": point.round}
        row |= {
            "Images": point.n_images,
            "Cells": point.n_cells,
            "New cells": point.n_cells - start[point.repeat, point.strategy],
        }
        row |= {"Expert minutes": point.expert_seconds / 60, "Precision_all": figures.precision_all}
        row |= {"mAP@0.5": figures.map_50, "mAP@[.5:.95]": figures.map_50_95}
        row |= {"Rare-class AP@0.5": figures.rare_ap_50, "Computing seconds": point.seconds}
        row |= {f"AP@0.5 of {name}": ap for name, ap in zip(classes, figures.ap_50, strict=False)}
        rows.append(row | {"Model SHA-256": point.weights_sha256})
    return pd.DataFrame(rows)


def curves_chart(
    curves: Curves,
    runs: Sequence[Run],
    axis: Axis,
    metric: str,
    *,
    every_run: bool = False,
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
    layers: list[alt.Chart] = [band.transform_filter("isValid(datum.Deviation)")]
    if every_run:
        layers += _every_run(runs, curves.strategies, axis, scale, metric, shown)
    layers.append(
        base.mark_line(strokeWidth=2.5).encode(
            y=alt.Y("Mean:Q", scale=scale, title=metric),
            tooltip=[
                "Strategy",
                alt.Tooltip("x:Q", title=AXES[axis], format=",.0f"),
                alt.Tooltip("Mean:Q", format=".3f"),
                alt.Tooltip("Deviation:Q", title="Standard deviation", format=".3f"),
                "Repeats",
            ],
        )
    )
    return alt.LayerChart(layer=layers).properties(height=340)


def _every_run(
    runs: Sequence[Run], strategies: Sequence[str], axis: Axis, scale: alt.Scale, metric: str, shown: Shown
) -> list[alt.Chart]:
    """Return thin lines with a mark for each round that was measured, also beyond the common range."""
    base = _base(_only(run_table(runs), shown), strategies, axis, shown).encode(
        y=alt.Y("Value:Q", scale=scale, title=metric),
        detail="Repeat:N",
        tooltip=[
            "Strategy",
            "Repeat",
            alt.Tooltip("x:Q", title=AXES[axis], format=",.0f"),
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
            alt.Tooltip("x:Q", title=AXES[axis], format=",.0f"),
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
    colours = {BASELINE: _GREY} | {name: _HUES[k % len(_HUES)] for k, name in enumerate(others)}
    dashes = {BASELINE: _BASE_DASH}
    dashes |= {name: _DASHES[(k + k // len(_DASHES)) % len(_DASHES)] for k, name in enumerate(others)}
    domain = [name for name in strategies if shown is None or name in shown]
    legend = alt.Legend(
        title=None,
        symbolType="stroke",
        symbolOpacity=1,
        symbolSize=500,
        symbolStrokeWidth=2.5,
        labelLimit=200,
    )
    return alt.Chart(table).encode(
        x=alt.X("x:Q", title=title or AXES[axis], axis=alt.Axis(format=",.2~f", tickCount=8)),
        color=alt.Color(
            "Strategy:N",
            scale=alt.Scale(domain=domain, range=[colours[name] for name in domain]),
            legend=legend,
        ),
        strokeDash=alt.StrokeDash(
            "Strategy:N",
            scale=alt.Scale(domain=domain, range=[dashes[name] for name in domain]),
            legend=legend,
        ),
    )


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


def repeats_done(simulation: Simulation, points: Sequence[SimulationPoint]) -> int:
    """Return how many repeats have every strategy."""
    arms = {(point.repeat, point.strategy) for point in points}
    return sum(
        all((repeat, strategy) in arms for strategy in simulation.config.strategies)
        for repeat in {point.repeat for point in points}
    )


def state_words(simulation: Simulation, points: Sequence[SimulationPoint], *, active: bool) -> str:
    """Return in words how far a simulation is."""
    done, wanted = repeats_done(simulation, points), simulation.config.repeats
    if simulation.finished:
        return f"finished, {done} {_plural('repeat', done)}"
    so_far = f"{done} of {wanted} {_plural('repeat', wanted)} done so far"
    return f"under way, {so_far}" if active else f"stopped, {so_far}"


def settings_words(simulation: Simulation, points: Sequence[SimulationPoint]) -> str:
    """Return in words what a simulation did, so that somebody else can do it again."""
    config = simulation.config
    n_test = points[0].evaluation.n_images if points else 0
    measured = f"measured on {n_test} test images; " if n_test else ""
    unit = config.unit if config.query != 1 else config.unit[:-1]
    return (
        f"{config.seed_images} seed images, then {config.rounds} {_plural('round', config.rounds)} of "
        f"{config.query:,} {unit}, chosen from {config.pool_sample} images drawn in each round; {measured}"
        f"{config.repeats} {_plural('repeat', config.repeats)} of {len(config.strategies)} strategies, the "
        f"same seed model and training for all arms of a repeat ({config.seed_steps} steps on the seed "
        f"images, {config.steps} in each round, {config.backbone}, trunk {config.trunk}); random seed "
        f"{config.seed}; images and annotations {simulation.images[:12]}; rbcal {simulation.code_version}, "
        f"{simulation.created_at[:10]}."
    )


def unequal_words(curves: Curves) -> str:
    """Return a warning in words where the strategies have different repeats, so that means mislead."""
    if len({frozenset(of_strategy) for of_strategy in curves.values.values()}) == 1:
        return ""
    counts = ", ".join(f"{name} {len(curves.values[name])}" for name in curves.strategies)
    return (
        f"The strategies have different repeats so far ({counts}): compare the differences to random, which "
        "are within a repeat, not these lines."
    )


def cost_model_words(config: SimulationConfig) -> str:
    """Return in words what the expected minutes of a simulation rest on."""
    image, cell, change = config.cost_model
    times = f"{image:.1f} s for an image, {cell:.1f} s for each of its cells, {change:.1f} s for each change"
    if config.cost_model == SimulationConfig.cost_model:
        return f"Minutes rest on assumed times: {times}. No expert was timed."
    return f"Minutes rest on times learnt from this project's own reviews when the simulation began: {times}."


def label(simulation: Simulation, points: Sequence[SimulationPoint], *, active: bool) -> str:
    """Return how a simulation is called where one is to be chosen."""
    names = ", ".join(simulation.config.strategies)
    return f"{simulation.id}: {names} ({state_words(simulation, points, active=active)})"


def as_csv(table: pd.DataFrame) -> bytes:
    """Return a table as a CSV file, UTF-8, in which no spreadsheet finds a formula."""
    safe = table.rename(columns=cell_text)
    for column in safe.select_dtypes(include=["object", "string"]):
        safe[column] = [cell_text(each) if isinstance(each, str) else each for each in safe[column]]
    return safe.to_csv(index=False).encode()


def as_picture(chart: alt.LayerChart, kind: Literal["png", "svg"], title: str = "") -> bytes:
    """Return a chart as a picture file, dark on white, wide enough for a page; it needs no network."""
    wide = chart.properties(width=640, title=title) if title else chart.properties(width=640)
    if kind == "png":
        file = io.BytesIO()
        wide.save(file, format="png", scale_factor=3)
        return file.getvalue()
    text = io.StringIO()
    wide.save(text, format="svg")
    return text.getvalue().encode()


def computing_words(points: Sequence[SimulationPoint]) -> str:
    """Return in words how long the computing took, all processes together."""
    return duration(sum(point.seconds for point in points))


def _plural(word: str, n: int) -> str:
    return word if n == 1 else f"{word}s"
