"""Balanced: the images that teach most about the classes that need it, per minute of the expert's time.

The value of a set S of images has diminishing returns in every class and in every look::

    V(S) = sum_k w_k [ln(1 + n_k + x_k(S)) - ln(1 + n_k)] + lambda sum_j [ln(1 + m_j + y_j(S)) - ln(1 + m_j)]

k runs over the classes: n_k cells of it are annotated, x_k(S) are expected to be new. j runs over the looks,
groups of cells that look alike to the model, in the same way. The next image is the one that adds most to V
per expected minute; since V is submodular, this greedy choice is near the best set of the same cost.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans, vq

from rbcal.acquisition.pool import AcquisitionContext, Pool
from rbcal.acquisition.ranking import Ranking
from rbcal.types import Ints

Reals = NDArray[np.float64]
_BETA = 0.999  # of the effective number of samples: a class is well known from about 1,000 cells on
_RARE = 3.0  # a class that the expert marked as rare weighs as much as three others
_EASIEST = 0.2  # the least difficulty: a class of perfect F1 is still looked at
_CLUSTERS = 32  # groups of look-alikes
_LAMBDA = 0.5  # all looks together weigh half as much as all classes
_SAMPLE = 20_000  # cells that the looks are found on; more would not move them


def balanced(
    pool: Pool,
    context: AcquisitionContext,
    *,
    weights: bool = True,
    diversity: bool = True,
    cost: bool = True,
) -> Ranking:
    """Order by what each image adds to V per expected minute, after those before it.

    Parameters
    ----------
    pool : Pool
    situation : Situation
        annotated, rare, f1, looks, calibration and effort.
    weights, diversity, cost : bool
        Leave one out to see what it is worth: classes alike, no second sum, not per minute.

    Returns
    -------
    Order
        Its terms are the two sums of V that each image adds at its place, and what it would add to the first
        for each class, were it the first to come ("gain 0", "gain 1", ...).
    """
    change = context.calibration(pool.uncertainty)  # e
    x = _per_image(pool, pool.probs[:, 1:] * change[:, None])  # (K, C) expected new cells worth a look
    n_k = _fitted(context.annotated, pool.n_classes)
    w_k = class_weights(n_k, context) if weights else np.ones(pool.n_classes)
    y, m_j = _clusters(pool, context, change) if diversity else (np.zeros((pool.n_images, 1)), np.zeros(1))
    minutes = context.cost_model.seconds(pool.n_cells, pool.total(change)) / 60
    images, classes, appearances = _greedily(
        np.hstack([x, y]),
        np.concatenate([n_k, m_j]),
        np.concatenate([w_k / w_k.sum(), np.full(len(m_j), _LAMBDA * diversity / len(m_j))]),
        minutes if cost else np.ones(pool.n_images),
        pool.n_classes,
    )
    terms = {"classes": classes, "diversity": appearances}
    terms |= {f"gain {k}": column for k, column in enumerate(_parts(x, n_k, w_k / w_k.sum()))}
    return Ranking(images, (classes + appearances) / minutes, terms, np.full(pool.n_images, np.nan))


def class_weights(annotated: NDArray[np.generic], context: AcquisitionContext) -> Reals:
    """Return how much one more cell of each class is worth, (C,), mean 1.

    Parameters
    ----------
    annotated : (C,) float64
    situation : Situation
        rare and f1.

    References
    ----------
    Cui et al. 2019 (arXiv 1901.05555): 1 / effective number of samples, (1 - b) / (1 - b^n). It is multiplied
    with a difficulty, 1 - F1, at least 0.2, and 1 where F1 is not known.

    >>> from rbcal.config import ScoringConfig
    >>> n = np.array([10, 1000])
    >>> class_weights(n, AcquisitionContext(ScoringConfig(), n)).round(2)
    array([1.97, 0.03])
    """
    effective = (1 - _BETA ** (annotated.astype(np.float64) + 1)) / (1 - _BETA)
    f1 = context.f1 if len(context.f1) else np.full(len(annotated), np.nan)
    difficulty = np.nan_to_num(np.clip(1 - _fitted(f1, len(annotated), np.nan), _EASIEST, 1), nan=1.0)
    weight = difficulty / effective
    weight[[label for label in context.rare if label < len(weight)]] *= _RARE
    return weight / weight.mean()


def _greedily(
    new: Reals, have: Reals, weights: Reals, cost: Reals, n_classes: int
) -> tuple[Ints, Reals, Reals]:
    """Return the images (K,), the best next first, and what each added to the two sums of V.

    What an image adds only ever falls, so a bound that was computed earlier is looked at again only where it
    still leads (Minoux 1978).
    """

    def gains(image: int) -> Reals:
        return weights * np.log1p(new[image] / (1 + have))

    first = np.log1p(new / (1 + have)) @ weights / cost
    heap = [(-bound, image) for image, bound in enumerate(first)]
    heapq.heapify(heap)
    have = have.copy()
    order, classes, diversity = [], np.zeros(len(new)), np.zeros(len(new))
    while heap:
        _, image = heapq.heappop(heap)
        now = gains(image)
        if heap and -now.sum() / cost[image] > heap[0][0] + 1e-12:
            heapq.heappush(heap, (-now.sum() / cost[image], image))
            continue
        order.append(image)
        classes[image], diversity[image] = now[:n_classes].sum(), now[n_classes:].sum()
        have += new[image]
    return np.array(order, np.int64), classes, diversity


def _parts(x: Reals, n_k: Reals, weights: Reals) -> Reals:
    """Return what each image adds for each class, were it the first: (C, K)."""
    return (weights * np.log1p(x / (1 + n_k))).T


def _clusters(pool: Pool, context: AcquisitionContext, change: Reals) -> tuple[Reals, Reals]:
    """Return expected new cells of each look, (K, J), and annotated cells of each, (J,)."""
    everything = np.concatenate([pool.embeddings, context.embeddings.reshape(-1, pool.embeddings.shape[1])])
    if not len(everything):
        return np.zeros((pool.n_images, 1)), np.zeros(1)
    rng = np.random.default_rng([context.seed, *b"looks"])
    sample = everything[rng.permutation(len(everything))[:_SAMPLE]].astype(np.float64)
    centres, _ = kmeans(sample, np.unique(sample, axis=0)[:: max(1, len(sample) // _CLUSTERS)][:_CLUSTERS])
    cluster, _ = vq(everything.astype(np.float64), centres)
    of_cell = np.eye(len(centres))[cluster]
    return _per_image(pool, of_cell[: len(pool)] * change[:, None]), of_cell[len(pool) :].sum(axis=0)


def _per_image(pool: Pool, of_cells: NDArray[np.floating]) -> Reals:
    """Return the sums over the cells of each image, (K, D), of rows (N, D)."""
    return np.stack([pool.total(column) for column in of_cells.T], axis=1)


def _fitted(counts: NDArray[np.generic], length: int, filled: float = 0.0) -> Reals:
    """Return counts of classes, cut or filled up to as many as the model knows."""
    whole = np.full(length, filled)
    whole[: min(length, len(counts))] = counts[:length]
    return whole
