"""How far an arm of a simulation is, whatever it asks for: a detector, annotations, and how both go on."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.context import AcquisitionContext, f1_of_classes
from rbcal.acquisition.cost_model import CostModel
from rbcal.config import ScoringConfig
from rbcal.detector import checkpoint
from rbcal.detector.frozen_backbone import FeatureView, FrozenTraining
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.live_head import LastLayer, fit
from rbcal.simulation.oracle import OracleReview
from rbcal.simulation.seed_model import SeedModel, complete, train_config
from rbcal.types import Annotations, Floats, Ints


class ArmState(ABC):
    """One arm under way. Arms differ in what they annotate; all train and are measured alike."""

    def __init__(self, seed_model: SeedModel, strategy: str) -> None:
        self.seed_model, self.strategy = seed_model, strategy
        self.corpus, self.config, self.repeat = seed_model.corpus, seed_model.config, seed_model.repeat
        self.scoring = ScoringConfig(passes=self.config.passes, seed=self.config.seed)
        self.cost_model = CostModel(*self.config.cost_model, 0, *self.config.cell_costs)
        self.started = time.perf_counter()
        self.detector = seed_model.detector()
        self.annotations: dict[int, Annotations] = {k: self.corpus.truths[k] for k in seed_model.seed_images}
        self.n_seed_cells = sum(map(len, self.annotations.values()))
        self.reviews = OracleReview.none()
        self.expert_seconds = 0.0

    @property
    @abstractmethod
    def n_cells(self) -> int:
        """Annotated cells; of cells that were asked for, all that were answered."""

    @abstractmethod
    def annotate(self, round_: int) -> list[int] | None:
        """Let the oracle answer what the strategy asks, and return the images; None: nothing is left."""

    @abstractmethod
    def views(self, k: int) -> list[FeatureView]:
        """Return what training sees of an annotated image."""

    @abstractmethod
    def labelled_cells(self) -> tuple[Floats, Ints]:
        """Return embeddings (N, D) and labels (N,) of all cells with an answer; for a second look alone."""

    def train(self, round_: int) -> None:
        """Train the detector on what is annotated by now, and fit the last layer of its second look."""
        views = [self.views(k) for k in self.annotations]
        complete(FrozenTraining(self.detector, views, train_config(self.config, self.repeat, round_)))
        if (layer := self.fitted_layer()) is not None and self.detector.second_look is not None:
            self.detector.second_look.set_last_layer(layer)

    def fitted_layer(self) -> LastLayer | None:
        """Return the last layer that all answers give; None without a second look."""
        if self.seed_model.own_layer is None:
            return None
        return fit(self.seed_model.own_layer, *self.labelled_cells(), self.corpus.n_classes)

    def measure(self, round_: int, query: Sequence[int]) -> SimulationPoint:
        """Return how good the model is now, and the time since the last measurement."""
        evaluation = self.seed_model.evaluate(self.detector) if round_ else self.seed_model.evaluation
        weights = hashlib.sha256(checkpoint.save(self.detector)).hexdigest()
        started, self.started = self.started, time.perf_counter()
        return SimulationPoint(
            repeat=self.repeat,
            strategy=self.strategy,
            round=round_,
            n_images=len(self.annotations),
            n_cells=self.n_cells,
            cells_by_class=tuple(self.counts.tolist()),
            expert_seconds=self.expert_seconds,
            evaluation=evaluation,
            weights_sha256=weights,
            query=tuple(self.corpus.ids[k] for k in query),
            seconds=self.started - started,
        )

    @property
    def counts(self) -> Ints:
        """(C,): annotated cells of each class that were read."""
        labels = np.concatenate([each.read_labels for each in self.annotations.values()])
        return np.bincount(labels, minlength=self.corpus.n_classes)

    def context(self, round_: int, annotated_embeddings: Floats) -> AcquisitionContext:
        """Return what the strategy may take into account beside the pool."""
        reviews, n_classes = self.reviews, self.corpus.n_classes
        return AcquisitionContext(
            scoring=self.scoring,
            annotated=self.counts,
            rare=self.corpus.rare,
            f1=f1_of_classes(reviews.predicted, reviews.truth, n_classes, reviews.missed),
            annotated_embeddings=annotated_embeddings,
            calibration=Calibration.fit(reviews.uncertainty, reviews.changed),
            cost_model=self.cost_model,
            seed=self.config.seed + 1000 * self.repeat + round_,
        )
