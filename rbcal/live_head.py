"""The live head: the last layer of the second look, fitted again on what the expert said since.

The second look makes an embedding e of each cell, and its last layer names it: l = softmax(W e + b). e is
stored with the cell, so another last layer (W', b') names it anew without an image::

    p'_k  is proportional to  p_k sqrt(l'_k / l_k)      over the classes; background stays

for p_k is, over the classes, the normalised geometric mean of what the box head and l say
(:func:`rbcal.detector.second_look.mixed`). For one pass that is exact; a stored p is the mean over T passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbcal.class_merges import NOTHING_MERGED, Merges
from rbcal.errors import ShapeError
from rbcal.types import Floats, Ints

PULL = 4.0  # of each weight towards the model's own, in cells: measured in docs/benchmarks/learner.md
_BALANCE = 0.5  # 0: a cell weighs as much as any other; 1: a class does. As crops are drawn in a training
_STEPS = 60  # of L-BFGS at most: the rest moves no name
_NEW_BIAS = -6.0  # of a class that the model does not know, before any cell of it: one in some hundreds
_LEAST = 1e-6  # probability


@dataclass(frozen=True, eq=False)
class LastLayer:
    """The last layer of a second look: weight (C, D), bias (C,)."""

    weight: Floats
    bias: Floats

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise ShapeError(
                f"A last layer has weights (C, D) and biases (C,), but got {self.weight.shape} and "
                f"{self.bias.shape}."
            )
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise ShapeError("A last layer must be finite, but holds NaN or infinity.")

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.bias)

    def widened(self, n_classes: int) -> LastLayer:
        """Return the layer with a row for each class that joined since, which knows nothing of it."""
        missing = max(0, n_classes - self.n_classes)
        return LastLayer(
            np.pad(self.weight, ((0, missing), (0, 0))),
            np.pad(self.bias, (0, missing), constant_values=_NEW_BIAS),
        )

    def probs(self, embeddings: Floats) -> Floats:
        """Return what the layer says of embeddings (N, D): class probabilities (N, C), without background."""
        logits = embeddings.astype(np.float32) @ self.weight.T + self.bias
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        probs: Floats = shifted / shifted.sum(axis=1, keepdims=True)
        return probs


@dataclass(frozen=True, eq=False)
class LiveHead:
    """A last layer that was fitted to the expert's answers, beside the model's own."""

    own: LastLayer
    fitted: LastLayer

    def probs(self, probs: Floats, embeddings: Floats, merges: Merges = NOTHING_MERGED) -> Floats:
        """Return the class distributions of cells as the expert's answers have them by now.

        A class that the model does not know is what the fitted layer alone says of it.

        Parameters
        ----------
        probs : (N, C + 1) float32
            The model's, background first, of classes as merged.
        embeddings : (N, D)
        merges : Merges

        >>> own = LastLayer(np.zeros((2, 1), np.float32), np.zeros(2, np.float32))
        >>> fitted = LastLayer(np.float32([[0], [0]]), np.log(np.float32([1, 9])))
        >>> LiveHead(own, fitted).probs(np.float32([[0.2, 0.6, 0.2]]), np.float32([[1]])).round(3)
        array([[0.2, 0.4, 0.4]], dtype=float32)
        """
        if not len(probs):
            return probs
        n_columns = probs.shape[1]
        before, after = (
            _as_counted(layer.probs(embeddings), merges, n_columns) for layer in (self.own, self.fitted)
        )
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            raise ShapeError("Embeddings must be finite, but hold NaN or infinity. Rank the pool again.")
        shares = probs[:, 1:].clip(_LEAST) * np.sqrt(after.clip(_LEAST) / before.clip(_LEAST))
        is_young = ~before.any(axis=0)
        shares[:, is_young] = 0
        shares /= shares.sum(axis=1, keepdims=True)
        shares *= 1 - after[:, is_young].sum(axis=1, keepdims=True)
        shares[:, is_young] = after[:, is_young]
        shares *= (1 - probs[:, :1]) / shares.sum(axis=1, keepdims=True)
        return np.concatenate([probs[:, :1], shares], axis=1).astype(np.float32)


def fit(own: LastLayer, embeddings: Floats, labels: Ints, n_classes: int, pull: float = PULL) -> LastLayer:
    """Return the last layer that names labelled cells best and stays near the model's own.

    It minimises, over W and b, a convex function with one minimum::

        sum_i w_i (-ln softmax(W e_i + b)[y_i])  +  pull s / 2 (|W - W_0|^2 + |b - b_0|^2)

    with w_i = 1 / sqrt(n) for a class of n cells, times what makes their mean 1, and s the mean square of the
    numbers in e: embeddings of any scale are pulled alike. The same cells give the same layer.

    Parameters
    ----------
    own : LastLayer
        The model's, W_0 and b_0; classes that it does not know start from nothing.
    embeddings : (N, D)
    labels : (N,) int64
        0 <= label < n_classes.
    n_classes : int
    pull : float
        > 0: how many cells a weight of the model counts as; higher stays nearer to it.
    """
    from scipy.optimize import minimize  # late: pages start without it

    start = own.widened(n_classes)
    if not len(labels):
        return start
    ones = np.ones((len(labels), 1), np.float32)
    e = np.concatenate([embeddings.astype(np.float32), ones], axis=1)  # (N, D + 1)
    theta_0 = np.concatenate([start.weight, start.bias[:, None]], axis=1).astype(np.float64)
    w = _weights(labels)
    pull *= float((e[:, :-1] ** 2).mean())

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        theta = flat.reshape(theta_0.shape)
        return _loss(theta, e, labels, w, theta_0, pull)

    optimum = minimize(loss, theta_0.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    theta = optimum.x.reshape(theta_0.shape).astype(np.float32)
    return LastLayer(theta[:, :-1], theta[:, -1])


def _loss(
    theta: NDArray[np.float64],
    e: Floats,
    labels: Ints,
    w: Floats,
    theta_0: NDArray[np.float64],
    pull: float,
) -> tuple[float, NDArray[np.float64]]:
    """Return the function that :func:`fit` minimises, and its gradient (C, D + 1)."""
    logits = e @ theta.astype(np.float32).T  # (N, C)
    logits -= logits.max(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    of_label = logits[rows, labels]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1)
    value = float(w.astype(np.float64) @ (np.log(total) - of_label))
    logits *= (w / total)[:, None]
    logits[rows, labels] -= w  # the gradient by the logits
    apart = theta - theta_0
    gradient = (logits.T @ e).astype(np.float64) + pull * apart
    return value + pull / 2 * float((apart**2).sum()), gradient.ravel()


def _weights(labels: Ints) -> Floats:
    """Return how much each cell weighs, mean 1: those of rare classes more."""
    weights = np.bincount(labels)[labels].astype(np.float64) ** -_BALANCE
    scaled: Floats = (weights / weights.mean()).astype(np.float32)
    return scaled


def _as_counted(probs: Floats, merges: Merges, n_columns: int) -> Floats:
    """Return class probabilities (N, C) of a layer for classes as merged, as wide as a ranking has them."""
    whole = np.pad(probs, ((0, 0), (1, max(0, n_columns - 1 - probs.shape[1]))))
    return merges.probs(whole)[:, 1:n_columns]
