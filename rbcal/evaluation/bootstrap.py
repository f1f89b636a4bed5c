"""How sure a comparison of two models is, or a figure of few test cells: a bootstrap over the test images.

AP is computed here once more, with a weight for each image: a resample of the images is such a set of
weights, so a thousand of them are sums over the same sorted detections. With all weights 1 it is the AP of
:mod:`rbcal.evaluation.average_precision`, and a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

import numpy as np
from numpy.typing import NDArray

from rbcal.errors import ShapeError
from rbcal.evaluation.average_precision import FAINTEST
from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.intervals import wilson
from rbcal.evaluation.matching import named
from rbcal.evaluation.metrics import FEWEST_TEST_CELLS, ClassIntervals, Comparison, Difference, Interval
from rbcal.types import Annotations, Detections, Floats, iou

_SAME_CELL = 0.5  # IoU of AP@0.5
_RESAMPLES = 1000  # the ends of a 95 % interval then rest on 25 of them each
_FEWEST = 5  # images; fewer say nothing about noise, and the interval is all that is possible
_AT_ONCE = 100  # resamples; bounds the memory
_RECALLS = np.linspace(0, 1, 101)  # where COCO reads precision


def compare(
    truths: Sequence[Annotations],
    old: Sequence[Detections],
    new: Sequence[Detections],
    n_classes: int,
    *,
    seed: int = 0,
) -> Comparison:
    """Return how much better a new model is than an old one on the same K images, and how sure that is.

    Parameters
    ----------
    truths, old, new : K each
        Annotations of the test images, and what either model predicts of them.
    n_classes : int
        C.
    seed : int
        Of the resamples: the same images are drawn for both models, so what is hard for both cancels out.

    Raises
    ------
    ShapeError
        If the three do not have the same length, or there is no cell.

    References
    ----------
    Efron and Tibshirani 1993, chapter 13: the percentile interval; Sadafi et al. 2019, equation (9).
    """
    n_images = len(truths)
    if not n_images == len(old) == len(new):
        raise ShapeError(
            f"Two models are compared on the same images, but got {len(truths)}, {len(old)} and {len(new)}."
        )
    n_cells = np.array([np.bincount(truth.read_labels, minlength=n_classes)[:n_classes] for truth in truths])
    if not n_cells.sum():
        raise ShapeError("A comparison needs at least 1 annotated cell in the test set.")
    weights = _weights(n_images, seed)
    ap = np.stack([_resampled_ap(truths, detections, n_cells, weights) for detections in (old, new)])
    n_k = weights @ n_cells  # (1 + resamples, C)
    total = np.where(n_k.sum(-1) > 0, n_k.sum(-1), np.nan)  # a resample may have no cell
    precision_all = (n_k * np.nan_to_num(ap)).sum(-1) / total
    enough = n_images >= _FEWEST
    return Comparison(
        precision_all=_difference(*precision_all, enough=enough),
        classes=tuple(
            _difference(*ap[..., k], enough=enough) if present else None
            for k, present in enumerate(n_cells.sum(axis=0) > 0)
        ),
        n_images=n_images,
    )


def few_cells_intervals(
    truths: Sequence[Annotations],
    detections: Sequence[Detections],
    n_classes: int,
    *,
    fewest: int = FEWEST_TEST_CELLS,
    seed: int = 0,
) -> tuple[ClassIntervals | None, ...]:
    """Return where AP, recall, precision and F1 of each class with few test cells may lie, with 95 %.

    Parameters
    ----------
    truths, detections : K each
        Annotations of the test images, and what a model predicts of them.
    n_classes : int
        C.
    fewest : int
        A class with so many test cells has no interval.
    seed : int
        Of the resamples of the images.

    Returns
    -------
    tuple of C
        None for a class with `fewest` cells or more, or without any.

    Raises
    ------
    ShapeError
        If the two do not have the same length.

    Notes
    -----
    The percentile interval over resampled images has no width where all cells are right, or all are on one
    image, and then says too much. So it is never narrower than Wilson's interval of a share of as many cells,
    or boxes of that name for precision.

    References
    ----------
    Efron and Tibshirani 1993, chapter 13; Wilson 1927, J. Am. Stat. Assoc. 22, 209.
    """
    if len(truths) != len(detections):
        raise ShapeError(
            f"A model is measured on its own images, but got {len(truths)} and {len(detections)} of them."
        )
    n_cells, named, correct = _counts(truths, detections, n_classes)
    weights = _weights(len(truths), seed)
    intervals: list[ClassIntervals | None] = []
    for label, n in enumerate(n_cells.sum(axis=0).tolist()):
        if not 0 < n < fewest:
            intervals.append(None)
            continue
        ap = _average_precision(*_hits(truths, detections, label), n_cells[:, label], weights)
        cells, boxes, right = (weights @ each[:, label] for each in (n_cells, named, correct))
        intervals.append(
            ClassIntervals(
                ap_50=_interval(ap, n),
                recall=_interval(_share(right, cells), n),
                precision=_interval(_share(right, boxes), int(boxes[0])) if boxes[0] else None,
                f1=_interval(np.where(cells > 0, _share(2 * right, cells + boxes), np.nan), n),
            )
        )
    return tuple(intervals)


def _counts(
    truths: Sequence[Annotations], detections: Sequence[Detections], n_classes: int
) -> tuple[NDArray[np.int64], ...]:
    """Return cells, named boxes and right ones of each class on each image: (K, C) each."""
    images = [Confusion.of([pair], n_classes) for pair in zip(truths, detections, strict=True)]
    columns = ([getattr(each, name) for each in images] for name in ("cells", "named", "correct"))
    return tuple(np.array(column, np.int64).reshape(-1, n_classes) for column in columns)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return parts of wholes (B,); NaN where there is nothing to be part of."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _interval(shares: NDArray[np.float64], n: int) -> Interval:
    """Return what holds 95 % of resampled shares, the first of which is as it is, of n cells or boxes."""
    low, high = np.nanquantile(shares[1:], [0.025, 0.975])
    least, most = wilson(float(shares[0]) * n, n)
    return min(float(low), least), max(float(high), most)


def _weights(n_images: int, seed: int) -> NDArray[np.float64]:
    """Return how often each image is in a resample, (1 + B, K); the first row is the test set as it is."""
    draws = np.random.default_rng(seed).multinomial(n_images, np.full(n_images, 1 / n_images), _RESAMPLES)
    return np.concatenate([np.ones((1, n_images)), draws])


def _resampled_ap(
    truths: Sequence[Annotations],
    detections: Sequence[Detections],
    n_cells: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return AP (B, C) of each class for each row of image weights (B, K), with n_cells (K, C)."""
    ap = [
        _average_precision(*_hits(truths, detections, label), n_cells[:, label], weights)
        for label in range(n_cells.shape[1])
    ]
    return np.stack(ap, axis=1)


