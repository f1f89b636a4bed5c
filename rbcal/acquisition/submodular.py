"""Balanced: the images that teach most about the classes that need it, per minute of the expert's time.

The value of a set S of images has diminishing returns in every class and in every cluster::

    V(S) = sum_k w_k [ln(1 + n_k + x_k(S)) - ln(1 + n_k)] + lambda sum_j [ln(1 + m_j + y_j(S)) - ln(1 + m_j)]

k runs over the classes: n_k cells of it are annotated, x_k(S) are expected to be new. j runs over
clusters of cells that look alike to the model, in the same way. The next image is the one that adds most to V
per expected minute; since V is submodular, this greedy choice is near the best set of the same cost.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.context import AcquisitionContext
from rbcal.acquisition.pool import Pool
from rbcal.acquisition.ranking import Ranking
from rbcal.types import Ints, Reals

_BETA = 0.999  # of the effective number of samples: a class is well known from about 1,000 cells on
_RARE = 3.0  # a class that the expert marked as rare weighs as much as three others
_EASIEST = 0.2  # the least difficulty: a class of perfect F1 still counts
_CLUSTERS = 32  # of cells that look alike
_LAMBDA = 0.5  # all clusters together weigh half as much as all classes
_SAMPLE = 20_000  # cells that the clusters rest on; more would not move them


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
    context : AcquisitionContext
        annotated, rare, f1, annotated_embeddings, calibration and cost_model.
    weights, diversity, cost : bool
        Leave one out to measure what it is worth: classes alike, no second sum, not per minute.

    Returns
    -------
    Ranking
        Its terms are the two sums of V that each image adds at its place, and what it would add to the first
        for each class, were it the first to come ("gain 0", "gain 1", ...). A class without any annotated
        cell counts in the order, but has no gain: the model has never been shown one, so its word is no
        reason that an expert could check.
    """
    change = context.calibration(pool.uncertainty)  # e
    x = _per_image(pool, pool.probs[:, 1:] * change[:, None])  # (K, C) expected new cells worth a review
    n_k = _padded(context.annotated, pool.n_classes)
    w_k = class_weights(n_k, context) if weights else np.ones(pool.n_classes)
    w_k = w_k / w_k.sum()
    y, m_j = _clusters(pool, context, change) if diversity else _no_clusters(pool)
    w_j = np.full(len(m_j), _LAMBDA * diversity / len(m_j))
    minutes = context.cost_model.seconds(pool.n_cells, pool.total(change)) / 60
    new, have, w = np.hstack([x, y]), np.concatenate([n_k, m_j]), np.concatenate([w_k, w_j])
    images, added = _greedily(new, have, w, minutes if cost else np.ones(pool.n_images))
    terms = {"classes": added[:, : len(n_k)].sum(axis=1), "diversity": added[:, len(n_k) :].sum(axis=1)}
    gains = (w_k * np.log1p(x / (1 + n_k))).T
    return Ranking(
        images,
        values=(terms["classes"] + terms["diversity"]) / minutes,
        terms=terms | {f"gain {k}": gain for k, gain in enumerate(gains) if n_k[k] > 0},
        propensity=np.full(pool.n_images, np.nan),
    )


def class_weights(annotated: NDArray[np.generic], context: AcquisitionContext) -> Reals:
    """Return how much one more cell of each class is worth, (C,), mean 1.

    Parameters
    ----------
    annotated : (C,) float64
    context : AcquisitionContext
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
    difficulty = np.nan_to_num(np.clip(1 - _padded(f1, len(annotated), np.nan), _EASIEST, 1), nan=1.0)
    weight = difficulty / effective
    weight[[label for label in context.rare if label < len(weight)]] *= _RARE
    return weight / weight.mean()


def _greedily(new: Reals, have: Reals, weights: Reals, cost: Reals) -> tuple[Ints, Reals]:
    """Return the images (K,), the best next first, and what each added to V, (K, C + J).

    What an image adds only ever falls, so a bound that was computed earlier is computed anew only where it
    still leads (Minoux 1978).
    """
    first = np.log1p(new / (1 + have)) @ weights / cost
    heap = [(-bound, image) for image, bound in enumerate(first)]
    heapq.heapify(heap)
    have, order, added = have.copy(), [], np.zeros_like(new)
    while heap:
        _, image = heapq.heappop(heap)
        gains = weights * np.log1p(new[image] / (1 + have))
        bound = -gains.sum() / cost[image]
        if heap and bound > heap[0][0] + 1e-12:
            heapq.heappush(heap, (bound, image))
            continue
        order.append(image)
        added[image] = gains
        have += new[image]
    return np.array(order, np.int64), added


def _clusters(pool: Pool, context: AcquisitionContext, change: Reals) -> tuple[Reals, Reals]:
    """Return expected new cells of each cluster, (K, J), and annotated cells of each, (J,)."""
    annotated = context.annotated_embeddings.reshape(-1, pool.embeddings.shape[1])
    embeddings = np.concatenate([pool.embeddings, annotated]).astype(np.float64)
    if not len(embeddings):
        return _no_clusters(pool)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True).clip(1e-6)
    from scipy.cluster.vq import kmeans, vq  # late: pages start without it

    rng = np.random.default_rng([context.seed, *b"looks"])
    sample = embeddings[rng.permutation(len(embeddings))[:_SAMPLE]]
    centres, _ = kmeans(sample, np.unique(sample, axis=0)[:: max(1, len(sample) // _CLUSTERS)][:_CLUSTERS])
    of_cell = np.eye(len(centres))[vq(embeddings, centres)[0]]
    return _per_image(pool, of_cell[: len(pool)] * change[:, None]), of_cell[len(pool) :].sum(axis=0)


def _no_clusters(pool: Pool) -> tuple[Reals, Reals]:
    return np.zeros((pool.n_images, 1)), np.zeros(1)


def _per_image(pool: Pool, of_cells: NDArray[np.floating]) -> Reals:
    """Return the sums over the cells of each image, (K, D), of rows (N, D)."""
    return np.stack([pool.total(column) for column in of_cells.T], axis=1)


def _padded(counts: NDArray[np.generic], length: int, filled: float = 0.0) -> Reals:
    """Return counts of classes, cut or filled up to as many as the model knows."""
    whole = np.full(length, filled)
    whole[: min(length, len(counts))] = counts[:length]
    return whole
