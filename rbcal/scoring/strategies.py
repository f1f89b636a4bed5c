"""Which image the expert sees next: one table of strategies with one signature.

A strategy gets the pool and the situation, and returns an :class:`Order` of all images. All but `balanced`
give each image a number of its own, and order by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from rbcal.errors import ScoringError
from rbcal.scoring.balanced import balanced
from rbcal.scoring.order import Order, by_value
from rbcal.scoring.pool import Pool, Situation

Choose = Callable[[Pool, Situation], Order]


@dataclass(frozen=True)
class Strategy:
    """A way to order the pool, and one sentence about it for whoever chooses."""

    choose: Choose
    about: str


def relevance(pool: Pool, situation: Situation) -> Order:
    """Order by R_img, equation (8): the flagged cells of an image, counted.

    References
    ----------
    Sadafi et al. 2019, equation (8); :func:`rbcal.scoring.relevance.relevance` is the same for one image.
    """
    terms = _relevance_terms(pool, situation)
    return by_value(_r(terms, situation), terms)


def relevance_per_cell(pool: Pool, situation: Situation) -> Order:
    """Order by R_img, equation (8), divided by the number of detected cells; 0 for an image without any."""
    terms = _relevance_terms(pool, situation)
    n = pool.n_cells
    return by_value(_r(terms, situation) / np.maximum(n, 1), {**terms, "cells": n})


def random(pool: Pool, situation: Situation) -> Order:
    """Order at random, by the seed: the baseline of every learning curve."""
    rng = np.random.default_rng([situation.seed, *b"random"])
    return by_value(rng.uniform(size=pool.n_images), {})


def entropy(pool: Pool, situation: Situation) -> Order:
    """Order by the mean predictive entropy of the cells of an image."""
    of_image = pool.mean(pool.entropy)
    return by_value(of_image, {"entropy": of_image})


def entropy_sum(pool: Pool, situation: Situation) -> Order:
    """Order by the summed predictive entropy of the cells of an image: it prefers crowded images."""
    of_image = pool.total(pool.entropy)
    return by_value(of_image, {"entropy": pool.mean(pool.entropy), "cells": pool.n_cells})


def bald(pool: Pool, situation: Situation) -> Order:
    """Order by the mean mutual information of the cells of an image.

    References
    ----------
    Houlsby et al. 2011 (arXiv 1112.5745).
    """
    of_image = pool.mean(pool.bald.astype(np.float64))
    return by_value(of_image, {"bald": of_image})


def boxal(pool: Pool, situation: Situation) -> Order:
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
    "balanced": Strategy(
        balanced, "Cells you would change, most of all of classes with few annotations, per minute of yours."
    ),
    "relevance": Strategy(relevance, "Equation (8) of the paper: flagged cells, counted."),
    "relevance_per_cell": Strategy(relevance_per_cell, "Equation (8), divided by the number of cells."),
    "random": Strategy(random, "At random: what the others are measured against."),
    "entropy": Strategy(entropy, "Where the class of the cells is least certain, on average."),
    "entropy_sum": Strategy(entropy_sum, "Where the class is least certain, summed over the cells."),
    "bald": Strategy(bald, "Where the stochastic passes contradict each other most."),
    "boxal": Strategy(boxal, "BoxAL: least certain of class, box and occurrence, on average."),
    "balanced_plain": Strategy(partial(balanced, weights=False), "Balanced, all classes alike."),
    "balanced_alike": Strategy(partial(balanced, diversity=False), "Balanced, look-alikes not avoided."),
    "balanced_free": Strategy(partial(balanced, cost=False), "Balanced, minutes not counted."),
}
LADDER = ("balanced_plain", "balanced_alike", "balanced_free")  # balanced without one of its parts
OFFERED = tuple(name for name in STRATEGIES if name not in LADDER)  # to the expert


def choose(strategy: str, pool: Pool, situation: Situation) -> Order:
    """Return the order that a strategy, by its name, gives the pool.

    Raises
    ------
    ScoringError
        If there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise ScoringError(f"There is no strategy {strategy!r}. Choose one of: {', '.join(STRATEGIES)}.")
    return STRATEGIES[strategy].choose(pool, situation)


def _relevance_terms(pool: Pool, situation: Situation) -> dict[str, np.ndarray]:
    """Return how many cells of each image fire each term of equation (8)."""
    scoring = situation.scoring
    return {
        "class": pool.total(pool.u_c <= np.float32(scoring.alpha)),
        "box": pool.total(pool.u_d <= np.float32(scoring.beta)),
        "rare": pool.total(pool.u_r > 0),
    }


def _r(terms: dict[str, np.ndarray], situation: Situation) -> np.ndarray:
    return terms["class"] + terms["box"] + situation.scoring.gamma * terms["rare"]
