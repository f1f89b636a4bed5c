"""The arms of a simulation: annotated images play pool and expert, one strategy chooses, a curve comes out.

An arm is a function of its arguments alone: no project file, so it runs in any process, on any machine. All
arms of one repeat start from the same model and see the same candidates; the trunk is trained on the seed
images at most, so what it makes of an image is computed once and kept.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rbcal.boxes import Annotations, area
from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.formats.pictures import Pixels, decode
from rbcal.metrics import Evaluation
from rbcal.scoring.calibration import Calibration
from rbcal.scoring.effort import Effort
from rbcal.scoring.pool import Pool, Situation
from rbcal.scoring.strategies import choose
from rbcal.scoring.uncertainty import (
    box_agreement,
    class_certainty,
    detection_certainty,
    detection_rate,
    mutual_information,
    rare_candidate,
)
from rbcal.store.simulations import SimulationPoint
from rbcal.vision import checkpoint, devices, evaluation, sampling
from rbcal.vision.detector import Detector, TracedImage, build
from rbcal.vision.frozen import FrozenTraining, TracedView, freeze, views
from rbcal.vision.training import Training
from rbcal.work.expert import Review, review

_MOST_BYTES = 2 * 2**30  # of what a trunk made, in one process


@dataclass(frozen=True, eq=False)
class Corpus:
    """Annotated images, as a simulation gets them: K images to work with, and those of the test set.

    Parameters
    ----------
    ids : sequence of int
        Of the images, in the project.
    contents, layers : sequences
        The files of the images, and which layer of each.
    truths : sequence of Annotations
    is_test : sequence of bool
    n_classes : int
    rare : tuple of int
    """

    ids: Sequence[int]
    contents: Sequence[bytes]
    layers: Sequence[str]
    truths: Sequence[Annotations]
    is_test: Sequence[bool]
    n_classes: int
    rare: tuple[int, ...]

    @cached_property
    def work(self) -> list[int]:
        """Positions of the images to work with."""
        return [k for k, test in enumerate(self.is_test) if not test]

    @cached_property
    def test(self) -> list[int]:
        """Positions of the images of the test set."""
        return [k for k, test in enumerate(self.is_test) if test]

    def pixels(self, k: int) -> Pixels:
        """Return the pixels of an image."""
        return decode(self.contents[k], self.layers[k])

    @cached_property
    def sha256(self) -> str:
        """What determines the outcome: images, annotations, test set, rare classes."""
        digest = hashlib.sha256(repr((self.n_classes, self.rare)).encode())
        for content, layer, truth, test in zip(
            self.contents, self.layers, self.truths, self.is_test, strict=True
        ):
            digest.update(hashlib.sha256(content).digest())
            digest.update(repr((layer, test, truth.labels.tolist(), truth.boxes.tolist())).encode())
        return digest.hexdigest()


def f1_of(reviews: Sequence[Review], n_classes: int) -> np.ndarray:
    """Return F1 of each class, (C,), in images that the model had not been trained on; NaN: not seen yet."""
    labels, truth, missed = (
        np.concatenate([getattr(each, name) for each in reviews] or [np.empty(0, np.int64)])
        for name in ("labels", "truth", "missed")
    )
    hits, claimed = (
        np.bincount(each, minlength=n_classes)[:n_classes] for each in (labels[labels == truth], labels)
    )
    there = np.bincount(np.concatenate([truth[truth >= 0], missed]).astype(np.int64), minlength=n_classes)
    total = claimed + there[:n_classes]
    return np.divide(2 * hits, total, out=np.full(n_classes, np.nan), where=there[:n_classes] > 0)


def pool_of(seen: Sequence[sampling.Sight], rare: Sequence[int], scoring: ScoringConfig) -> Pool:
    """Return the pool of the images that a sampler saw."""
    passes = [each.passes for each in seen]
    return Pool(
        n_images=len(seen),
        image=np.repeat(np.arange(len(seen)), [len(each) for each in passes]),
        probs=np.concatenate([each.detections.probs for each in seen]),
        u_d=np.concatenate([detection_certainty(each) for each in passes]),
        u_c=np.concatenate([class_certainty(each) for each in passes]),
        u_r=np.concatenate(
            [rare_candidate(each.detections.probs, rare, scoring.rare_threshold) for each in seen]
        ),
        bald=np.concatenate([mutual_information(each) for each in passes]),
        agreement=np.concatenate([box_agreement(each) for each in passes]),
        rate=np.concatenate([detection_rate(each) for each in passes]),
        looks=np.concatenate([each.looks for each in seen]),
    )


class Stage:
    """A model of one repeat, and what its trunk made of every image that was looked at."""

    def __init__(self, corpus: Corpus, config: SimulationConfig, repeat: int, weights: bytes) -> None:
        self.corpus, self.config, self.repeat = corpus, config, repeat
        self.weights = weights
        self._kept: dict[tuple[str, int], Any] = {}
        self._room = _MOST_BYTES
        self._tracer = self.detector()

    def detector(self) -> Detector:
        """Return a new copy of the seed model, its trunk frozen."""
        detector = checkpoint.load(self.weights, self.config.device)
        freeze(detector)
        return detector

    def trace(self, k: int) -> TracedImage:
        """Return what the trunk makes of an image."""
        kept: TracedImage | None = self._kept.get(("image", k))
        if kept is None:
            kept = self._tracer.trace_image(self.corpus.pixels(k))
            self._keep(("image", k), kept, kept.n_bytes)
        return kept

    def views(self, k: int) -> list[TracedView]:
        """Return what the trunk makes of the random views of an annotated image."""
        kept: list[TracedView] | None = self._kept.get(("views", k))
        if kept is None:
            seed = [self.config.seed, self.repeat, k]
            train = _train_config(self.config, self.repeat)
            pixels, truth = self.corpus.pixels(k), self.corpus.truths[k]
            kept = views(self._tracer, pixels, truth, train, self.config.views, seed)
            self._keep(("views", k), kept, sum(view.traced.n_bytes for view in kept))
        return kept

    def _keep(self, name: tuple[str, int], made: Any, n_bytes: int) -> None:
        """Keep what the trunk made while there is room; what finds none is made again when it is needed."""
        if n_bytes <= self._room:
            self._kept[name] = made
            self._room -= n_bytes


def seed_images(corpus: Corpus, config: SimulationConfig, repeat: int) -> list[int]:
    """Return the positions of the images that are annotated before the first round."""
    rng = np.random.default_rng([config.seed, repeat, *b"seed"])
    return [corpus.work[k] for k in rng.permutation(len(corpus.work))[: config.seed_images]]


@devices.one_core()  # the outcome must not depend on how many there are
def seed_model(corpus: Corpus, config: SimulationConfig, repeat: int) -> bytes:
    """Return the model that all arms of a repeat start from, as :func:`checkpoint.save` writes it."""
    chosen = seed_images(corpus, config, repeat)
    truths = [corpus.truths[k] for k in chosen]
    train = _train_config(config, repeat)
    sides = np.sqrt(np.concatenate([area(truth.boxes) for truth in truths]))
    detector = build(train, corpus.n_classes, box_sides=sides)
    samples = [(corpus.pixels(k), corpus.truths[k]) for k in chosen]
    run: Training
    if config.trunk == "tuned":
        run = Training(detector, samples, train)
    else:
        freeze(detector)
        run = FrozenTraining(
            detector,
            [
                views(detector, *sample, train, config.views, [config.seed, repeat, k])
                for k, sample in zip(chosen, samples, strict=True)
            ],
            train,
        )
    with run:
        while not run.finished:
            run.advance()
    return checkpoint.save(detector)


@devices.one_core()
def run_arm(
    stage: Stage, strategy: str, report: Callable[[int], None] = lambda round_: None
) -> list[SimulationPoint]:
    """Return the learning curve of one strategy from the seed model on: a point for each round, and round 0.

    Parameters
    ----------
    stage : Stage
    strategy : str
        A name of :data:`rbcal.scoring.strategies.STRATEGIES`.
    report : callable
        Is told each round that is done.
    """
    corpus, config, repeat = stage.corpus, stage.config, stage.repeat
    effort = Effort(*config.effort)
    started = time.perf_counter()
    detector = stage.detector()
    annotated = seed_images(corpus, config, repeat)
    points = [_point(stage, strategy, 0, detector, annotated, (), 0.0, started)]
    n_before = points[0].n_cells
    reviews: list[Review] = []
    spent = 0.0
    for round_ in range(1, config.rounds + 1):
        started = time.perf_counter()
        query, new = _review(stage, strategy, round_, detector, annotated, reviews, n_before)
        if not query:
            break  # every image is annotated
        reviews += new
        spent += sum(
            float(effort.seconds(len(corpus.truths[k]), each.n_changes))
            for k, each in zip(query, new, strict=True)
        )
        annotated = [*annotated, *query]
        train = _train_config(config, repeat, round_)
        with FrozenTraining(detector, [stage.views(k) for k in annotated], train) as run:
            while not run.finished:
                run.advance()
        points.append(_point(stage, strategy, round_, detector, annotated, query, spent, started))
        report(round_)
    return points


def _review(
    stage: Stage,
    strategy: str,
    round_: int,
    detector: Detector,
    annotated: Sequence[int],
    reviews: Sequence[Review],
    n_before: int,
) -> tuple[list[int], list[Review]]:
    """Return the images that the strategy has the expert annotate in a round, and what the expert did."""
    corpus, config = stage.corpus, stage.config
    rng = np.random.default_rng([config.seed, stage.repeat, round_, *b"candidates"])
    done = set(annotated)
    shuffled = [corpus.work[k] for k in rng.permutation(len(corpus.work))]  # alike for all strategies
    candidates = [k for k in shuffled if k not in done][: config.candidates]
    if not candidates:
        return [], []
    scoring = ScoringConfig(passes=config.passes, seed=config.seed)
    sampler = sampling.Sampler(detector, scoring)
    seen = [sampler.see(stage.trace(k)) for k in candidates]
    pool = pool_of(seen, corpus.rare, scoring)
    situation = Situation(
        scoring=scoring,
        annotated=_counts(corpus, annotated),
        rare=corpus.rare,
        f1=f1_of(reviews, corpus.n_classes),
        looks=np.concatenate([sampler.see(stage.trace(k)).looks for k in annotated]),
        calibration=calibration_of(reviews),
        effort=Effort(*config.effort),
        seed=config.seed + 1000 * stage.repeat + round_,
    )
    order = choose(strategy, pool, situation)
    query: list[int] = []
    new: list[Review] = []
    goal = round_ * config.query  # since round 0: what one round took too much, the next takes less
    for place in order.images:
        taken = sum(len(corpus.truths[k]) for k in [*annotated, *query]) - n_before
        done_so_far = taken if config.unit == "cells" else len(annotated) + len(query) - config.seed_images
        if query and done_so_far >= goal:  # one image at least, however many cells the last one had
            break
        k = candidates[place]
        query.append(k)
        new.append(review(seen[place].detections, corpus.truths[k], pool.doubts[pool.image == place]))
    return query, new


def calibration_of(reviews: Sequence[Review]) -> Calibration:
    """Return the calibration that the reviews so far teach."""
    if not reviews:
        return Calibration()
    return Calibration.fit(
        np.concatenate([each.doubts for each in reviews]), np.concatenate([each.changed for each in reviews])
    )


def _point(
    stage: Stage,
    strategy: str,
    round_: int,
    detector: Detector,
    annotated: Sequence[int],
    query: Sequence[int],
    spent: float,
    started: float,
) -> SimulationPoint:
    """Return how good the model is now."""
    corpus = stage.corpus
    detector.eval()
    pairs = ((corpus.truths[k], sampling.detect(detector, stage.trace(k))) for k in corpus.test)
    figures: Evaluation = evaluation.evaluate(pairs, corpus.n_classes, corpus.rare)
    counts = _counts(corpus, annotated)
    return SimulationPoint(
        repeat=stage.repeat,
        strategy=strategy,
        round=round_,
        n_images=len(annotated),
        n_cells=int(counts.sum()),
        cells_by_class=tuple(counts.tolist()),
        expert_seconds=spent,
        evaluation=figures,
        weights_sha256=hashlib.sha256(checkpoint.save(detector)).hexdigest(),
        query=tuple(corpus.ids[k] for k in query),
        seconds=time.perf_counter() - started,
    )


def _counts(corpus: Corpus, annotated: Sequence[int]) -> np.ndarray:
    """Return the annotated cells of each class, (C,)."""
    labels = np.concatenate([corpus.truths[k].labels for k in annotated])
    return np.bincount(labels, minlength=corpus.n_classes)


def _train_config(config: SimulationConfig, repeat: int, round_: int = 0) -> TrainConfig:
    """Return how a model is trained in a round, alike for all strategies; round 0 is the seed model."""
    return TrainConfig(
        backbone=config.backbone,
        init="serving" if round_ else "imagenet",
        weights=config.weights,
        steps=config.steps if round_ else config.seed_steps,
        crop=config.crop,
        validation=0.0,
        seed=config.seed + 1000 * repeat + round_,
        device=config.device,
    )
