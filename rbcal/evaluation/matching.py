"""Which detection is of which annotated cell: the errors of a detector, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rbcal.types import Annotations, Detections, Floats, Ints, iou

Box = tuple[float, float, float, float]
SAME_CELL = 0.5  # IoU from which on two boxes are of the same cell
CELL = 0.5  # from this probability on a detection is shown as a cell; ScoringConfig.cell_threshold

Kind = Literal["confused", "missed", "false"]


@dataclass(frozen=True, eq=False)
class Matched:
    """Detections of one image beside its annotated cells.

    Parameters
    ----------
    annotation : (M,) int64
        Index of the detection of each annotated cell; -1: it was missed.
    detection : (N,) int64
        Index of the annotated cell that each detection is of; -1: of none.
    overlap : (N,) float32
        IoU of the two; 0 where there is no such cell.
    shown : (N,) bool
        Whether the detection counts: what is probably background takes no part.
    """

    annotation: Ints
    detection: Ints
    overlap: Floats
    shown: np.ndarray

    @property
    def missed(self) -> Ints:
        """Indices of the annotated cells that no detection is of."""
        return np.flatnonzero(self.annotation < 0)

    @property
    def false(self) -> Ints:
        """Indices of the detections that are of no annotated cell: false positives."""
        return np.flatnonzero((self.detection < 0) & self.shown)


def match(
    annotations: Annotations, detections: Detections, *, least: float = SAME_CELL, cell_threshold: float = 0.0
) -> Matched:
    """Return which detection is of which annotated cell, one to one, whatever their classes.

    The pair that overlaps most is matched first. Order does not matter but for exact ties.

    Parameters
    ----------
    annotations : Annotations
        M cells.
    detections : Detections
        N cells.
    least : float
        IoU of a pair, at least.
    cell_threshold : float
        Detections that are less probably a cell take no part.
    """
    shown = 1 - detections.probs[:, 0] >= cell_threshold
    overlap = iou(detections.boxes[:, None], annotations.boxes[None]) * shown[:, None]  # (N, M)
    of_detection, of_annotation = np.full(len(detections), -1), np.full(len(annotations), -1)
    best = np.zeros(len(detections), np.float32)
    while overlap.size and overlap.max() >= least:
        n, m = np.unravel_index(overlap.argmax(), overlap.shape)
        of_detection[n], of_annotation[m], best[n] = m, n, overlap[n, m]
        overlap[n], overlap[:, m] = -1, -1
    return Matched(of_annotation, of_detection, best, shown)


def named(annotations: Annotations, detections: Detections) -> tuple[Annotations, Detections]:
    """Return both without the cells that nobody named, and without the detections that are of them.

    Of a cell that was not read, or was left unsure, a detector is neither right nor wrong; a second box on it
    neither.
    """
    if annotations.read.all():
        return annotations, detections
    read = annotations.read
    of_cell = match(annotations, detections).detection
    of_named = np.append(read, False)[of_cell]  # -1: of none
    overlap = iou(detections.boxes[:, None], annotations.boxes[None, ~read])
    judged = of_named | (overlap.max(axis=1, initial=0) < SAME_CELL)
    return (
        Annotations(annotations.boxes[read], annotations.labels[read]),
        Detections(detections.boxes[judged], detections.probs[judged]),
    )


@dataclass(frozen=True)
class Mistake:
    """One place where annotation and detector disagree.

    Parameters
    ----------
    kind : "confused", "missed" or "false"
    annotated, predicted : int or None
        Labels; None where there is no such box.
    annotated_box, predicted_box : tuple of four floats or None
        Image pixels.
    contradiction : float in [0, 1]
        How strongly the detector contradicts the annotation; higher is stronger.
    """

    kind: Kind
    annotated: int | None
    predicted: int | None
    annotated_box: Box | None
    predicted_box: Box | None
    contradiction: float

    @property
    def boxes(self) -> list[Box]:
        """The one or two boxes of it."""
        return [box for box in (self.annotated_box, self.predicted_box) if box is not None]


def mistakes(annotations: Annotations, detections: Detections) -> list[Mistake]:
    """Return where a detector and the annotations of an image disagree, the strongest contradiction first.

    A confused cell is contradicted by 1 - p(its class | it is a cell), so labels that the detector holds
    least probable come first; a box without a cell by the probability that there is one; a missed cell by 1 -
    the probability of a cell that any detection gives to the place.

    References
    ----------
    Northcutt, Jiang and Chuang 2021, "Confident Learning", J. Artif. Intell. Res. 70: self-confidence.
    """
    annotations, detections = named(annotations, detections)
    matched = match(annotations, detections, cell_threshold=CELL)
    p_cell = 1 - detections.probs[:, 0]
    truths, guesses = ([_box(row) for row in each.boxes.tolist()] for each in (annotations, detections))
    labels, predicted = annotations.labels.tolist(), detections.labels.tolist()
    near = iou(annotations.boxes[:, None], detections.boxes[None]) >= SAME_CELL  # (M, N)
    wrong = []
    for m, n in enumerate(matched.annotation.tolist()):
        if n < 0:
            contradiction = 1 - float(p_cell[near[m]].max(initial=0.0))
            wrong.append(Mistake("missed", labels[m], None, truths[m], None, contradiction))
        elif labels[m] != predicted[n]:
            own = float(detections.probs[n, labels[m] + 1 :][:1].sum() / p_cell[n])  # 0 of a younger class
            wrong.append(Mistake("confused", labels[m], predicted[n], truths[m], guesses[n], 1 - own))
    wrong += [
        Mistake("false", None, predicted[n], None, guesses[n], float(p_cell[n]))
        for n in matched.false.tolist()
    ]
    return sorted(wrong, key=lambda mistake: -mistake.contradiction)


def _box(sides: Sequence[float]) -> Box:
    x1, y1, x2, y2 = sides
    return x1, y1, x2, y2
