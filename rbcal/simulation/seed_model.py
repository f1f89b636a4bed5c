"""The model that all arms of a repeat start from: trained on the seed images, its backbone frozen.

The frozen layers are trained on the seed images at most, so what they make of an image is computed once a
repeat, and kept. A second look is trained with it; after that its last layer alone learns, in all arms alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.detector import checkpoint, devices, mc_dropout
from rbcal.detector.faster_rcnn import Detector, TiledFeatures, build
from rbcal.detector.frozen_backbone import FeatureView, FrozenTraining, freeze, views
from rbcal.detector.trainer import Training
from rbcal.evaluation import average_precision
from rbcal.evaluation.metrics import Evaluation
from rbcal.simulation.corpus import Corpus
from rbcal.simulation.oracle import erring
from rbcal.types import Annotations, Floats, Prediction, area

_Made = TypeVar("_Made")
_MOST_BYTES = 2 * 2**30  # of features, in one process


class SeedModel:
    """A model of one repeat, and the features of every image that was asked for."""

    def __init__(self, corpus: Corpus, config: SimulationConfig, repeat: int, weights: bytes) -> None:
        self.corpus, self.config, self.repeat = corpus, config, repeat
        self.weights = weights
        self._cache: dict[tuple[str, int], Any] = {}
        self._room = _MOST_BYTES
        self._extractor = self.detector()
        second_look = self._extractor.second_look
        self.own_layer = None if second_look is None else second_look.last_layer()
        self.seed_images = seed_images(corpus, config, repeat)

    def detector(self) -> Detector:
        """Return a new copy of the seed model, its backbone frozen."""
        detector = checkpoint.load(self.weights, self.config.device)
        freeze(detector)
        return detector

    def features(self, k: int) -> TiledFeatures:
        """Return what the frozen layers make of an image."""

        def make() -> TiledFeatures:
            return self._extractor.tiled_features(self.corpus.pixels(k))

        return self._cached("image", k, make, lambda made: made.n_bytes)

    def views(self, k: int) -> list[FeatureView]:
        """Return what the frozen layers make of the random views of an annotated image."""

        def make() -> list[FeatureView]:
            return self.views_of(k, self.oracle_annotations(k))

        return self._cached("views", k, make, lambda made: sum(view.features.n_bytes for view in made))

    def views_of(self, k: int, annotations: Annotations) -> list[FeatureView]:
        """Return the same of an image that is annotated as an arm has it."""
        return random_views(self._extractor, self.corpus, self.config, self.repeat, k, annotations)

    def oracle_annotations(self, k: int) -> Annotations:
        """Return what the oracle says of an image: the truth, or nearly; of the seed images always."""
        truth, config = self.corpus.truths[k], self.config
        if not config.error_rate or k in self.seed_images:
            return truth
        rng = np.random.default_rng([config.seed, self.repeat, k, *b"error"])
        return erring(truth, self.corpus.n_classes, config.error_rate, rng)

    def cell_embeddings(self, k: int) -> Floats:
        """Return what the second look sees of the annotated cells of an image, (M, D)."""

        def make() -> Floats:
            return mc_dropout.embed(self._extractor, self.corpus.pixels(k), self.corpus.truths[k].boxes)

        return self._cached("cells", k, make, lambda made: made.nbytes)

    def prediction(self, k: int) -> Prediction:
        """Return what the seed model predicts in an image, with its passes."""

        def make() -> Prediction:
            return self._dropout.predict(self.features(k))

        return self._cached("prediction", k, make, lambda made: made.passes.probs.nbytes)

    @cached_property
    def _dropout(self) -> mc_dropout.McDropout:
        config = self.config
        return mc_dropout.McDropout(self._extractor, ScoringConfig(passes=config.passes, seed=config.seed))

    @cached_property
    def evaluation(self) -> Evaluation:
        """How good the seed model is."""
        return self.evaluate(self._extractor)

    def evaluate(self, detector: Detector) -> Evaluation:
        """Return how good a detector with these frozen layers is on the test set."""
        detector.eval()
        corpus = self.corpus
        pairs = ((corpus.truths[k], mc_dropout.detect(detector, self.features(k))) for k in corpus.test)
        return average_precision.evaluate(pairs, corpus.n_classes, corpus.rare)

    def _cached(self, kind: str, k: int, make: Callable[[], _Made], n_bytes: Callable[[_Made], int]) -> _Made:
        """Return what was made before; what finds no room in the memory is made again when it is needed."""
        if (kind, k) in self._cache:
            return self._cache[kind, k]
        made = make()
        if (size := n_bytes(made)) <= self._room:
            self._cache[kind, k] = made
            self._room -= size
        return made


def seed_images(corpus: Corpus, config: SimulationConfig, repeat: int) -> list[int]:
    """Return the positions of the images that are annotated before the first round."""
    rng = np.random.default_rng([config.seed, repeat, *b"seed"])
    return [corpus.trainable[k] for k in rng.permutation(len(corpus.trainable))[: config.seed_images]]


@devices.one_core()  # the outcome must not depend on how many there are
def train_seed_model(corpus: Corpus, config: SimulationConfig, repeat: int) -> bytes:
    """Return the model that all arms of a repeat start from, as :func:`checkpoint.save` writes it."""
    chosen, train = seed_images(corpus, config, repeat), train_config(config, repeat)
    sides = np.sqrt(np.concatenate([area(corpus.truths[k].boxes) for k in chosen]))
    detector = build(train, corpus.n_classes, box_sides=sides)
    samples = [(corpus.pixels(k), corpus.truths[k]) for k in chosen]
    if config.trunk == "tuned":
        complete(Training(detector, samples, train))
        return checkpoint.save(detector)
    freeze(detector)
    of_images = [random_views(detector, corpus, config, repeat, k, corpus.truths[k]) for k in chosen]
    complete(FrozenTraining(detector, of_images, train))
    return checkpoint.save(detector)


def random_views(
    detector: Detector, corpus: Corpus, config: SimulationConfig, repeat: int, k: int, truth: Annotations
) -> list[FeatureView]:
    """Return what the frozen layers make of an annotated image, turned and recoloured at random."""
    train, seed = train_config(config, repeat), [config.seed, repeat, k]
    return views(detector, corpus.pixels(k), truth, train, config.views, seed)


def complete(training: Training) -> None:
    """Take all steps of a training."""
    with training:
        while not training.finished:
            training.advance()
        training.finish()


def train_config(config: SimulationConfig, repeat: int, round_: int = 0) -> TrainConfig:
    """Return how a model is trained in a round, alike for all strategies; round 0 is the seed model."""
    return TrainConfig(
        backbone=config.backbone,
        second_look=config.second_look,
        init="serving" if round_ else "imagenet",
        weights=config.weights,
        steps=config.steps if round_ else config.seed_steps,
        crop=config.crop,
        validation=0.0,
        seed=config.seed + 1000 * repeat + round_,
        device=config.device,
    )
