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

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.pool import AcquisitionContext, Pool
from rbcal.acquisition.strategies import rank_pool
from rbcal.acquisition.uncertainty import (
    box_agreement,
    class_certainty,
    detection_certainty,
    detection_rate,
    mutual_information,
    rare_candidate,
)
from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.detector import checkpoint, devices, mc_dropout
from rbcal.detector.faster_rcnn import Detector, TiledFeatures, build
from rbcal.detector.frozen_backbone import FeatureView, FrozenTraining, freeze, views
from rbcal.detector.trainer import Training
from rbcal.evaluation import average_precision
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.evaluation.metrics import Evaluation
from rbcal.formats.pictures import Pixels, decode
from rbcal.simulation.oracle import OracleReview, review
from rbcal.types import Annotations, area

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
    def trainable(self) -> list[int]:
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


def f1_of(reviews: Sequence[OracleReview], n_classes: int) -> np.ndarray:
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


def pool_of(
    predictions: Sequence[mc_dropout.Prediction], rare: Sequence[int], scoring: ScoringConfig
) -> Pool:
    """Return the pool of the images that a sampler saw."""
    passes = [each.passes for each in predictions]
    return Pool(
        n_images=len(predictions),
        image=np.repeat(np.arange(len(predictions)), [len(each) for each in passes]),
        probs=np.concatenate([each.detections.probs for each in predictions]),
        u_d=np.concatenate([detection_certainty(each) for each in passes]),
        u_c=np.concatenate([class_certainty(each) for each in passes]),
        u_r=np.concatenate(
            [rare_candidate(each.detections.probs, rare, scoring.rare_threshold) for each in predictions]
        ),
        bald=np.concatenate([mutual_information(each) for each in passes]),
        agreement=np.concatenate([box_agreement(each) for each in passes]),
        rate=np.concatenate([detection_rate(each) for each in passes]),
        embeddings=np.concatenate([each.embeddings for each in predictions]),
    )


class SeedModel:
    """A model of one repeat, and what its trunk made of every image that was looked at."""

    def __init__(self, corpus: Corpus, config: SimulationConfig, repeat: int, weights: bytes) -> None:
        self.corpus, self.config, self.repeat = corpus, config, repeat
        self.weights = weights
        self._kept: dict[tuple[str, int], Any] = {}
        self._room = _MOST_BYTES
        self._extractor = self.detector()

    def detector(self) -> Detector:
        """Return a new copy of the seed model, its trunk frozen."""
        detector = checkpoint.load(self.weights, self.config.device)
        freeze(detector)
        return detector

    def features(self, k: int) -> TiledFeatures:
        """Return what the trunk makes of an image."""
        kept: TiledFeatures | None = self._kept.get(("image", k))
        if kept is None:
            kept = self._extractor.tiled_features(self.corpus.pixels(k))
            self._keep(("image", k), kept, kept.n_bytes)
        return kept

    def views(self, k: int) -> list[FeatureView]:
        """Return what the trunk makes of the random views of an annotated image."""
        kept: list[FeatureView] | None = self._kept.get(("views", k))
        if kept is None:
            seed = [self.config.seed, self.repeat, k]
            train = _train_config(self.config, self.repeat)
            pixels, truth = self.corpus.pixels(k), self.corpus.truths[k]
            kept = views(self._extractor, pixels, truth, train, self.config.views, seed)
            self._keep(("views", k), kept, sum(view.features.n_bytes for view in kept))
        return kept

    def _keep(self, name: tuple[str, int], made: Any, n_bytes: int) -> None:
        """Keep what the trunk made while there is room; what finds none is made again when it is needed."""
        if n_bytes <= self._room:
            self._kept[name] = made
            self._room -= n_bytes


def seed_images(corpus: Corpus, config: SimulationConfig, repeat: int) -> list[int]:
    """Return the positions of the images that are annotated before the first round."""
    rng = np.random.default_rng([config.seed, repeat, *b"seed"])
    return [corpus.trainable[k] for k in rng.permutation(len(corpus.trainable))[: config.seed_images]]


