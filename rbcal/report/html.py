"""A project as one HTML document for whoever has to judge it: no network, no script, good on paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import altair as alt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rbcal.charts import simulation, simulation_words
from rbcal.charts.answer import answer
from rbcal.charts.few_cells import few_rare_cells
from rbcal.charts.learning_curve import learning_curve
from rbcal.charts.matched_training import HOLLOW_WORDS, on_new_cells, same_cells_words
from rbcal.charts.stop_advice import standings, verdict_words
from rbcal.charts.synthetic_mark import MARK, marked_chart
from rbcal.evaluation.learning_curves import METRICS, arm_curves, on_common_grid
from rbcal.evaluation.metrics import FEWEST_TEST_CELLS
from rbcal.evaluation.strategy_comparison import summaries
from rbcal.report import methods, tables
from rbcal.report.charts import as_svg, precision_recall_charts
from rbcal.report.collect import ReportData, SimulationResult, versions
from rbcal.report.galleries import error_galleries, uncertain_cell
from rbcal.review.explanations import green_words
from rbcal.wording import count, duration

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,  # a class may be called <script>
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SUMMARY = 6  # columns of the table of strategies; the others have no room on paper
_Chart = TypeVar("_Chart", alt.LayerChart, alt.FacetChart)


def as_html(data: ReportData) -> str:
    """Return the report, an HTML document that needs nothing else; one of synthetic slides says so."""
    annotation, errors, measured = data.annotation, data.errors, data.evaluation
    return _TEMPLATES.get_template("report.html").render(
        data=data,
        made=_day(data.made_at),
        version=versions()["rbcal"],
        answer=_answer(data),
        mark=MARK if data.synthetic else "",
        notices=list(_notices(data)),
        figures=_figures(data),
        rounds=tables.round_table(annotation, data.classes) if annotation.rounds or annotation.test else None,
        green=green_words(*data.spot_checks) if data.spot_checks[1] else "",
        curve=_drawn(learning_curve(data.curve, data.classes), data) if len(data.curve) > 1 else "",
        same_cells=_same_cells(data),
        models=tables.model_table(data.curve, None if data.model is None else data.model.id, data.classes),
        targets=verdict_words(standings(data.curve, measured, data.targets, data.classes), measured.n_images)
        if measured
        else "",
        simulation=None if data.simulation is None else _simulation(data.simulation, data),
        class_rows=tables.class_rows(data.classes, annotation.total.cells, measured, errors)
        if measured
        else [],
        precision_recall=[
            _drawn(each, data)
            for each in precision_recall_charts(errors.precision, data.classes, _few_cells(data))
        ]
        if errors
        else [],
        confusion=tables.confusion_rows(errors.confusion, data.classes) if errors else [],
        errors=error_galleries(errors, data.classes) if errors else [],
        uncertain=[uncertain_cell(each, data.classes) for each in data.pool.uncertain],
        unsure=_unsure(annotation.counts.unsure_cells),
        few=FEWEST_TEST_CELLS,
        rare_star=any(few_rare_cells(point.evaluation, data.classes) for point in data.curve),
        methods=methods.methods(data),
        missing=methods.MISSING,
        references=methods.REFERENCES,
        settings=list(_settings(data)),
        count=count,
    )


def _answer(data: ReportData) -> tuple[str, str] | None:
    """Return whether the model in use is better than the one before: a verdict and a sentence."""
    in_use = [point for point in data.curve if data.model is not None and point.model_id == data.model.id]
    return answer(data.curve, in_use[0], data.comparisons) if in_use else None


def _unsure(n_cells: int) -> str:
    """Say how many cells nobody could tell; empty where there is none."""
    if not n_cells:
        return ""
    was, it = ("was", "it") if n_cells == 1 else ("were", "them")
    return (
        f"{count(n_cells, 'more cell')} {was} left unsure: no model learns from {it} or is measured by {it}."
    )


def _notices(data: ReportData) -> Iterator[str]:
    """Yield what a reader should know before the figures."""
    test, model, ranking = data.annotation.test, data.model, data.pool.ranking
    if data.synthetic:
        yield f"{MARK}: the cells are drawn by rbcal. No figure here says anything about patients."
    if not data.annotation.counts.images:
        yield "This project has no image yet."
    elif test is None:
        yield "This project has no annotated test set, so nothing says how good a model is."
    if model is None:
        yield "No model is trained yet."
    elif data.evaluation is None and test is not None:
        yield f"Model {model.id}, in use, was not measured on the test set."
    elif data.errors is not None and data.errors.changed:
        yield (
            "Annotations of the test set, or classes, were changed since the model was measured: the figures "
            "of the model and of its classes are of that time, while curves, confusions and examples go by "
            "the annotations of now. Measure again with: rbcal evaluate."
        )
    if ranking is not None and ranking.stale:
        yield (
            f"The images that wait were sorted with model {ranking.model_id}, no longer in use; the most "
            "uncertain cells are those of that model."
        )


def _figures(data: ReportData) -> list[tuple[str, str, str]]:
    """Return the figures at the top: name, value, and what it rests on."""
    measured, counts, seconds = data.evaluation, data.annotation.counts, data.annotation.expert_seconds
    on_work = f"on {count(counts.annotated_images, 'image')}"
    on_test = f"on {count(measured.n_images, 'test image')}" if measured else "no measured model"
    never = f"on {count(counts.test_images, 'image')}, never trained on"
    time = (duration(seconds), "as timed in review") if seconds else ("–", "none was timed")
    flagged = "–" if data.pool.n_flagged is None else f"{data.pool.n_flagged:,}"
    return [
        ("Annotated cells", f"{counts.annotated_cells:,}", on_work),
        ("Test cells", f"{counts.test_cells:,}", never),
        ("Expert time", *time),
        ("Precision_all", tables.figure_words(measured.precision_all if measured else None), on_test),
        ("Rare-class AP", *_rare(data, on_test)),
        ("Red cells", flagged, f"in a pool of {count(counts.pool_images, 'image')}"),
    ]


def _few_cells(data: ReportData) -> dict[int, int]:
    """Return the test cells of the classes that have few, by label."""
    if data.evaluation is None:
        return {}
    return {k: n for k, n in enumerate(data.evaluation.n_cells) if data.evaluation.few[k]}


def _rare(data: ReportData, on_test: str) -> tuple[str, str]:
    """Return rare-class AP and what it rests on, or that it cannot be told yet."""
    if data.evaluation is not None and (few := few_rare_cells(data.evaluation, data.classes)):
        return "–", f"cannot be told yet: {count(few, 'test cell')}"
    return tables.figure_words(data.evaluation.rare_ap_50 if data.evaluation else None), on_test


def _same_cells(data: ReportData) -> str:
    """Say which part of a gain no cell bought; empty where no two models had the same cells."""
    if len(on_new_cells(data.curve)) == len(data.curve):
        return ""
    serving = [point for point in data.curve if data.model and point.model_id == data.model.id]
    return f"{HOLLOW_WORDS} {same_cells_words(data.curve, (serving or data.curve)[-1])}".strip()


def _simulation(result: SimulationResult, data: ReportData) -> Mapping[str, object] | None:
    """Return the charts, the table and the words of the simulation; None without a curve."""
    metric = "Precision_all"
    arms = arm_curves(result.points, METRICS[metric])
    curves = on_common_grid(arms)
    if curves is None:
        return None
    summary = simulation.summary_table(summaries(curves), "cells", metric).iloc[:, :_SUMMARY]
    difference = simulation.difference_chart(curves, "cells", metric)
    has_difference = len(simulation.difference_table(curves)) > 0
    return {
        "id": result.simulation.id,
        "state": simulation_words.state_words(result.simulation, result.points, active=False),
        "settings": simulation_words.settings_words(result.simulation, result.points),
        "unequal": simulation_words.unequal_words(curves),
        "curves": _drawn(simulation.curves_chart(curves, arms, "cells", metric), data),
        "difference": _drawn(difference, data) if has_difference else "",
        "table": tables.Table(list(summary.columns), summary.astype(str).to_numpy().tolist()),
    }


def _settings(data: ReportData) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield what is needed to do it again, by heading: settings, versions and hashes."""
    model, ranking, hashes = data.model, data.pool.ranking, data.annotation.fingerprints
    if model is not None:
        about = {
            "rbcal": model.code_version,
            "trained": _day(model.created_at),
            "took": duration(model.seconds),
            "SHA-256 of the weights": model.sha256,
        }
        yield f"Model {model.id} and its training", tables.settings_rows(about | asdict(model.config))
    if ranking is not None:
        about = {"model": str(ranking.model_id), "strategy": ranking.strategy}
        about["ranked"] = _day(ranking.created_at)
        yield "Ranking of the pool", tables.settings_rows(about | asdict(ranking.config))
    yield (
        "SHA-256 of images and annotations",
        [("for training", hashes["work"]), ("test set", hashes["test"])],
    )
    yield "Versions where this report was made", tables.settings_rows(versions())


def _drawn(chart: _Chart, data: ReportData) -> Markup:
    return as_svg(marked_chart(chart) if data.synthetic else chart)


def _day(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%d %B %Y, %H:%M")
