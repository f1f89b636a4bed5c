"""Which detection is of which annotated cell: the errors of a detector, one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rbcal.types import Annotations, Detections, Floats, Ints, iou

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


def confusion(pairs: Iterable[tuple[Annotations, Detections]], n_classes: int) -> Ints:
    """Return how often each class was called each class, (C + 1, C + 1) int64.

    Rows are annotated classes, the last row is "nothing annotated"; columns are what the detector says, the
    last column is "nothing found". Correct cells are on the diagonal.

    Parameters
    ----------
    pairs : iterable of (Annotations, Detections)
        One pair per image; detections that are probably background take no part.
    n_classes : int
        C; also of classes that the detector does not know yet.
    """
    counts = np.zeros((n_classes + 1, n_classes + 1), np.int64)
    for truth, guess in pairs:
        matched = match(truth, guess, cell_threshold=CELL)
        found = matched.annotation >= 0
        called = np.full(len(truth), n_classes)
        called[found] = guess.labels[matched.annotation[found]]
        np.add.at(counts, (truth.labels, called), 1)
        np.add.at(counts[-1], guess.labels[matched.false], 1)
    return counts


@dataclass(frozen=True)
class Mistake:
    """One place where annotation and detector disagree.

    Parameters
    ----------
    kind : "confused", "missed" or "false"
    annotated, predicted : int or None
        Labels; None where there is no such box.
    box, found : tuple of four floats or None
        The annotated box and that of the detector, image pixels.
    doubt : float in [0, 1]
        How strongly the detector contradicts the annotation; higher is stronger.
    """

    kind: Kind
    annotated: int | None
    predicted: int | None
    box: tuple[float, ...] | None
    found: tuple[float, ...] | None
    uncertainty: float


def mistakes(annotations: Annotations, detections: Detections) -> list[Mistake]:
    """Return where a detector and the annotations of an image disagree, the strongest contradiction first.

    The doubt about a confused cell is 1 - p(its class | it is a cell), so labels that the detector holds
    least probable come first; about a box without a cell it is the probability that there is one; about a
    missed cell it is 1 - the probability of a cell that any detection gives to the place.

    References
    ----------
    Northcutt, Jiang and Chuang 2021, "Confident Learning", J. Artif. Intell. Res. 70: self-confidence.
    """
    matched = match(annotations, detections, cell_threshold=CELL)
    cell = 1 - detections.probs[:, 0]
    boxes, founds = annotations.boxes.tolist(), detections.boxes.tolist()
    labels, predicted = annotations.labels.tolist(), detections.labels.tolist()
    faint = iou(annotations.boxes[:, None], detections.boxes[None]) >= SAME_CELL  # (M, N)
    found = []
    for m, n in enumerate(matched.annotation.tolist()):
        if n < 0:
            seen = float(cell[faint[m]].max(initial=0.0))
            found.append(Mistake("missed", labels[m], None, tuple(boxes[m]), None, 1 - seen))
        elif labels[m] != predicted[n]:
            known = labels[m] + 1 < detections.probs.shape[1]
            own = float(detections.probs[n, labels[m] + 1] / cell[n]) if known else 0.0
            found.append(
                Mistake("confused", labels[m], predicted[n], tuple(boxes[m]), tuple(founds[n]), 1 - own)
            )
    for n in matched.false.tolist():
        found.append(Mistake("false", None, predicted[n], None, tuple(founds[n]), float(cell[n])))
    return sorted(found, key=lambda mistake: -mistake.uncertainty)
