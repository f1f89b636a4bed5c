"""The core types: boxes of cells that an expert drew or a detector found.

One letter means one thing everywhere: T passes, N detections, M annotations, C classes, K images,
H and W the height and width of an image in pixels. Boxes are ``x1, y1, x2, y2`` in image pixels with
``x1 < x2`` and ``y1 < y2``; the top left corner of the image is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rbcal.errors import ShapeError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]

EMBEDDING_SIZE = 32  # numbers that say what a cell looks like to a model; angles are then kept to about 0.2
CROP_EMBEDDING_SIZE = 128  # the same of a second look: logits of its crop, then components
_ROW_SUM_TOLERANCE = 1e-3  # float32 softmax over a few dozen classes, and its mean over T passes


@dataclass(frozen=True, eq=False)
class Annotations:
    """What the expert says is in one image.

    Parameters
    ----------
    boxes : (M, 4) float32, pixels
    labels : (M,) int64, 0 <= label < C
    read : (M,) bool, optional
        Whether the expert named the cell, or it was imported; by default all. A box that was saved open or
        left unsure says that a cell is there, never which.
    """

    boxes: Floats
    labels: Ints
    read: Bools = field(default_factory=lambda: np.array(True))  # of all

    def __post_init__(self) -> None:
        _settle(self, "boxes", np.float32, (None, 4))
        _settle(self, "labels", np.int64, (len(self.boxes),))
        if np.ndim(self.read) == 0:
            object.__setattr__(self, "read", np.full(len(self.boxes), self.read))
        _settle(self, "read", np.bool_, (len(self.boxes),))
        _check_sides(self.boxes)
        if self.labels.size and self.labels.min() < 0:
            raise ShapeError(f"labels must be >= 0, but got {self.labels.min()}.")

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def read_labels(self) -> Ints:
        """(n,) int64: the labels of the cells that were named; they alone teach classes."""
        return self.labels[self.read]

    @classmethod
    def empty(cls) -> Annotations:
        """Return annotations of an image without cells."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector says is in one image.

    Parameters
    ----------
    boxes : (N, 4) float32, pixels
    probs : (N, C + 1) float32
        Class probabilities; each row sums to 1, column 0 is background.
    """

    boxes: Floats
    probs: Floats

    def __post_init__(self) -> None:
        _settle(self, "boxes", np.float32, (None, 4))
        _settle(self, "probs", np.float32, (len(self.boxes), None))
        _check_sides(self.boxes)
        _check_distributions(self.probs)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def labels(self) -> Ints:
        """(N,) int64: the most probable class of each cell, background left out."""
        if not len(self):
            return np.empty(0, np.int64)  # there may be no class, either
        return self.probs[:, 1:].argmax(axis=1).astype(np.int64)

    @property
    def scores(self) -> Floats:
        """(N,) float32 in [0, 1]: the probability of that class."""
        return self.probs[:, 1:].max(axis=1, initial=0)


@dataclass(frozen=True, eq=False)
class Passes:
    """N cells as seen in T stochastic passes, index-aligned: cell n of pass i is cell n of pass 1.

    Parameters
    ----------
    boxes : (T, N, 4) float32, pixels
        In each pass, the box regressed for the most probable class of that pass.
    probs : (T, N, C + 1) float32
        Class probabilities of each pass; column 0 is background.
    """

    boxes: Floats
    probs: Floats

    def __post_init__(self) -> None:
        _settle(self, "boxes", np.float32, (None, None, 4))
        _settle(self, "probs", np.float32, (*self.boxes.shape[:2], None))
        _check_distributions(self.probs)

    @property
    def n_passes(self) -> int:
        """T, the number of stochastic passes."""
        return len(self.boxes)

    def __len__(self) -> int:
        return self.boxes.shape[1]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a detector predicts in one image: N cells, in T passes too, and their embeddings (N, D).

    Those of a second look are what its last layer takes; the others are unit vectors.
    """

    detections: Detections
    passes: Passes
    embeddings: Floats


def iou(a: Floats, b: Floats) -> Floats:
    """Return the intersection over union of paired boxes, in [0, 1]; 1 means the same box.

    Parameters
    ----------
    a, b : (..., 4) float32
        Shapes broadcast; two boxes of zero area have IoU 0.

    >>> float(iou(np.float32([0, 0, 2, 2]), np.float32([1, 0, 3, 2])))  # 2 of 6 square pixels
    0.3333333432674408
    """
    top_left = np.maximum(a[..., :2], b[..., :2])
    bottom_right = np.minimum(a[..., 2:], b[..., 2:])
    intersection = np.prod(np.clip(bottom_right - top_left, 0, None), axis=-1)
    union = area(a) + area(b) - intersection
    quotient: Floats = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return quotient


def area(boxes: Floats) -> Floats:
    """Return the area of each box of shape (..., 4), in square pixels; 0 if a side is not positive."""
    product: Floats = np.prod(np.clip(boxes[..., 2:] - boxes[..., :2], 0, None), axis=-1)
    return product


def _settle(owner: object, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> None:
    """Cast a field to its dtype, check its shape and that it is finite, and make it read-only."""
    array = np.array(getattr(owner, name), dtype=dtype)
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        kind = type(owner).__name__
        raise ShapeError(f"{kind}.{name} must have shape ({wanted}), but got {array.shape}.")
    if not np.isfinite(array).all():
        raise ShapeError(f"{type(owner).__name__}.{name} must be finite, but holds NaN or infinity.")
    array.setflags(write=False)
    object.__setattr__(owner, name, array)


def _check_sides(boxes: Floats) -> None:
    bad = np.flatnonzero((boxes[:, :2] >= boxes[:, 2:]).any(axis=1))
    if bad.size:
        raise ShapeError(f"boxes must have x1 < x2 and y1 < y2, but got {boxes[bad[0]].tolist()}.")


def _check_distributions(probs: Floats) -> None:
    if probs.size and np.abs(probs.sum(axis=-1) - 1).max() > _ROW_SUM_TOLERANCE:
        raise ShapeError("each row of probs must sum to 1, background included.")