@devices.one_core()  # the outcome must not depend on how many there are
def train_seed_model(corpus: Corpus, config: SimulationConfig, repeat: int) -> bytes:
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
    seed_model: SeedModel, strategy: str, report: Callable[[int], None] = lambda round_: None
) -> list[SimulationPoint]:
    """Return the learning curve of one strategy from the seed model on: a point for each round, and round 0.

    Parameters
    ----------
    stage : Stage
    strategy : str
        A name of :data:`rbcal.acquisition.strategies.STRATEGIES`.
    report : callable
        Is told each round that is done.
    """
    corpus, config, repeat = seed_model.corpus, seed_model.config, seed_model.repeat
    cost_model = CostModel(*config.cost_model)
    started = time.perf_counter()
    detector = seed_model.detector()
    annotated = seed_images(corpus, config, repeat)
    points = [_point(seed_model, strategy, 0, detector, annotated, (), 0.0, started)]
    n_before = points[0].n_cells
    reviews: list[OracleReview] = []
    spent = 0.0
    for round_ in range(1, config.rounds + 1):
        started = time.perf_counter()
        query, new = _review(seed_model, strategy, round_, detector, annotated, reviews, n_before)
        if not query:
            break  # every image is annotated
        reviews += new
        spent += sum(
            float(cost_model.seconds(len(corpus.truths[k]), each.n_changes))
            for k, each in zip(query, new, strict=True)
        )
        annotated = [*annotated, *query]
        train = _train_config(config, repeat, round_)
        with FrozenTraining(detector, [seed_model.views(k) for k in annotated], train) as run:
            while not run.finished:
                run.advance()
        points.append(_point(seed_model, strategy, round_, detector, annotated, query, spent, started))
        report(round_)
    return points


def _review(
    seed_model: SeedModel,
    strategy: str,
    round_: int,
    detector: Detector,
    annotated: Sequence[int],
    reviews: Sequence[OracleReview],
    n_before: int,
) -> tuple[list[int], list[OracleReview]]:
    """Return the images that the strategy has the expert annotate in a round, and what the expert did."""
    corpus, config = seed_model.corpus, seed_model.config
    rng = np.random.default_rng([config.seed, seed_model.repeat, round_, *b"candidates"])
    done = set(annotated)
    shuffled = [
        corpus.trainable[k] for k in rng.permutation(len(corpus.trainable))
    ]  # alike for all strategies
    pool_sample = [k for k in shuffled if k not in done][: config.pool_sample]
    if not pool_sample:
        return [], []
    scoring = ScoringConfig(passes=config.passes, seed=config.seed)
    sampler = mc_dropout.McDropout(detector, scoring)
    predictions = [sampler.predict(seed_model.features(k)) for k in pool_sample]
    pool = pool_of(predictions, corpus.rare, scoring)
    context = AcquisitionContext(
        scoring=scoring,
        annotated=_counts(corpus, annotated),
        rare=corpus.rare,
        f1=f1_of(reviews, corpus.n_classes),
        embeddings=np.concatenate([sampler.predict(seed_model.features(k)).embeddings for k in annotated]),
        calibration=calibration_of(reviews),
        cost_model=CostModel(*config.cost_model),
        seed=config.seed + 1000 * seed_model.repeat + round_,
    )
    ranking = rank_pool(strategy, pool, context)
    query: list[int] = []
    new: list[OracleReview] = []
    goal = round_ * config.query  # since round 0: what one round took too much, the next takes less
    for place in ranking.images:
        taken = sum(len(corpus.truths[k]) for k in [*annotated, *query]) - n_before
        done_so_far = taken if config.unit == "cells" else len(annotated) + len(query) - config.seed_images
        if query and done_so_far >= goal:  # one image at least, however many cells the last one had
            break
        k = pool_sample[place]
        query.append(k)
        new.append(
            review(predictions[place].detections, corpus.truths[k], pool.uncertainty[pool.image == place])
        )
    return query, new


def calibration_of(reviews: Sequence[OracleReview]) -> Calibration:
    """Return the calibration that the reviews so far teach."""
    if not reviews:
        return Calibration()
    return Calibration.fit(
        np.concatenate([each.uncertainty for each in reviews]),
        np.concatenate([each.changed for each in reviews]),
    )


def _point(
    seed_model: SeedModel,
    strategy: str,
    round_: int,
    detector: Detector,
    annotated: Sequence[int],
    query: Sequence[int],
    spent: float,
    started: float,
) -> SimulationPoint:
    """Return how good the model is now."""
    corpus = seed_model.corpus
    detector.eval()
    pairs = ((corpus.truths[k], mc_dropout.detect(detector, seed_model.features(k))) for k in corpus.test)
    figures: Evaluation = average_precision.evaluate(pairs, corpus.n_classes, corpus.rare)
    counts = _counts(corpus, annotated)
    return SimulationPoint(
        repeat=seed_model.repeat,
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
