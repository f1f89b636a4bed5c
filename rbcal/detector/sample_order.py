"""Which annotated image a step of a training draws: by the seed and the number of the step alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rbcal.config import TrainConfig
from rbcal.detector.augmentation import repeat_factors
from rbcal.errors import TrainingError
from rbcal.types import Ints


def generator(config: TrainConfig, number: int, purpose: str) -> np.random.Generator:
    """Return a generator that the seed, a number and a purpose determine."""
    return np.random.default_rng([config.seed, number, *purpose.encode()])


def one_epoch(n_samples: int, labels: Sequence[Ints] | None, config: TrainConfig) -> Ints:
    """Return the indices of the samples, those with rare classes several times if the config wants it."""
    if not n_samples:
        raise TrainingError(
            "Training needs at least 1 annotated image; this project has 0. "
            "Import annotations or review an image first."
        )
    factors = np.ones(n_samples) if labels is None else repeat_factors(list(labels), config.rare_repeat)
    chance = generator(config, 0, "repeats").uniform(size=n_samples)
    return np.repeat(np.arange(n_samples), np.floor(factors + chance).astype(int))


def nth_sample(epoch: Ints, n: int, config: TrainConfig) -> int:
    """Return the n-th sample of the training, n from 0; every one comes once before any comes again."""
    number, place = divmod(n, len(epoch))
    return int(generator(config, number, "order").permutation(epoch)[place])
