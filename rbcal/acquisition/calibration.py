"""From uncertainty to the probability that the expert would change a cell, learnt from past reviews."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from rbcal.types import Reals

if TYPE_CHECKING:
    from sklearn.isotonic import IsotonicRegression
    from sklearn.pipeline import Pipeline

FEWEST = 200  # reviewed cells; of fewer, five coefficients are not to be had
_RIDGE = 1e-2  # per cell, on standardised features: two that say the same must not fight


@dataclass(frozen=True, eq=False)
class Calibration:
    """Turns uncertainty features (N, D) of cells into the probability that the expert would change them.

    Without reviews it is the mean of the features' quantiles in the pool: an order, not yet a probability.
    """

    logistic: Pipeline | None = None  # features to logits
    isotonic: IsotonicRegression | None = None  # logits to probabilities, not falling
    n_cells: int = 0  # reviewed cells that it rests on

    @property
    def learnt(self) -> bool:
        """Whether it rests on reviews."""
        return self.isotonic is not None

    @classmethod
    def fit(cls, uncertainty: Reals, changed: NDArray[np.bool_]) -> Self:
        """Return the calibration that past reviews give.

        Parameters
        ----------
        uncertainty : (N, D) float64
            Features of cells that the expert then read.
        changed : (N,) bool
            Whether the expert gave the cell another class, moved its box or deleted it.

        Returns
        -------
        Calibration
            Not :attr:`learnt` from fewer than 200 cells, or if all or none of them were changed.

        References
        ----------
        A logistic regression, then an isotonic one on its logits: Platt 1999; Zadrozny and Elkan 2002.
        """
        n = len(changed)
        if n < FEWEST or changed.all() or not changed.any():
            return cls(n_cells=n)
        from sklearn.isotonic import IsotonicRegression  # late: pages start without it
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        newton = LogisticRegression(C=1 / (_RIDGE * n), solver="newton-cholesky")  # exact for few features
        logistic = make_pipeline(StandardScaler(), newton).fit(uncertainty, changed)
        isotonic = IsotonicRegression(out_of_bounds="clip")
        return cls(logistic, isotonic.fit(logistic.decision_function(uncertainty), changed), n)

    def __call__(self, uncertainty: Reals) -> Reals:
        """Return for each cell (N, D) the probability in [0, 1] that the expert would change it: (N,)."""
        if not len(uncertainty):
            return np.empty(0)
        if self.logistic is None or self.isotonic is None:
            from scipy.stats import rankdata  # late, too

            return (rankdata(uncertainty, axis=0) / (len(uncertainty) + 1)).mean(axis=1)
        return np.asarray(self.isotonic.predict(self.logistic.decision_function(uncertainty)))


@dataclass(frozen=True)
class Bin:
    """Cells of about the same predicted probability: how many of them the expert changed in the end."""

    predicted: float
    changed: float
    n_cells: int


def reliability(predicted: Reals, changed: NDArray[np.bool_], n_bins: int = 10) -> list[Bin]:
    """Return a reliability diagram: bins of equal numbers of cells, the least uncertain first.

    >>> reliability(np.array([0.1, 0.1, 0.7, 0.9]), np.array([False, False, True, True]), 2)
    [Bin(predicted=0.1, changed=0.0, n_cells=2), Bin(predicted=0.8, changed=1.0, n_cells=2)]
    """
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, n_bins) if len(part)]
    return [Bin(float(predicted[part].mean()), float(changed[part].mean()), len(part)) for part in parts]


def expected_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: the mean gap between predicted and true, 0 is best.

    References
    ----------
    Naeini et al. 2015, AAAI, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    n_cells = sum(each.n_cells for each in bins)
    return sum(each.n_cells * abs(each.predicted - each.changed) for each in bins) / n_cells
