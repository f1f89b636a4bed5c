"""Which image the expert sees next: one table of strategies with one signature.

A strategy gets the pool and the situation, and returns an :class:`Order` of all images. All but `balanced`
give each image a number of its own, and order by it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from rbcal.acquisition.pool import AcquisitionContext, Pool, Reals
from rbcal.acquisition.ranking import Ranking, by_value
from rbcal.acquisition.submodular import balanced
from rbcal.config import check_strategy

Strategy = Callable[[Pool, AcquisitionContext], Ranking]


def relevance(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by R_img, equation (8): the flagged cells of an image, counted.

    References
    ----------
    Sadafi et al. 2019, equation (8); :func:`rbcal.acquisition.relevance.relevance` is the same for one image.
    """
    terms = _relevance_terms(pool, context)
    return by_value(_r(terms, context), terms)


def relevance_per_cell(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by R_img, equation (8), divided by the number of detected cells; 0 for an image without any."""
    terms = _relevance_terms(pool, context)
    n = pool.n_cells
    return by_value(_r(terms, context) / np.maximum(n, 1), {**terms, "cells": n})


def random(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order at random, by the seed: the baseline of every learning curve."""
    rng = np.random.default_rng([context.seed, *b"random"])
    return by_value(rng.uniform(size=pool.n_images), {})


def entropy(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the mean predictive entropy of the cells of an image."""
    of_image = pool.mean(pool.entropy)
    return by_value(of_image, {"entropy": of_image})


def entropy_sum(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the summed predictive entropy of the cells of an image: it prefers crowded images."""
    of_image = pool.total(pool.entropy)
    return by_value(of_image, {"entropy": pool.mean(pool.entropy), "cells": pool.n_cells})


def bald(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the mean mutual information of the cells of an image.

    References
    ----------
    Houlsby et al. 2011 (arXiv 1112.5745).
    """
    of_image = pool.mean(pool.bald.astype(np.float64))
    return by_value(of_image, {"bald": of_image})


def boxal(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the mean certainty of the cells of an image, the least certain first; no cell: certain.

    References
    ----------
    Blok et al. 2024 (BoxAL, arXiv 2410.04880): certainty = (1 - H / Hmax) x mean IoU to the mean box x
    detection rate.
    """
    certainty = (1 - pool.entropy) * pool.agreement * pool.rate
    of_image = pool.mean(certainty, empty=1.0)
    return by_value(1 - of_image, {"certainty": of_image})


STRATEGIES: dict[str, Strategy] = {
    "balanced": balanced,
    "relevance": relevance,
    "relevance_per_cell": relevance_per_cell,
    "random": random,
    "entropy": entropy,
    "entropy_sum": entropy_sum,
    "bald": bald,
    "boxal": boxal,
    "balanced_plain": partial(balanced, weights=False),
    "balanced_alike": partial(balanced, diversity=False),
    "balanced_free": partial(balanced, cost=False),
}


def rank_pool(strategy: str, pool: Pool, context: AcquisitionContext) -> Ranking:
    """Return the order that a strategy, by its name, gives the pool.

    Raises
    ------
    ScoringError
        If there is no such strategy.
    """
    check_strategy(strategy)
    return STRATEGIES[strategy](pool, context)


def expected_gains(pool: Pool, context: AcquisitionContext) -> dict[str, Reals]:
    """Return what each image is expected to bring, whatever the strategy: (K,) each.

    "new 0", "new 1", ... are the cells of each class by the model's probabilities, "change" the cells that
    the expert would change, "minutes" the time of the expert.
    """
    change = pool.total(context.calibration(pool.uncertainty))
    seconds = context.cost_model.seconds(pool.n_cells, change)
    found = {f"new {k}": pool.total(pool.probs[:, k + 1]) for k in range(pool.n_classes)}
    return {**found, "change": change, "minutes": seconds / 60}


def _relevance_terms(pool: Pool, context: AcquisitionContext) -> dict[str, np.ndarray]:
    """Return how many cells of each image fire each term of equation (8)."""
    scoring = context.scoring
    return {
        "class": pool.total(pool.u_c <= np.float32(scoring.alpha)),
        "box": pool.total(pool.u_d <= np.float32(scoring.beta)),
        "rare": pool.total(pool.u_r > 0),
    }


def _r(terms: dict[str, np.ndarray], context: AcquisitionContext) -> np.ndarray:
    return terms["class"] + terms["box"] + context.scoring.gamma * terms["rare"]