def _hits(
    truths: Sequence[Annotations], detections: Sequence[Detections], label: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return of the detections (D,) of a class, the most certain first: image, and whether a cell is new."""
    images, scores, hits = [np.empty(0, np.int64)], [np.empty(0, np.float32)], [np.empty(0, bool)]
    for index, (truth, each) in enumerate(starmap(named, zip(truths, detections, strict=True))):
        probs = each.probs[:, label + 1 :][:, :1].ravel()  # none where the model is older than the class
        order = np.argsort(-probs, kind="stable")
        order = order[probs[order] >= FAINTEST]
        images.append(np.full(len(order), index))
        scores.append(probs[order])
        hits.append(_matches(each.boxes[order], truth.boxes[truth.labels == label]))
    ranked = np.argsort(-np.concatenate(scores), kind="stable")
    return np.concatenate(images)[ranked], np.concatenate(hits)[ranked]


def _matches(boxes: Floats, cells: Floats) -> NDArray[np.bool_]:
    """Return which boxes (D, 4), the most certain first, are of a cell (M, 4) that is still free."""
    overlap = iou(boxes[:, None], cells[None])
    hit = np.zeros(len(boxes), bool)
    if not len(cells):
        return hit
    for index, row in enumerate(overlap):
        best = row.argmax()
        if row[best] >= _SAME_CELL:
            hit[index] = True
            overlap[:, best] = -1  # taken
    return hit


def _average_precision(
    image: NDArray[np.int64],
    hit: NDArray[np.bool_],
    n_cells: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return AP for each row of image weights (B, K): (B,); NaN where no image of weight has such a cell."""
    ap = np.full(len(weights), np.nan)
    for start in range(0, len(weights), _AT_ONCE):
        rows = weights[start : start + _AT_ONCE]
        weight = rows[:, image]  # (B, D)
        hits, shown = np.cumsum(weight * hit, axis=1), np.cumsum(weight, axis=1)
        precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for row, total in enumerate(rows @ n_cells):
            if total:
                place = np.searchsorted(hits[row] / total, _RECALLS - 1e-12)
                ap[start + row] = np.append(envelope[row], 0)[place].mean()
    return ap


def _difference(old: NDArray[np.float64], new: NDArray[np.float64], *, enough: bool) -> Difference:
    """Return the difference of two figures, the first of each as it is, the others resampled."""
    low, high = np.nanquantile(new[1:] - old[1:], [0.025, 0.975]) if enough else (-1, 1)
    return Difference(float(old[0]), float(new[0]), float(low), float(high))
