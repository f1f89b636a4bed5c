"""The tables of a report: heads, rows and feet of ready words, and how dark a cell is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rbcal.charts.confusion import NOTHING
from rbcal.charts.few_cells import few_rare_cells, interval_words
from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.metrics import Evaluation
from rbcal.report.collect import AnnotationSummary, Errors, merged, own_classes
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint
from rbcal.store.summary import Round
from rbcal.wording import duration, percent

_MOST_ROUNDS = 7  # columns; more would not fit on paper


@dataclass(frozen=True)
class Table:
    """Rows of words; the first column is text, the others are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    foot: Sequence[Sequence[str]] = field(default=())


def round_table(annotation: AnnotationSummary, classes: Sequence[CellClass]) -> Table:
    """Return annotated cells by class and round, with images and hours below; the test set stands apart."""
    rounds, test, total = annotation.rounds, annotation.test, annotation.total
    named = _few(rounds) if len(rounds) > 1 else []  # one is all there is
    named += [("Test set", test)] if test else []
    columns = [column for _, column in named]
    rows = [
        [
            f"{each.name} (rare)" if each.rare else each.name,
            f"{total.cells.get(each.label, 0):,}",
            percent(total.cells.get(each.label, 0), total.n_cells),
            *(_number(column.cells.get(each.label, 0)) for column in columns),
        ]
        for each in own_classes(classes)
    ]
    sums: Mapping[str, Callable[[Round], str]] = {
        "Cells": lambda column: f"{column.n_cells:,}",
        "Images": lambda column: f"{column.n_images:,}",
        "… imported with boxes": lambda column: _number(column.n_imported),
        "Expert time": lambda column: duration(column.expert_seconds) if column.expert_seconds else "–",
    }
    foot = [[name, words(total), "", *map(words, columns)] for name, words in sums.items()]
    return Table(["Class", "All training", "Share", *(name for name, _ in named)], rows, foot)


def _few(rounds: Sequence[Round]) -> list[tuple[str, Round]]:
    """Return the rounds and what they are called; where there are many, the first ones are one."""
    named = [
        ("not yet trained" if each.model_id is None else f"Model {each.model_id}", each) for each in rounds
    ]
    n_first = len(named) - _MOST_ROUNDS + 1
    if n_first < 2:
        return named
    first = merged(rounds[:n_first])
    return [(f"up to {named[n_first - 1][0].lower()}", first), *named[n_first:]]


def model_table(
    curve: Sequence[CurvePoint], serving_id: int | None, classes: Sequence[CellClass] = ()
) -> Table:
    """Return one row for each model that was measured; a star where rare-class AP rests on few cells."""
    rows = []
    for point in curve:
        name = f"{point.model_id}{' (in use)' if point.model_id == serving_id else ''}"
        measured = point.evaluation
        star = "*" if few_rare_cells(measured, classes) else ""
        aps = (measured.precision_all, measured.map_50, measured.map_50_95)
        rare, macro_f1 = map(figure_words, (measured.rare_ap_50, measured.macro_f1))
        cells = f"{point.n_cells:,}{'' if point.same_cells_as is None else ' (the same)'}"
        rows.append([name, f"{point.n_images:,}", cells, *map(figure_words, aps), rare + star, macro_f1])
    head = ["Precision_all", "mAP@0.5", "mAP@[.5:.95]", "Rare-class AP@0.5", "Macro F1"]
    return Table(["Model", "Images", "Cells", *head], rows)


@dataclass(frozen=True)
class ClassRow:
    """A class on the test set: its numbers in words, `ap` in [0, 1] for its bar, None without a test cell.

    `interval` says where its figures may lie; empty for a class that has enough test cells, or none.
    """

    name: str
    rare: bool
    few: bool
    ap: float | None
    words: Sequence[str]
    interval: str


def class_rows(
    classes: Sequence[CellClass], trained: Mapping[int, int], evaluation: Evaluation, errors: Errors | None
) -> list[ClassRow]:
    """Return one row for each class: AP@0.5, test cells, training cells, recall, precision and F1.

    The last three are those that were stored, which are of the boxes that the expert is shown; where nobody
    counted, those of the confusion matrix, and dashes where there is none.
    """
    named = evaluation if evaluation.is_counted or errors is None else _counted(evaluation, errors.confusion)
    rows = []
    for each in own_classes(classes):
        k = each.label
        is_older = k < len(evaluation.ap_50)  # else the class is younger than the model
        ap, n_test = (evaluation.ap_50[k], evaluation.n_cells[k]) if is_older else (None, 0)
        recall, precision, f1 = (
            (named.recall[k], named.precision[k], named.f1[k]) if k < len(named.n_cells) else (None,) * 3
        )
        words = [f"{n_test:,}", f"{trained.get(k, 0):,}"]
        words += [_share(recall), _share(precision), figure_words(f1)]
        few = is_older and evaluation.few[k]
        interval = interval_words(evaluation.interval(k)) if few else ""
        rows.append(ClassRow(each.name, each.rare, few, ap, words, interval))
    return rows


def _counted(evaluation: Evaluation, confusion: Confusion) -> Evaluation:
    """Return an evaluation with recall, precision and F1 by the confusion matrix of now."""
    return replace(evaluation, n_cells=confusion.cells, n_named=confusion.named, n_correct=confusion.correct)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


@dataclass(frozen=True)
class Shaded:
    """A number of the confusion matrix; `shade` in [0, 1] is its part of its row, `right` is the diagonal."""

    words: str
    shade: float
    right: bool


def confusion_rows(confusion: Confusion, classes: Sequence[CellClass]) -> list[tuple[str, list[Shaded]]]:
    """Return the rows of the confusion matrix and of what is nothing; a dot is a zero."""
    shown = own_classes(classes)
    matrix = confusion.among([each.label for each in shown])
    rows = [
        [Shaded(_number(n), share, j == k) for j, (n, share) in enumerate(zip(*row, strict=True))]
        for k, row in enumerate(zip(matrix.counts.tolist(), matrix.shares.tolist(), strict=True))
    ]
    rows[-1][-1] = Shaded("", 0.0, right=False)  # nothing annotated and nothing predicted: nobody counts that
    return list(zip([*(each.name for each in shown), NOTHING], rows, strict=True))


def settings_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return settings as words, one pair of name and value each."""
    return [(name, _setting(value)) for name, value in settings.items()]


def _setting(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def figure_words(figure: float | None) -> str:
    """Return an AP or F1 with three digits; a dash where it is not defined, or nobody counted."""
    return "–" if figure is None else f"{figure:.3f}"


def _number(n: int) -> str:
    return f"{n:,}" if n else "·"
