"""Boxes that are probably no cell of their own: cut off at the border of the image, or half of another one.

Of a CHULA pool 5 % of the boxes are no cell; of those told here 34 to 90 % are (docs/benchmarks/review.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rbcal.review.explanations import Verdict
from rbcal.store.rankings import Cell
from rbcal.types import Bools, Floats

_BORDER = 3  # pixels
_SMALL = 0.5  # of the median area: a box at the border that is smaller is cut off
_COVERED = 0.5  # of a box, by another one that is more surely a cell


def remnants_last(
    verdicts: Sequence[Verdict], cells: Sequence[Cell], width: int, height: int
) -> list[Verdict]:
    """Return the verdicts of an image, in pixels, with red remnants behind all other red cells, and why."""
    if not cells:
        return []
    boxes, background = np.stack([each.box for each in cells]), np.stack([each.probs[0] for each in cells])
    is_cut, is_double = cut_off(boxes, width, height), doubled(boxes, background)
    ordered = []
    for verdict, cut, double in zip(verdicts, is_cut.tolist(), is_double.tolist(), strict=True):
        if verdict.flagged and cut:
            ordered.append(_last(verdict, "maybe no cell: cut off at the border", "cut off"))
        elif verdict.flagged and double:
            ordered.append(_last(verdict, "maybe no cell: half of it lies in another one", "double?"))
        else:
            ordered.append(verdict)
    return ordered


def cut_off(boxes: Floats, width: int, height: int) -> Bools:
    """Return whether each box (N, 4), in pixels, is a small part of a cell at the border of the image: (N,).

    >>> cut_off(np.float32([[0, 40, 8, 60], [50, 40, 70, 60], [0, 70, 18, 90]]), 100, 100)
    array([ True, False, False])
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    at_border = (low < _BORDER).any(axis=1) | (high > np.array([width, height]) - _BORDER).any(axis=1)
    areas = np.prod(high - low, axis=1)
    return np.asarray(at_border & (areas < _SMALL * np.median(areas)))


def doubled(boxes: Floats, background: Floats) -> Bools:
    """Return whether half of each box (N, 4) lies in another one that is background less probably (N,): (N,).

    >>> doubled(np.float32([[0, 0, 20, 20], [5, 0, 25, 20], [30, 0, 50, 20]]), np.float32([0.1, 0.4, 0.2]))
    array([False,  True, False])
    """
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod((high - low).clip(0), axis=2) / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
    is_surer = background[None, :] < background[:, None]
    return np.asarray((is_surer & (shared > _COVERED)).any(axis=1))


def _last(verdict: Verdict, reason: str, brief: str) -> Verdict:
    """Return a verdict with one more reason, behind all those whose weight is 0 or more."""
    words = f"{verdict.brief} · {brief}" if verdict.brief else brief
    weight = min(verdict.weight, 1.0) - 2
    return replace(verdict, reasons=(*verdict.reasons, reason), brief=words, weight=weight)
