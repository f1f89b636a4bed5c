"""The order in which the images of a pool come, and why each comes where it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rbcal.types import Ints, Reals

AUDIT_EVERY = 10  # one image in ten is drawn at random, and tells whether the strategy misses any


@dataclass(frozen=True, eq=False)
class Ranking:
    """All K images of a pool, the best first, and what speaks for each.

    Parameters
    ----------
    images : (K,) int64
        Positions of the images in the pool.
    values : (K,) float64
        Of each image, in the order of the pool: high speaks for it.
    terms : mapping of name to (K,) float64
        What a value is made of, in the order of the pool.
    propensity : (K,) float64, NaN where the strategy chose
        The chance with which an image was drawn at random for its place, in the order of the pool.
    """

    images: Ints
    values: Reals
    terms: Mapping[str, Reals]
    propensity: Reals

    def __len__(self) -> int:
        return len(self.images)


def by_value(values: Reals, terms: Mapping[str, Reals]) -> Ranking:
    """Return the images by falling value; of equals, the first in the pool comes first."""
    images = np.argsort(-values, kind="stable").astype(np.int64)
    return Ranking(images, values, terms, np.full(len(values), np.nan))


def audited(ranking: Ranking, rng: np.random.Generator, every: int = AUDIT_EVERY) -> Ranking:
    """Return the order with each tenth place given to an image drawn from all that come later.

    The others keep their order, and `propensity` says how probable each draw was: what reviews find in those
    images, weighted by 1 / propensity, holds for the pool, whatever the strategy prefers.

    >>> plain = by_value(np.arange(30.0), {})
    >>> mixed = audited(plain, np.random.default_rng(0), every=10)
    >>> [int(place) for place in np.flatnonzero(~np.isnan(mixed.propensity[mixed.images]))]
    [9, 19, 29]
    """
    left = list(ranking.images)
    images: list[int] = []
    propensity = ranking.propensity.copy()
    while left:
        if (len(images) + 1) % every:
            images.append(left.pop(0))
        else:
            drawn = left.pop(int(rng.integers(len(left))))
            propensity[drawn] = 1 / (len(left) + 1)
            images.append(drawn)
    return Ranking(np.array(images, np.int64), ranking.values, ranking.terms, propensity)
