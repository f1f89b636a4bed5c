"""The oracle: an expert who knows the truth, and corrects what a model predicts in an image.

It keeps a box that is nearly right, gives a cell its class, moves what is off, deletes what is no cell, and
draws what was missed; it does not tire. Of cells that are asked for one by one it answers the same, and draws
nothing. It makes no mistake, unless a rate is given at which it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Self

import numpy as np

from rbcal.evaluation.matching import match
from rbcal.store.log import ReviewStatus
from rbcal.types import Annotations, Bools, Detections, Floats, Ints

_RIGHT = 0.7  # IoU from which on the oracle leaves a box as it is


@dataclass(frozen=True, eq=False)
class OracleReview:
    """What the oracle did with the N detections of one image, or of several.

    `truth` is the class of the cell that each detection is of, -1 where there is none; `changed` says whether
    the oracle gave it another class, moved its box or deleted it; `missed` cells were drawn.
    """

    predicted: Ints  # (N,) classes
    truth: Ints  # (N,)
    changed: np.ndarray  # (N,) bool
    missed: Ints  # classes of the cells that no detection was of
    uncertainty: np.ndarray  # (N, 4)

    @classmethod
    def none(cls) -> Self:
        """Return the review of no image."""
        labels = np.empty(0, np.int64)
        return cls(labels, labels, labels.astype(bool), labels, np.empty((0, 4)))

    def __add__(self, other: OracleReview) -> OracleReview:
        """Return the reviews of the images of both."""
        return OracleReview(*map(np.concatenate, zip(astuple(self), astuple(other), strict=True)))

    @property
    def n_changes(self) -> int:
        """How many cells were changed, deleted or drawn."""
        return int(self.changed.sum()) + len(self.missed)


@dataclass(frozen=True, eq=False)
class Correction:
    """What the oracle saves: M cells, which detection each was (None: drawn), and how it was dealt with."""

    annotations: Annotations
    sources: tuple[int | None, ...]
    review_status: tuple[ReviewStatus, ...]


def review(detections: Detections, truth: Annotations, uncertainty: np.ndarray) -> OracleReview:
    """Return what the oracle does with an image; each cell is matched once, the best overlap first."""
    matched = match(truth, detections)
    cell = matched.detection
    classes = np.where(cell >= 0, truth.labels[cell] if len(truth) else -1, -1)
    changed = (classes != detections.labels) | (matched.overlap < _RIGHT)
    return OracleReview(detections.labels, classes, changed, truth.labels[matched.missed], uncertainty)


@dataclass(frozen=True, eq=False)
class CellAnswers:
    """What the oracle says of N detections, each by itself.

    Parameters
    ----------
    labels : (N,) int64
        The class of each; -1: it is no cell.
    boxes : (N, 4) float32, pixels
        As the oracle leaves them.
    is_off : (N,) bool
        The oracle moved the box.
    """

    labels: Ints
    boxes: Floats
    is_off: Bools

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, rows: Ints) -> CellAnswers:
        """Return the answers of some of the detections."""
        return CellAnswers(self.labels[rows], self.boxes[rows], self.is_off[rows])

    @classmethod
    def joined(cls, parts: Sequence[CellAnswers]) -> Self:
        """Return the answers of several, one after the other; of at least one."""
        return cls(*map(np.concatenate, zip(*((p.labels, p.boxes, p.is_off) for p in parts), strict=True)))


def answer_cells(detections: Detections, truth: Annotations) -> CellAnswers:
    """Return what the oracle says of each detection of an image; a second box of one cell is no cell."""
    matched = match(truth, detections)
    is_cell = matched.detection >= 0
    is_off = is_cell & (matched.overlap < _RIGHT)
    labels, boxes = np.full(len(detections), -1), detections.boxes.copy()
    labels[is_cell] = truth.labels[matched.detection[is_cell]]
    boxes[is_off] = truth.boxes[matched.detection[is_off]]
    return CellAnswers(labels, boxes, is_off)


def erring(truth: Annotations, n_classes: int, rate: float, rng: np.random.Generator) -> Annotations:
    """Return what an oracle says that gives this share of its answers at random, of all classes."""
    drawn = rng.integers(n_classes, size=len(truth))
    errs = rng.uniform(size=len(truth)) < rate
    return replace(truth, labels=np.where(errs, drawn, truth.labels))


def correct(detections: Detections, truth: Annotations) -> Correction:
    """Return what the oracle saves of an image: as :func:`review` says."""
    matched = match(truth, detections)
    boxes = truth.boxes.copy()
    review_status: list[ReviewStatus] = []
    for m, n in enumerate(matched.annotation.tolist()):
        if n < 0:
            review_status.append("drawn")
            continue
        is_right = matched.overlap[n] >= _RIGHT
        if is_right:
            boxes[m] = detections.boxes[n]
        review_status.append("kept" if is_right and detections.labels[n] == truth.labels[m] else "changed")
    sources = tuple(None if n < 0 else n for n in matched.annotation.tolist())
    return Correction(Annotations(boxes, truth.labels), sources, tuple(review_status))
