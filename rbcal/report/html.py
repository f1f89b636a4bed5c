"""A project as one HTML document for whoever has to judge it: no network, no script, good on paper."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import altair as alt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rbcal.charts import simulation
from rbcal.charts.learning_curve import learning_curve
from rbcal.charts.synthetic_mark import MARK, marked_chart
from rbcal.evaluation.learning_curves import METRICS, on_common_grid, runs, summaries
from rbcal.evaluation.matching import Kind
from rbcal.formats.crops import Crop
from rbcal.report import methods
from rbcal.report import tables as tables
from rbcal.report.charts import as_svg, precision_recall_charts
from rbcal.report.collect import Doubtful, Errors, ReportData, Wrong
from rbcal.report.methods import class_totals, count
from rbcal.report.stop_advice import standings, verdict_words
from rbcal.review.explanations import green_words
from rbcal.types import Floats
from rbcal.wording import duration

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,  # a class may be called <script>
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SUMMARY = 6  # columns of the table of strategies; the others have no room on paper
_ROOM = 23  # letters of a class below a picture
_Chart = TypeVar("_Chart", alt.LayerChart, alt.FacetChart)
_UNLIKELY = 0.05  # a class less probable than this is not named beside a cell


@dataclass(frozen=True)
class Box:
    """A rectangle on a picture of a cell, in the pixels of its image."""

    kind: str  # annotated, found
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A cell with its surroundings: a data URL, the part of the image it shows, boxes, and lines of words."""

    url: str
    window: tuple[int, int, int, int]  # x, y, width, height
    boxes: Sequence[Box]
    lines: Sequence[tuple[str, str]]  # what it is that is said, and the words
    image: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind, and what they are."""

    title: str
    words: str
    pictures: Sequence[Picture]


def as_html(data: ReportData) -> str:
    """Return the report, an HTML document that needs nothing else; one of synthetic slides says so."""
    g = data
    return _TEMPLATES.get_template("report.html").render(
        g=g,
        made=_day(g.made_at),
        mark=_mark(g),
        notices=_notices(g),
        figures=_figures(g),
        rounds=tables.round_table(g) if g.rounds or g.test else None,
        green=green_words(*g.spot_checks) if g.spot_checks[1] else "",
        curve=_drawn(learning_curve(g.curve), g) if len(g.curve) > 1 else "",
        models=tables.model_table(g.curve, None if g.model is None else g.model.id),
        targets=_targets(g),
        simulation=_simulation(g),
        class_rows=_class_rows(g),
        precision_recall=_precision_recall(g),
        confusion=tables.confusion_rows(g.errors, g.classes) if g.errors else [],
        n_false=int(g.errors.confusion[-1].sum()) if g.errors else 0,
        errors=_error_galleries(g.errors, g) if g.errors else [],
        uncertain=[_uncertain(each, g) for each in g.uncertain],
        few=tables.FEW_CELLS,
        methods=methods.methods(g),
        missing=methods.MISSING,
        references=methods.REFERENCES,
        settings=_settings(g),
        count=count,
    )


def _notices(g: ReportData) -> list[str]:
    """Return what a reader should know before the figures."""
    found = []
    if g.synthetic:
        found.append(f"{MARK}: the cells are drawn by rbcal. No figure here says anything about patients.")
    if not g.counts.images:
        found.append("This project has no image yet.")
    elif g.test is None:
        found.append("This project has no annotated test set, so nothing says how good a model is.")
    if g.model is None:
        found.append("No model is trained yet.")
    elif g.evaluation is None and g.test is not None:
        found.append(f"Model {g.model.id}, which serves, was not measured on the test set.")
    elif g.errors is not None and g.errors.changed:
        found.append(
            "Annotations of the test set, or classes, were changed since the model was measured: average "
            "precision in figures is of that time, while curves, confusions and examples go by the "
            "annotations of now. Measure again with: rbcal evaluate."
        )
    if g.ranking is not None and g.ranking.stale:
        found.append(
            f"The pool was ranked with model {g.ranking.model_id}, which no longer serves; the most "
            "uncertain cells are those of that model."
        )
    return found


def _mark(g: ReportData) -> str:
    """Return what every figure says of its slides; empty for real ones."""
    return MARK if g.synthetic else ""


def _figures(g: ReportData) -> list[tuple[str, str, str]]:
    """Return the figures at the top: name, value, and what it rests on."""
    measured = g.evaluation
    on_test = f"on {count(measured.n_images, 'test image')}" if measured else "no measured model"
    time = duration(g.expert_seconds) if g.expert_seconds else "–"
    flagged = "–" if g.flagged is None else f"{g.flagged:,}"
    return [
        (
            "Annotated cells",
            f"{g.counts.annotated_cells:,}",
            f"on {count(g.counts.annotated_images, 'image')}",
        ),
        (
            "Test cells",
            f"{g.counts.test_cells:,}",
            f"on {count(g.counts.test_images, 'image')}, never trained on",
        ),
        ("Expert time", time, "as timed in review" if g.expert_seconds else "none was timed"),
        ("Precision_all", tables.ap_words(measured.precision_all if measured else None), on_test),
        ("Rare-class AP", tables.ap_words(measured.rare_ap_50 if measured else None), on_test),
        ("Flagged cells", flagged, f"in a pool of {count(g.counts.pool_images, 'image')}"),
    ]


def _targets(g: ReportData) -> str:
    if g.evaluation is None:
        return ""
    return verdict_words(standings(g.curve, g.evaluation, g.targets), g.evaluation.n_images)


def _class_rows(g: ReportData) -> list[tables.ClassRow]:
    if g.evaluation is None:
        return []
    return tables.class_rows(g.classes, class_totals(g.rounds), g.evaluation, g.errors)


def _precision_recall(g: ReportData) -> list[Markup]:
    if g.errors is None:
        return []
    return [_drawn(chart, g) for chart in precision_recall_charts(g.errors.precision, g.classes)]


def _simulation(g: ReportData) -> Mapping[str, object] | None:
    """Return the charts, the table and the words of the simulation, or None."""
    metric = "Precision_all"
    found = runs(g.points, METRICS[metric])
    curves = on_common_grid(found)
    if g.simulation is None or curves is None:
        return None
    summary = simulation.summary_table(summaries(curves), "cells", metric).iloc[:, :_SUMMARY]
    difference = simulation.difference_table(curves)
    return {
        "state": simulation.state_words(g.simulation, g.points, active=False),
        "settings": simulation.settings_words(g.simulation, g.points),
        "unequal": simulation.unequal_words(curves),
        "curves": _drawn(simulation.curves_chart(curves, found, "cells", metric), g),
        "difference": _drawn(simulation.difference_chart(curves, "cells", metric), g)
        if len(difference)
        else "",
        "table": tables.Table(list(summary.columns), summary.astype(str).to_numpy().tolist()),
    }


def _error_galleries(errors: Errors, g: ReportData) -> list[Gallery]:
    """Return the galleries of errors that have a picture."""
    table = errors.confusion[:-1, :-1]
    titles: Mapping[Kind, tuple[str, str]] = {
        "confused": ("Another class", f"{int(table.sum() - table.trace()):,} cells."),
        "missed": ("Missed", f"{int(errors.confusion[:, -1].sum()):,} cells."),
        "false": (
            "Nothing there",
            f"{int(errors.confusion[-1].sum()):,} detections. Some may be cells that nobody has annotated.",
        ),
    }
    return [
        Gallery(title, words, [_error(each, g) for each in errors.examples[kind]])
        for kind, (title, words) in titles.items()
        if errors.examples[kind]
    ]


def _error(wrong: Wrong, g: ReportData) -> Picture:
    mistake = wrong.mistake
    annotated, predicted = (
        "nothing" if label is None else _brief(g.classes[label].name)
        for label in (mistake.annotated, mistake.predicted)
    )
    sure = {
        "confused": f"{1 - mistake.uncertainty:.0%} for {annotated}",
        "missed": f"{1 - mistake.uncertainty:.0%} for a cell",
        "false": f"{mistake.uncertainty:.0%} for a cell",
    }
    lines = [("annotated", annotated), ("model", predicted), ("", sure[mistake.kind])]
    return _picture(wrong.image, wrong.crop, lines, annotated=mistake.box, found=mistake.found)


def _uncertain(doubtful: Doubtful, g: ReportData) -> Picture:
    cell = doubtful.cell
    lines = [
        ("a cell", f"{1 - cell.probs[0]:.0%}"),
        ("", _likely(cell.probs, g)),
        ("U^c", f"{cell.u_c:.2f}, U^d {cell.u_d:.2f}"),
    ]
    return _picture(doubtful.image, doubtful.crop, lines, found=cell.box)


def _likely(probs: Floats, g: ReportData) -> str:
    """Return the two most probable classes; one where the second is next to impossible."""
    first, *second = probs[1:].argsort()[::-1][:2]
    named = [first, *(k for k in second if probs[k + 1] >= _UNLIKELY)]
    return ", ".join(f"{_brief(g.classes[k].name)} {probs[k + 1]:.0%}" for k in named)


def _brief(name: str) -> str:
    """Return a name that has room below a picture.

    >>> _brief("normoblast"), _brief("polychromatophilic erythroblast")
    ('normoblast', 'polychromatophilic ery…')
    """
    return name if len(name) <= _ROOM else f"{name[: _ROOM - 1]}…"


def _picture(
    image: str,
    crop: Crop,
    lines: Sequence[tuple[str, str]],
    *,
    annotated: Sequence[float] | Floats | None = None,
    found: Sequence[float] | Floats | None = None,
) -> Picture:
    x1, y1, x2, y2 = crop.window
    boxes = [
        Box(kind, float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1]))
        for kind, box in (("annotated", annotated), ("found", found))
        if box is not None
    ]
    url = "data:image/jpeg;base64," + b64encode(crop.content).decode()
    return Picture(url, (x1, y1, x2 - x1, y2 - y1), boxes, lines, image)


def _settings(g: ReportData) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what is needed to do it again: settings, versions and hashes, by heading."""
    found = []
    if g.model is not None:
        about = {
            "rbcal": g.model.code_version,
            "trained": _day(g.model.created_at),
            "took": duration(g.model.seconds),
            "SHA-256 of the weights": g.model.sha256,
        }
        title = f"Model {g.model.id} and its training"
        found.append((title, tables.settings_rows(about | g.model.config.to_json())))
    if g.ranking is not None:
        about = {"model": str(g.ranking.model_id), "strategy": g.ranking.strategy}
        about["ranked"] = _day(g.ranking.created_at)
        found.append(("Ranking of the pool", tables.settings_rows(about | g.ranking.config.to_json())))
    hashes = [
        ("for training", g.fingerprints["work"]),
        ("test set", g.fingerprints["test"]),
    ]
    found.append(("SHA-256 of images and annotations", hashes))
    found.append(("Versions where this report was made", tables.settings_rows(g.versions)))
    return found


def _drawn(chart: _Chart, g: ReportData) -> Markup:
    return as_svg(marked_chart(chart) if g.synthetic else chart)


def _day(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%d %B %Y, %H:%M")
