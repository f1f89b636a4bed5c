"""What strategies may take into account beside the pool."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.cost_model import CostModel
from rbcal.config import ScoringConfig
from rbcal.types import Floats, Ints, Reals

_NO_LABELS = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class AcquisitionContext:
    """What a strategy may take into account beside the pool."""

    scoring: ScoringConfig  # alpha, beta and gamma of equation (8)
    annotated: Ints  # (C,) annotated cells of each class
    rare: tuple[int, ...] = ()  # labels of the classes that the expert marked as rare
    f1: Reals = field(default_factory=lambda: np.empty(0))  # (C,) in images not trained on; NaN: not known
    annotated_embeddings: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))  # (M, D)
    calibration: Calibration = field(default_factory=Calibration)
    cost_model: CostModel = field(default_factory=CostModel)
    seed: int = 0
    chances: Reals | None = None  # (N,) that the expert would change each cell; None: not known


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
