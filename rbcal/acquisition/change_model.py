"""The chance e that the expert would change a cell, and up to which chance a cell is green.

Both rest on cells that the model was not trained on and whose truth the expert has said: those of the test
images, and those that were read since the training. What is shown may know the test images; what is learnt or
chosen may not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rbcal.types import Floats, Ints, Reals

FEWEST = 200  # cells; of fewer, nobody knows how often the model errs
CONFIDENCE = 0.95  # of a promise
_FOLDS = 10
_LEAST = 1e-4  # probability
_FIRST = 3  # times the fewest cells that can keep a promise: a few may be wrong among them
_STEP = 1.2  # each chance that is tried has that many times the cells of the one before


@dataclass(frozen=True)
class ChangeModel:
    """A logistic regression from what a model says of a cell to the chance e of a change.

    `intercept`, `confidence` and `company` are the coefficients of 1 and of the two :func:`change_features`.
    """

    intercept: float
    confidence: float
    company: float

    @classmethod
    def fit(cls, features: Reals, changed: NDArray[np.bool_]) -> Self | None:
        """Return the model of N cells, (N, 2) and (N,); None of fewer than 200, or if all are alike."""
        if len(changed) < FEWEST or changed.all() or not changed.any():
            return None
        return cls._fit(features, changed)

    @classmethod
    def _fit(cls, features: Reals, changed: NDArray[np.bool_]) -> Self:
        from sklearn.linear_model import LogisticRegression  # late: pages start without it

        fitted = LogisticRegression(C=1.0).fit(features, changed)
        return cls(float(fitted.intercept_[0]), *map(float, fitted.coef_[0]))

    def __call__(self, features: Reals) -> Reals:
        """Return the chance in [0, 1] that the expert would change each cell: (N,); high means look.

        >>> ChangeModel(0.0, -1.0, 0.0)(np.array([[0.0, 0.0], [2.0, 0.0]])).round(2)
        array([0.5 , 0.12])
        """
        logits = self.intercept + features @ np.array([self.confidence, self.company])
        return np.asarray(1 / (1 + np.exp(-logits)))


def change_features(probs: Floats, image: Ints) -> Reals:
    """Return what e is estimated from, (N, 2): both are high where the model is probably right.

    They are the logit of the most probable class, and the logarithm of the share that this class has among
    the cells of the same image: cells of one slide are alike, and a name that stands alone is often wrong.
    The class itself is left out: how often one is misnamed differs more between slides than between classes.

    Parameters
    ----------
    probs : (N, C + 1) float32
        Background first.
    image : (N,) int64
        Which image each cell is in, from 0 on.

    >>> probs = np.float32([[0, 0.9, 0.1], [0, 0.9, 0.1], [0, 0.2, 0.8]])
    >>> change_features(probs, np.array([0, 0, 0])).round(2)
    array([[ 2.2 , -0.39],
           [ 2.2 , -0.39],
           [ 1.39, -1.07]])
    """
    if not len(probs):
        return np.empty((0, 2))
    classes = probs[:, 1:].astype(np.float64)
    top, label = classes.max(axis=1).clip(_LEAST, 1 - _LEAST), classes.argmax(axis=1)
    classes /= classes.sum(axis=1, keepdims=True).clip(_LEAST)
    shares = np.zeros((image.max() + 1, classes.shape[1]))
    np.add.at(shares, image, classes)
    shares /= np.bincount(image)[:, None].clip(1)
    return np.stack([np.log(top / (1 - top)), np.log(shares[image, label] + 0.01)], axis=1)


def cross_fitted(features: Reals, changed: NDArray[np.bool_], group: Ints) -> Reals | None:
    """Return e of each cell, (N,), by a model that was not fitted on its group; None where that cannot be.

    Parameters
    ----------
    features : (N, 2) float64
    changed : (N,) bool
    group : (N,) int64
        The slide of each cell.
    """
    n_folds = min(_FOLDS, len(np.unique(group)))
    if ChangeModel.fit(features, changed) is None or n_folds < 2:
        return None
    from sklearn.model_selection import GroupKFold

    e = np.empty(len(changed))
    for rest, part in GroupKFold(n_folds).split(features, changed, group):
        if changed[rest].all() or not changed[rest].any():
            return None
        e[part] = ChangeModel._fit(features[rest], changed[rest])(features[part])
    return e


def dispersion(e: Reals, changed: NDArray[np.bool_], image: Ints) -> float:
    """Return how much more the changes of an image vary than those of independent cells would; at least 1.

    It is the mean over images of (changes - expected)^2 / sum e (1 - e): cells of one image err together.

    Parameters
    ----------
    e : (N,) float64
        Cross-fitted.
    changed : (N,) bool
    image : (N,) int64
        Which image each cell is in.

    References
    ----------
    McCullagh and Nelder 1989, "Generalized Linear Models", section 4.5: Pearson's estimate.

    >>> dispersion(np.full(8, 0.5), np.array([1, 1, 1, 1, 0, 0, 0, 0], bool), np.repeat([0, 1], 4))
    4.0
    """
    _, of_image = np.unique(image, return_inverse=True)
    apart = np.bincount(of_image, changed - e) ** 2
    variance = np.bincount(of_image, e * (1 - e))
    return max(1.0, float((apart / variance.clip(_LEAST)).mean()))


def green_limit(
    e: Reals, changed: NDArray[np.bool_], promise: float, is_check: NDArray[np.bool_] | None = None
) -> float | None:
    """Return up to which e a cell is green so that the promise holds; None: no limit keeps it.

    Limits are tried from the smallest on, each with a fifth more cells, until one fails. It fails if, with
    95 % confidence, more than `promise` of the cells below it may be wrong, or if the spot checks of green
    cells alone say that more are.

    Parameters
    ----------
    e : (N,) float64
        Cross-fitted.
    changed : (N,) bool
        Whether the expert changed the cell.
    promise : float
        Which share of the green cells may be wrong.
    is_check : (N,) bool, optional
        Which cells were drawn at random among those that were green.

    References
    ----------
    Angelopoulos et al. 2021, "Learn then Test" (arXiv 2110.01052): fixed sequence testing; Clopper and
    Pearson 1934, Biometrika 26, 404, for the bounds.

    >>> e, changed = np.linspace(0, 1, 1000), np.arange(1000) > 500
    >>> green_limit(e, changed, 0.02).__round__(2), green_limit(e, changed[::-1], 0.02)
    (0.44, None)
    """
    order = np.argsort(e, kind="stable")
    e, changed = e[order], changed[order]
    checks = np.zeros(len(e), bool) if is_check is None else is_check[order]
    without_error = math.log(1 - CONFIDENCE) / math.log(1 - promise)  # cells of which none may be wrong
    limit, n = None, math.ceil(_FIRST * without_error)
    while n <= len(e):
        wrong, of_checks = int(changed[:n].sum()), changed[:n][checks[:n]]
        refuted = _lower_bound(int(of_checks.sum()), len(of_checks)) > promise
        if _upper_bound(wrong, n) > promise or refuted:
            break
        limit = float(e[n - 1])
        n = len(e) + 1 if n == len(e) else min(len(e), math.ceil(n * _STEP))
    return limit


def _upper_bound(hits: int, n: int) -> float:
    """Return below what a share lies, with 95 % confidence, that was seen as `hits` of `n`."""
    from scipy.stats import beta

    return 1.0 if hits >= n else float(beta.ppf(CONFIDENCE, hits + 1, n - hits))


def _lower_bound(hits: int, n: int) -> float:
    from scipy.stats import beta

    return 0.0 if not hits else float(beta.ppf(1 - CONFIDENCE, hits, n - hits + 1))
