"""Which detection is of which annotated cell: found, taken for another class, missed, or nothing there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rbcal.boxes import Annotations, Detections, Ints, iou
from rbcal.config import ScoringConfig

NOBODY = -1  # no partner


@dataclass(frozen=True, eq=False)
class Matched:
    """The N detections of one image beside its M annotated cells.

    Parameters
    ----------
    annotation : (M,) int64
        The position of the detection of each annotated cell; -1: it was missed.
    detection : (N,) int64
        The position of the annotated cell of each detection; -1: nothing is there, or it takes no part.
    """

    annotation: Ints
    detection: Ints


def is_cell(detections: Detections) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which detections (N,) are shown to the expert: more probably a cell than background."""
    shown: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        1 - detections.probs[:, 0] >= ScoringConfig.cell_threshold
    )
    return shown


def match(annotations: Annotations, detections: Detections, threshold: float = 0.5) -> Matched:
    """Return the partners, one to one, whatever their classes.

    As COCO does it: the detections choose in turn, the one that is most surely a cell first, and each takes
    the annotated cell that it overlaps most and that is still free. Those that are no cell
    (:func:`is_cell`) take no part.

    Parameters
    ----------
    annotations : Annotations
    detections : Detections
    threshold : float in (0, 1]
        The least IoU of partners.
    """
    annotation = np.full(len(annotations), NOBODY, np.int64)
    detection = np.full(len(detections), NOBODY, np.int64)
    overlap = iou(detections.boxes[:, None], annotations.boxes[None])  # (N, M)
    overlap[overlap < threshold] = 0
    shown = is_cell(detections)
    for n in np.argsort(detections.probs[:, 0], kind="stable") if len(annotations) else ():
        if not shown[n]:
            break
        best = int(overlap[n].argmax())
        if overlap[n, best] > 0:
            annotation[best], detection[n] = n, best
            overlap[:, best] = 0
    return Matched(annotation, detection)


def confusion(pairs: Iterable[tuple[Annotations, Detections]], n_classes: int) -> Ints:
    """Return how often cells of each class were taken for which class.

    Parameters
    ----------
    pairs : iterable of (Annotations, Detections)
        One pair for each image.
    n_classes : int
        C.

    Returns
    -------
    (C + 1, C + 1) int64
        Rows: annotated class; columns: predicted class. Last row: nothing is there. Last column: missed. So
        each row but the last adds up to the annotated cells of its class.
    """
    table = np.zeros((n_classes + 1, n_classes + 1), np.int64)
    for truth, detections in pairs:
        found = match(truth, detections)
        seen = found.annotation != NOBODY
        guesses = np.full(len(truth), n_classes)
        if len(detections):
            labels = detections.labels
            guesses[seen] = labels[found.annotation[seen]]
            alone = is_cell(detections) & (found.detection == NOBODY)
            np.add.at(table[n_classes], labels[alone], 1)
        np.add.at(table, (truth.labels, guesses), 1)
    return table
