"""What a simulation would cost, from a few steps of it that are timed on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES
from rbcal.config import CONTROL, ScoringConfig, SimulationConfig, TrainConfig
from rbcal.detector import devices, mc_dropout
from rbcal.detector.faster_rcnn import Detector, build
from rbcal.detector.frozen_backbone import FrozenTraining, freeze, views
from rbcal.detector.trainer import Training
from rbcal.formats.pictures import Pixels
from rbcal.simulation.corpus import Corpus
from rbcal.simulation.seed_model import seed_images
from rbcal.types import Annotations, area

_Outcome = TypeVar("_Outcome")
_STEPS = 3  # timed, after one that is not


@dataclass(frozen=True)
class RuntimeEstimate:
    """What a simulation takes: arms, rounds in all, new cells in each arm, seconds on this machine."""

    n_arms: int
    n_rounds: int
    cells_per_arm: int
    seconds: float
    processes: int

    @property
    def rounds_per_hour(self) -> float:
        """Rounds of training, measuring and choosing, with all processes together."""
        return 3600 * self.n_rounds / self.seconds


@dataclass(frozen=True)
class _Seconds:
    """What one act of each kind takes on one core."""

    step: float  # of training that trains every layer
    frozen_step: float  # that goes on from the features of views
    view: float
    features: float  # of a whole image
    predict: float  # from features, in all passes
    detect: float  # from features, without dropout


@devices.one_core()
def estimate_runtime(corpus: Corpus, config: SimulationConfig, processes: int) -> RuntimeEstimate:
    """Return what a simulation would cost; it takes some seconds to time a few steps on one core."""
    seconds = _measure(corpus, config)
    cells_per_image = max(1.0, float(np.mean([len(corpus.truths[k]) for k in corpus.trainable])))
    new_images = config.query / cells_per_image if config.unit == "cells" else config.query
    n_arms = config.repeats * len(config.strategies)
    n_rounds = n_arms * config.rounds
    total = config.repeats * _of_repeat(seconds, corpus, config)
    for name in config.strategies:
        total += config.repeats * config.rounds * _of_round(seconds, corpus, config, name, new_images)
    return RuntimeEstimate(
        n_arms,
        n_rounds,
        cells_per_arm=round(new_images * cells_per_image * config.rounds),
        seconds=total / min(processes, n_arms),
        processes=min(processes, n_arms),
    )


def _of_repeat(seconds: _Seconds, corpus: Corpus, config: SimulationConfig) -> float:
    """Return the seconds of what all arms of a repeat share: the seed model, and the features of images."""
    return (
        config.seed_steps * (seconds.step if config.trunk == "tuned" else seconds.frozen_step)
        + (len(corpus.test) + len(corpus.trainable)) * seconds.features
        + config.seed_images * config.views * seconds.view
    )


def _of_round(
    seconds: _Seconds, corpus: Corpus, config: SimulationConfig, strategy: str, new_images: float
) -> float:
    """Return the seconds of a round in which so many images are new, the mean over the rounds."""
    n_pool = len(corpus.trainable) - config.seed_images
    predicted = config.pool_sample + config.seed_images + new_images * (config.rounds + 1) / 2
    if strategy in CELL_STRATEGIES:  # of every image, in the worst case each cell of another one
        predicted, new_images = n_pool, min(config.query, n_pool)
    if strategy == CONTROL:
        predicted = new_images = 0
    return (
        config.steps * seconds.frozen_step
        + len(corpus.test) * seconds.detect
        + predicted * seconds.predict
        + new_images * config.views * seconds.view
    )


def _measure(corpus: Corpus, config: SimulationConfig) -> _Seconds:
    """Time each act once, on the seed image with the most cells."""
    k = max(seed_images(corpus, config, 0), key=lambda each: len(corpus.truths[each]))
    sample = corpus.pixels(k), corpus.truths[k]
    train = TrainConfig(
        backbone=config.backbone,
        second_look=config.second_look,
        init="random",
        steps=1 + _STEPS,
        crop=config.crop,
        device=config.device,
    )
    detector = build(train, corpus.n_classes, box_sides=np.sqrt(area(corpus.truths[k].boxes)))
    step = _seconds_of_step(Training(detector, [sample], train))
    freeze(detector)
    two_views, of_image = _timed(lambda: views(detector, *sample, train, 2, [0]))
    frozen_step = _seconds_of_step(FrozenTraining(detector, [of_image], train))
    embed = _seconds_of_second_look(detector, *sample)
    dropout = mc_dropout.McDropout(detector, ScoringConfig(passes=config.passes))
    compute, features = _timed(lambda: detector.tiled_features(sample[0]))
    predict, _ = _timed(lambda: dropout.predict(features))
    detect, _ = _timed(lambda: mc_dropout.detect(detector, features))
    return _Seconds(step, frozen_step, two_views / 2, compute, predict + embed, detect + embed)


def _seconds_of_second_look(detector: Detector, image: Pixels, truth: Annotations) -> float:
    """Return the time for the annotated cells of an image, and take the second look off.

    An untrained detector finds cells everywhere, so what it would show to its second look says nothing.
    """
    if detector.second_look is None:
        return 0.0
    seconds, _ = _timed(lambda: mc_dropout.embed(detector, image, truth.boxes))
    detector.second_look = None
    return seconds


def _seconds_of_step(training: Training) -> float:
    with training:
        training.advance()
        seconds, _ = _timed(lambda: [training.advance() for _ in range(_STEPS)])
    return seconds / _STEPS


def _timed(act: Callable[[], _Outcome]) -> tuple[float, _Outcome]:
    started = time.perf_counter()
    outcome = act()
    return time.perf_counter() - started, outcome
