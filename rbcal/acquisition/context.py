"""What strategies may take into account beside the pool."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.cost_model import CostModel
from rbcal.config import ScoringConfig
from rbcal.types import Floats, Ints

Reals = NDArray[np.float64]
_NO_LABELS = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class AcquisitionContext:
    """What a strategy may take into account beside the pool.

    Parameters
    ----------
    scoring : ScoringConfig
        alpha, beta and gamma of equation (8).
    annotated : (C,) int64
        Annotated cells of each class.
    rare : tuple of int
        Labels of the classes that the expert marked as rare.
    f1 : (C,) float64 in [0, 1], NaN where it is not known
        As :func:`f1_of_classes` returns it, of images that the model had not been trained on.
    annotated_embeddings : (M, D) float32
        What cells in annotated images look like.
    calibration : Calibration
        Turns uncertainty into the probability that the expert would change a cell.
    cost_model : CostModel
        What an image costs of the expert's time.
    seed : int
    """

    scoring: ScoringConfig
    annotated: Ints
    rare: tuple[int, ...] = ()
    f1: Reals = field(default_factory=lambda: np.empty(0))
    annotated_embeddings: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    calibration: Calibration = field(default_factory=Calibration)
    cost_model: CostModel = field(default_factory=CostModel)
    seed: int = 0


def f1_of_classes(predicted: Ints, true: Ints, n_classes: int, missed: Ints = _NO_LABELS) -> Reals:
    """Return F1 of each class, (C,); NaN where no cell of the class was there.

    Parameters
    ----------
    predicted, true : (N,) int64
        The label that the model gave each cell, and the one that the expert left it with; -1: it is no cell.
    n_classes : int
    missed : (M,) int64
        Labels of cells that the model did not find.

    >>> f1_of_classes(np.array([0, 0, 1]), np.array([0, 1, -1]), 2, missed=np.array([1])).round(2)
    array([0.67, 0.  ])
    """

    def count(labels: Ints) -> Ints:
        return np.bincount(labels, minlength=n_classes)[:n_classes]

    n_true = count(true[true >= 0]) + count(missed)
    hits, total = count(true[predicted == true]), count(predicted) + n_true
    return np.divide(2 * hits, total, out=np.full(n_classes, np.nan), where=n_true > 0)
