"""How good a detector is on a test set: AP from faster-coco-eval, Precision_all of equation (9), F1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import starmap
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from rbcal.errors import ShapeError
from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.matching import named
from rbcal.evaluation.metrics import Evaluation
from rbcal.types import Annotations, Detections, Floats

FAINTEST = 0.005  # a class less probable than this is not offered: it would only lengthen the tail


def evaluate(
    pairs: Iterable[tuple[Annotations, Detections]], n_classes: int, rare: Sequence[int]
) -> Evaluation:
    """Return how well detections match annotations over a test set; higher is better.

    Parameters
    ----------
    pairs : iterable of (Annotations, Detections)
        One pair per image of the test set; cells that nobody named, and what is detected there, do not count.
    n_classes : int
        C.
    rare : sequence of int, 0 <= label < C

    Returns
    -------
    Evaluation

    Raises
    ------
    ShapeError
        If the test set has no image or no cell, where AP is not defined, or a label is not below C.

    Notes
    -----
    As COCO and torchvision have it, a detection takes part in the ranking of every class, with its
    probability for that class. There is no limit of 100 detections per image. Recall, precision and F1 of a
    class are those of the confusion matrix: of the boxes that the expert is shown, with their one name.

    References
    ----------
    Sadafi et al. 2019, equation (9): Precision_all = sum_k N_k AP_k / sum_k N_k, with N_k counted on the
    annotations of the test set.
    """
    pairs = list(starmap(named, pairs))
    n_k = np.bincount(
        np.concatenate([np.empty(0, np.int64), *(truth.labels for truth, _ in pairs)]), minlength=n_classes
    )
    if not n_k.sum():
        raise ShapeError(
            f"Evaluation needs at least 1 annotated cell; the test set has {len(pairs)} images and 0 cells. "
            "Move annotated images to the test set first."
        )
    if len(n_k) > n_classes:
        raise ShapeError(f"Labels of the test set must be below {n_classes}, but one is {len(n_k) - 1}.")
    ap = _precision(pairs, n_classes).mean(axis=1)  # (10, C): at IoU 0.5, 0.55 ... 0.95
    present = n_k > 0
    confusion = Confusion.of(pairs, n_classes)
    rare_present = [label for label in rare if present[label]]
    return Evaluation(
        precision_all=float((n_k[present] * ap[0, present]).sum() / n_k.sum()),
        map_50=float(ap[0, present].mean()),
        map_50_95=float(ap[:, present].mean()),
        rare_ap_50=float(ap[0, rare_present].mean()) if rare_present else None,
        ap_50=tuple(float(ap_k) if n else None for ap_k, n in zip(ap[0], n_k, strict=True)),
        n_cells=tuple(int(n) for n in n_k),
        n_images=len(pairs),
        n_named=confusion.named,
        n_correct=confusion.correct,
    )


def precision_curves(pairs: Iterable[tuple[Annotations, Detections]], n_classes: int) -> NDArray[np.float64]:
    """Return the precision of each class at recall 0, 0.01 ... 1 and IoU 0.5; its mean is the class's AP.

    Parameters
    ----------
    pairs : iterable of (Annotations, Detections)
        As :func:`evaluate` takes them.
    n_classes : int
        C.

    Returns
    -------
    (C, 101) float64
        Interpolated as COCO does, so it never rises; 0 beyond the recall that is reached, NaN for a class
        without a cell.
    """
    precision = _precision(list(starmap(named, pairs)), n_classes)[0].T
    return np.where(precision < 0, np.nan, precision)


def _precision(pairs: Sequence[tuple[Annotations, Detections]], n_classes: int) -> NDArray[np.float64]:
    """Return precision (10, 101, C) at each IoU and recall of each class; -1 where there is no such cell."""
    truth = COCO(
        {
            "images": [{"id": image} for image in range(len(pairs))],
            "categories": [{"id": label, "name": str(label)} for label in range(n_classes)],
            "annotations": [entry | {"id": i + 1} for i, entry in enumerate(_truths(a for a, _ in pairs))],
        }
    )
    guess = truth.loadRes(_guesses(d for _, d in pairs))
    evaluator = COCOeval_faster(truth, guess, iouType="bbox")
    evaluator.params.areaRng = [[0, float("inf")]]
    evaluator.params.areaRngLbl = ["all"]
    evaluator.params.maxDets = [max([1, *(len(d) for _, d in pairs)])]
    evaluator.evaluate()
    evaluator.accumulate()
    precision = np.asarray(evaluator.eval["precision"])  # (10 IoUs, 101 recalls, C, 1 area, 1 limit)
    return precision[:, :, :, 0, 0]


def _truths(annotations: Iterable[Annotations]) -> list[dict[str, Any]]:
    return [
        {"image_id": image, "category_id": int(label), "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for image, truth in enumerate(annotations)
        for label, box in zip(truth.labels, _corner_and_size(truth.boxes), strict=True)
    ]


def _guesses(detections: Iterable[Detections]) -> list[dict[str, Any]]:
    return [
        {"image_id": image, "category_id": label, "bbox": box, "score": float(p)}
        for image, guess in enumerate(detections)
        for box, probs in zip(_corner_and_size(guess.boxes), guess.probs, strict=True)
        for label, p in enumerate(probs[1:])
        if p >= FAINTEST
    ]


def _corner_and_size(boxes: Floats) -> list[list[float]]:
    """Return boxes as COCO writes them: x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
