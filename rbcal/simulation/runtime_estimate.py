"""What a simulation would cost, from a few steps of it that are timed on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.detector import devices, mc_dropout
from rbcal.detector.faster_rcnn import build
from rbcal.detector.frozen_backbone import FrozenTraining, freeze, views
from rbcal.detector.trainer import Training
from rbcal.simulation.arm import Corpus, seed_images
from rbcal.types import area

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


def estimate_runtime(corpus: Corpus, config: SimulationConfig, processes: int) -> RuntimeEstimate:
    """Return what a simulation would cost; it takes some seconds to time a few steps on one core."""
    with devices.one_core():
        return _estimate(corpus, config, processes)


def _estimate(corpus: Corpus, config: SimulationConfig, processes: int) -> RuntimeEstimate:
    chosen = seed_images(corpus, config, 0)
    k = max(chosen, key=lambda each: len(corpus.truths[each]))
    sample = corpus.pixels(k), corpus.truths[k]
    train = TrainConfig(
        backbone=config.backbone, init="random", steps=1 + _STEPS, crop=config.crop, device=config.device
    )
    detector = build(train, corpus.n_classes, box_sides=np.sqrt(area(corpus.truths[k].boxes)))
    step = _seconds_of_step(Training(detector, [sample], train))
    freeze(detector)
    view, seen = _timed(lambda: views(detector, *sample, train, 2, [0]))
    frozen = _seconds_of_step(FrozenTraining(detector, [seen], train))
    sampler = mc_dropout.McDropout(detector, ScoringConfig(passes=config.passes))
    trace_seconds, features = _timed(lambda: detector.tiled_features(sample[0]))
    predict_seconds, _ = _timed(lambda: sampler.predict(features))
    detect, _ = _timed(lambda: mc_dropout.detect(detector, features))

    cells_per_image = max(1.0, float(np.mean([len(corpus.truths[each]) for each in corpus.trainable])))
    new_images = config.query / cells_per_image if config.unit == "cells" else config.query
    annotated = config.seed_images + new_images * (config.rounds + 1) / 2
    per_round = (
        config.steps * frozen
        + len(corpus.test) * detect
        + config.pool_sample * predict_seconds
        + annotated * predict_seconds
        + new_images * config.views * view / 2
    )
    per_repeat = (
        config.seed_steps * (step if config.trunk == "tuned" else frozen)
        + (len(corpus.test) + len(corpus.trainable)) * trace_seconds
        + config.seed_images * config.views * view / 2
    )
    n_arms = config.repeats * len(config.strategies)
    n_rounds = n_arms * config.rounds
    return RuntimeEstimate(
        n_arms,
        n_rounds,
        round(new_images * cells_per_image * config.rounds),
        (config.repeats * per_repeat + n_rounds * per_round) / min(processes, n_arms),
        min(processes, n_arms),
    )


def _seconds_of_step(training: Training) -> float:
    with training:
        training.advance()
        seconds, _ = _timed(lambda: [training.advance() for _ in range(_STEPS)])
    return seconds / _STEPS


def _timed(act: Callable[[], _Outcome]) -> tuple[float, _Outcome]:
    started = time.perf_counter()
    outcome = act()
    return time.perf_counter() - started, outcome
