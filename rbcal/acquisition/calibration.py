"""From doubts to the probability that the expert would change a cell, learnt from what the expert did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.stats import rankdata

Reals = NDArray[np.float64]
FEWEST = 200  # reviewed cells; of fewer, five coefficients are not to be had
_RIDGE = 1e-2  # per cell, on standardised doubts: two that say the same must not fight


@dataclass(frozen=True, eq=False)
class Calibration:
    """Turns the doubts (N, D) about cells into the probability that the expert would change them.

    Without reviews it is the mean of the doubts' quantiles in the pool: an order, not yet a probability.
    """

    weights: Reals = field(default_factory=lambda: np.empty(0))  # (D + 1,), the last is the intercept
    mean: Reals = field(default_factory=lambda: np.empty(0))
    spread: Reals = field(default_factory=lambda: np.empty(0))
    steps_from: Reals = field(default_factory=lambda: np.empty(0))  # logits, rising
    steps_to: Reals = field(default_factory=lambda: np.empty(0))  # probabilities, not falling
    n_cells: int = 0  # reviewed cells that it rests on

    @property
    def learnt(self) -> bool:
        """Whether it rests on reviews."""
        return len(self.weights) > 0

    @classmethod
    def fit(cls, uncertainty: Reals, changed: NDArray[np.bool_]) -> Self:
        """Return the calibration that past reviews teach.

        Parameters
        ----------
        doubts : (N, D) float64
            What the model doubted, of cells that the expert then looked at.
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
        if len(changed) < FEWEST or changed.all() or not changed.any():
            return cls(n_cells=len(changed))
        mean, spread = uncertainty.mean(axis=0), np.maximum(uncertainty.std(axis=0), 1e-9)
        rows = np.column_stack([(uncertainty - mean) / spread, np.ones(len(uncertainty))])
        sign = np.where(changed, 1.0, -1.0)

        def loss(weights: Reals) -> tuple[float, Reals]:
            margin = sign * (rows @ weights)
            ridge = np.append(weights[:-1], 0)
            slope = -sign / (1 + np.exp(np.clip(margin, -500, 500)))
            value = np.logaddexp(0, -margin).mean() + _RIDGE / 2 * ridge @ ridge
            return float(value), rows.T @ slope / len(rows) + _RIDGE * ridge

        weights = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
        logits = rows @ weights
        order = np.argsort(logits, kind="stable")
        steps = isotonic_regression(changed[order].astype(np.float64)).x
        return cls(weights, mean, spread, logits[order], np.asarray(steps), len(changed))

    def __call__(self, uncertainty: Reals) -> Reals:
        """Return for each cell (N, D) the probability in [0, 1] that the expert would change it: (N,)."""
        if not len(uncertainty):
            return np.empty(0)
        if not self.learnt:
            return (rankdata(uncertainty, axis=0) / (len(uncertainty) + 1)).mean(axis=1)
        logits = (
            np.column_stack([(uncertainty - self.mean) / self.spread, np.ones(len(uncertainty))])
            @ self.weights
        )
        return np.interp(logits, self.steps_from, self.steps_to)


@dataclass(frozen=True)
class Bin:
    """Cells of about the same predicted probability: how many of them the expert changed in the end."""

    predicted: float
    changed: float
    n_cells: int


def reliability(predicted: Reals, changed: NDArray[np.bool_], n_bins: int = 10) -> list[Bin]:
    """Return a reliability diagram: bins of equal numbers of cells, the least doubtful first.

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
