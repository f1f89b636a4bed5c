"""The tables of a report: heads, rows and feet of ready words, and how dark a cell is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rbcal.charts.confusion import NOTHING
from rbcal.evaluation.metrics import Evaluation
from rbcal.report.collect import Errors, ReportData
from rbcal.report.methods import class_totals, own, share
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint
from rbcal.store.summary import Round
from rbcal.wording import duration

_MOST_ROUNDS = 7  # columns; more would not fit on paper
FEW_CELLS = 20  # of a class in the test set; below, its AP says little


@dataclass(frozen=True)
class Table:
    """Rows of words; the first column is text, the others are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    foot: Sequence[Sequence[str]] = field(default=())


def round_table(data: ReportData) -> Table:
    """Return annotated cells by class and round, with images and hours below; the test set stands apart."""
    rounds = _few(data.rounds) if len(data.rounds) > 1 else []  # one is all there is
    columns = [*(column for _, column in rounds), *([data.test] if data.test else [])]
    totals = class_totals(data.rounds)
    n_cells = sum(totals.values())
    head = ["Class", "All training", "Share", *(name for name, _ in rounds)]
    head += ["Test set"] if data.test else []
    rows = [
        [
            f"{each.name} (rare)" if each.rare else each.name,
            f"{totals.get(each.label, 0):,}",
            share(totals.get(each.label, 0), n_cells),
            *(_number(column.cells.get(each.label, 0)) for column in columns),
        ]
        for each in own(data.classes)
    ]
    n_images = sum(each.n_images for each in data.rounds)
    n_imported = sum(each.n_imported for each in data.rounds)
    seconds = sum(each.expert_seconds for each in data.rounds)
    foot = [
        ["Cells", f"{n_cells:,}", "", *(f"{each.n_cells:,}" for each in columns)],
        ["Images", f"{n_images:,}", "", *(f"{each.n_images:,}" for each in columns)],
        ["… imported with boxes", _number(n_imported), "", *(_number(each.n_imported) for each in columns)],
        ["Expert time", _time(seconds), "", *(_time(each.expert_seconds) for each in columns)],
    ]
    return Table(head, rows, foot)


def _few(rounds: Sequence[Round]) -> list[tuple[str, Round]]:
    """Return the rounds and what they are called; where there are many, the first ones are one."""
    named = [
        ("not yet trained" if each.model_id is None else f"Model {each.model_id}", each) for each in rounds
    ]
    n_first = len(named) - _MOST_ROUNDS + 1
    if n_first < 2:
        return named
    first = [each for _, each in named[:n_first]]
    merged = Round(
        first[-1].model_id,
        sum(each.n_images for each in first),
        sum(each.n_imported for each in first),
        class_totals(first),
        sum(each.expert_seconds for each in first),
    )
    return [(f"up to {named[n_first - 1][0].lower()}", merged), *named[n_first:]]


def model_table(curve: Sequence[CurvePoint], serving_id: int | None) -> Table:
    """Return one row for each model that was measured."""
    return Table(
        ["Model", "Images", "Cells", "Precision_all", "mAP@0.5", "mAP@[.5:.95]", "Rare-class AP@0.5"],
        [
            [
                f"{point.model_id}{' (serves)' if point.model_id == serving_id else ''}",
                f"{point.n_images:,}",
                f"{point.n_cells:,}",
                *_aps(point.evaluation),
            ]
            for point in curve
        ],
    )


def _aps(evaluation: Evaluation) -> list[str]:
    found = (evaluation.precision_all, evaluation.map_50, evaluation.map_50_95, evaluation.rare_ap_50)
    return [ap_words(each) for each in found]


@dataclass(frozen=True)
class ClassRow:
    """A class on the test set: its numbers in words, `ap` in [0, 1] for its bar, None without a test cell."""

    name: str
    rare: bool
    few: bool
    ap: float | None
    words: Sequence[str]


def class_rows(
    classes: Sequence[CellClass], trained: Mapping[int, int], evaluation: Evaluation, errors: Errors | None
) -> list[ClassRow]:
    """Return one row for each class: AP@0.5, test cells, training cells, and, if known, recall and precision.

    Recall and precision are those of the boxes that the expert is shown, by the confusion matrix.
    """
    rows = []
    for each in own(classes):
        known = each.label < len(evaluation.ap_50)  # else the class is younger than the model
        ap = evaluation.ap_50[each.label] if known else None
        n_test = evaluation.n_cells[each.label] if known else 0
        words = [f"{n_test:,}", f"{trained.get(each.label, 0):,}"]
        if errors is not None:
            table, k = errors.confusion, each.label
            right = int(table[k, k])
            words += [share(right, int(table[k].sum())), share(right, int(table[:, k].sum()))]
        rows.append(ClassRow(each.name, each.rare, 0 < n_test < FEW_CELLS, ap, words))
    return rows


@dataclass(frozen=True)
class Shaded:
    """A number of the confusion matrix; `shade` in [0, 1] is its part of its row, `right` is the diagonal."""

    words: str
    shade: float
    right: bool


def confusion_rows(errors: Errors, classes: Sequence[CellClass]) -> list[tuple[str, list[Shaded]]]:
    """Return the rows of the confusion matrix and of what is nothing; a dot is a zero."""
    shown = own(classes)
    nothing = len(shown)
    places = [*(each.label for each in shown), len(classes)]
    table = errors.confusion[np.ix_(places, places)]
    rows = []
    for k, name in enumerate([*(each.name for each in shown), NOTHING]):
        n = max(1, int(table[k].sum()))
        cells = [
            Shaded(_number(value) if (j, k) != (nothing, nothing) else "", value / n, j == k)
            for j, value in enumerate(table[k].tolist())
        ]
        rows.append((name, cells))
    return rows


def settings_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return settings as words, one pair of name and value each."""
    return [(name, _setting(value)) for name, value in settings.items()]


def _setting(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def ap_words(ap: float | None) -> str:
    """Return an AP with three digits; a dash where it is not defined."""
    return "–" if ap is None else f"{ap:.3f}"


def _number(n: int) -> str:
    return f"{n:,}" if n else "·"


def _time(seconds: float) -> str:
    return duration(seconds) if seconds else "–"
