"""How good a detector is on a test set, and how much better than another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rbcal.errors import ShapeError

Shares = tuple[float | None, ...]  # of each class, in [0, 1]
Interval = tuple[float, float]
FEWEST_TEST_CELLS = 20  # of a class; of fewer, one cell more or less moves its AP by more than 0.05


@dataclass(frozen=True)
class ClassIntervals:
    """Where the figures of a class may lie, each the interval that holds 95 %; None where there is no figure.

    They are kept for classes with few test cells: :func:`rbcal.evaluation.bootstrap.few_cells_intervals`.
    """

    ap_50: Interval
    recall: Interval
    precision: Interval | None
    f1: Interval


@dataclass(frozen=True)
class Evaluation:
    """Average precision of one model on one test set, and its classes as named; higher is better.

    AP ranks by the probability of a class, which may be high in the right places and never the highest. As
    named counts what the expert sees: each box has one name, its most probable class. So a class can have an
    AP of 0.70 where no box has its name.

    Parameters
    ----------
    precision_all : float
        Equation (9): the mean of AP at IoU 0.5 over the classes, weighted by their number of cells.
    map_50, map_50_95 : float
        Plain means over the classes that the test set has, at IoU 0.5 and over IoU 0.5 to 0.95.
    rare_ap_50 : float or None
        Mean AP at IoU 0.5 of the rare classes; None where the test set has no rare cell.
    ap_50 : C values
        AP at IoU 0.5 of each class; None where the test set has no such cell.
    n_cells : C values
        N_k, counted on the ground truth of the test set.
    n_images : int
        Images of the test set.
    n_named : C values or None
        Boxes that are named as each class, also doubles and those where no cell is; None where nobody
        counted: the model was measured by an older rbcal.
    n_correct : C values or None
        Those of them that are of a cell of that class.
    intervals : C values or None
        Of each class with fewer than 20 test cells, None for the others and for those without any; None
        where nobody worked them out: the model was measured by an older rbcal.
    """

    precision_all: float
    map_50: float
    map_50_95: float
    rare_ap_50: float | None
    ap_50: Shares
    n_cells: tuple[int, ...]
    n_images: int
    n_named: tuple[int, ...] | None = None
    n_correct: tuple[int, ...] | None = None
    intervals: tuple[ClassIntervals | None, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("n_named", "n_correct"):
            counts = getattr(self, name)
            if counts is not None and (len(counts) != len(self.n_cells) or min(counts, default=0) < 0):
                raise ShapeError(
                    f"{name} must be a count for each of {len(self.n_cells)} classes, but got {counts}."
                )

    @property
    def few(self) -> tuple[bool, ...]:
        """Whether each class has test cells, but so few that its figures say little."""
        return tuple(0 < n < FEWEST_TEST_CELLS for n in self.n_cells)

    def interval(self, label: int) -> ClassIntervals | None:
        """Return where the figures of a class may lie; None where that is not known, or not needed."""
        if self.intervals is None or label >= len(self.intervals):
            return None
        return self.intervals[label]

    def few_among(self, labels: Sequence[int]) -> dict[int, int]:
        """Return the test cells of some classes by label, where each that has any has few; else nothing.

        >>> figures = Evaluation(0, 0, 0, None, (1, 0.7, 0.2, None), (400, 2, 5, 0), 1)
        >>> figures.few_among([1, 2, 3]), figures.few_among([0, 1]), figures.few_among([3])
        ({1: 2, 2: 5}, {}, {})
        """
        tested = {label: self.n_cells[label] for label in labels if label < len(self.n_cells)}
        tested = {label: n for label, n in tested.items() if n}
        return tested if all(self.few[label] for label in tested) else {}

    @property
    def is_counted(self) -> bool:
        """Whether recall, precision and F1 are there."""
        return self.n_named is not None and self.n_correct is not None

    @property
    def recall(self) -> Shares:
        """Part of the true cells of each class that are found and named so; None without a test cell."""
        return tuple(correct / cells if cells else None for cells, _, correct in self._counts())

    @property
    def precision(self) -> Shares:
        """Part of the boxes named as each class that are right; None where no box is named so."""
        return tuple(correct / named if named else None for _, named, correct in self._counts())

    @property
    def f1(self) -> Shares:
        """Harmonic mean of recall and precision; 0 of a class that is never named, None without a test cell.

        >>> Evaluation(0, 0, 0, None, (1, 0.7), (4, 2), 1, n_named=(6, 0), n_correct=(3, 0)).f1
        (0.6, 0.0)
        """
        return tuple(
            2 * correct / (cells + named) if cells > 0 else None for cells, named, correct in self._counts()
        )

    @property
    def macro_f1(self) -> float | None:
        """Plain mean of F1 over the classes that the test set has; None where nobody counted."""
        tested = [each for each in self.f1 if each is not None]
        return sum(tested) / len(tested) if tested else None

    def _counts(self) -> Iterator[tuple[int, int, int]]:
        """Yield of each class: cells, named boxes, right ones; zeros where nobody counted."""
        if self.n_named is None or self.n_correct is None:
            return iter([(0, 0, 0)] * len(self.n_cells))
        return zip(self.n_cells, self.n_named, self.n_correct, strict=True)


@dataclass(frozen=True)
class Difference:
    """A figure of a new model less that of the old one, and the interval that holds 95 % of its resamples."""

    old: float
    new: float
    low: float
    high: float

    @property
    def worse(self) -> bool:
        """Whether the new model is worse beyond noise: the whole interval lies below 0."""
        return self.high < 0


@dataclass(frozen=True)
class Comparison:
    """A new model beside an old one on the same test images.

    Parameters
    ----------
    precision_all : Difference
        Of equation (9).
    classes : C values
        Of AP at IoU 0.5 of each class; None where the test set has no such cell.
    n_images : int
        Images of the test set, which are what is resampled.
    """

    precision_all: Difference
    classes: tuple[Difference | None, ...]
    n_images: int

    @property
    def worse(self) -> bool:
        """Whether the new model is worse beyond noise by Precision_all."""
        return self.precision_all.worse
