"""What can be said of classes with few test cells: intervals instead of figures, and no headline."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.evaluation.metrics import FEWEST_TEST_CELLS, ClassIntervals, Evaluation, Interval
from rbcal.store.classes import CellClass
from rbcal.wording import count, listed

NO_INTERVAL = "not worked out: measure again"


def few_rare_cells(evaluation: Evaluation, classes: Sequence[CellClass]) -> int:
    """Return how many test cells rare-class AP rests on, where no rare class has enough of them; else 0."""
    return sum(evaluation.few_among([each.label for each in classes if each.rare]).values())


def rare_words(evaluation: Evaluation, classes: Sequence[CellClass]) -> str:
    """Return why nothing can be told of rare classes, as a sentence; empty where it can, or none is tested.

    >>> figures = Evaluation(0.5, 0.5, 0.3, 0.7, (0.5, 0.7), (400, 7), 9)
    >>> rare_words(figures, [CellClass(0, "D", False), CellClass(1, "S.D", True)])
    'Rare-class AP cannot be told yet: the test set has 7 cells of S.D, and it takes 20 of a class.'
    """
    few = evaluation.few_among([each.label for each in classes if each.rare])
    if not few:
        return ""
    first, *others = few.items()
    parts = [f"{count(first[1], 'cell')} of {classes[first[0]].name}"]
    parts += [f"{n} of {classes[label].name}" for label, n in others]
    return (
        f"Rare-class AP cannot be told yet: the test set has {listed(parts)}, and it takes "
        f"{FEWEST_TEST_CELLS} of a class."
    )


def few_words(evaluation: Evaluation, classes: Sequence[CellClass]) -> str:
    """Return which classes have few test cells and what that means, in sentences; empty where none has.

    >>> figures = Evaluation(0.5, 0.5, 0.3, 0.7, (0.5, 0.7), (400, 7), 9)
    >>> few_words(figures, [CellClass(0, "D", False), CellClass(1, "S.D", True)])[:60]
    'Fewer than 20 test cells: S.D 7. Their figures are rough, so'
    """
    few = [
        f"{each.name} {n}"
        for each, n, is_few in zip(classes, evaluation.n_cells, evaluation.few, strict=False)
        if is_few
    ]
    if not few:
        return ""
    return (
        f"Fewer than {FEWEST_TEST_CELLS} test cells: {listed(few)}. Their figures are rough, so they "
        "are faint; the interval says where they may lie (95 %)."
    )


def interval_words(intervals: ClassIntervals | None) -> str:
    """Return where the figures of a class may lie.

    >>> interval_words(ClassIntervals((0.3, 0.951), (0.2, 0.8), None, (0.25, 0.75)))
    'AP 0.30–0.95, recall 0.20–0.80, F1 0.25–0.75'
    """
    if intervals is None:
        return NO_INTERVAL
    named = {
        "AP": intervals.ap_50,
        "recall": intervals.recall,
        "precision": intervals.precision,
        "F1": intervals.f1,
    }
    return ", ".join(f"{name} {range_words(each)}" for name, each in named.items() if each is not None)


def range_words(interval: Interval) -> str:
    """Return an interval as people read it.

    >>> range_words((0.3, 0.951))
    '0.30–0.95'
    """
    return f"{interval[0]:.2f}–{interval[1]:.2f}"
