"""An arm of a simulation: one strategy chooses the images of each round, and a learning curve comes out.

An arm is a function of its arguments alone: no project file, so it runs in any process, on any machine. All
arms of one repeat start from the same model and draw the same samples of the pool.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.context import AcquisitionContext, f1_of_classes
from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.pool import Pool
from rbcal.acquisition.strategies import rank_pool
from rbcal.config import ScoringConfig, SimulationConfig
from rbcal.detector import checkpoint, devices, mc_dropout
from rbcal.detector.frozen_backbone import FrozenTraining
from rbcal.evaluation import average_precision
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.simulation.oracle import OracleReview, review
from rbcal.simulation.seed_model import SeedModel, complete, seed_images, train_config
from rbcal.types import Detections, Reals


@dataclass(frozen=True)
class Arm:
    """One strategy in one repeat."""

    repeat: int
    strategy: str


def arms(config: SimulationConfig) -> list[Arm]:
    """Return every arm, repeat by repeat: what is done first is a whole comparison."""
    return [Arm(repeat, strategy) for repeat in range(config.repeats) for strategy in config.strategies]


@devices.one_core()
def run_arm(
    seed_model: SeedModel, strategy: str, report: Callable[[int], None] = lambda round_: None
) -> list[SimulationPoint]:
    """Return the learning curve of one strategy from the seed model on: a point for each round, and round 0.

    Parameters
    ----------
    seed_model : SeedModel
    strategy : str
        A name in :data:`rbcal.acquisition.strategies.STRATEGIES`.
    report : callable
        Is called with each round that is done.
    """
    state = _ArmState(seed_model, strategy)
    points = [state.measure(0, [])]
    for round_ in range(1, seed_model.config.rounds + 1):
        query = state.annotate(round_)
        if not query:
            break  # every image is annotated
        state.train(round_)
        points.append(state.measure(round_, query))
        report(round_)
    return points


class _ArmState:
    """How far an arm is: its detector, the annotated images, and what the oracle did so far."""

    def __init__(self, seed_model: SeedModel, strategy: str) -> None:
        self.seed_model, self.strategy = seed_model, strategy
        self.corpus, self.config, self.repeat = seed_model.corpus, seed_model.config, seed_model.repeat
        self.scoring = ScoringConfig(passes=self.config.passes, seed=self.config.seed)
        self.cost_model = CostModel(*self.config.cost_model)
        self.started = time.perf_counter()
        self.detector = seed_model.detector()
        self.annotated = seed_images(self.corpus, self.config, self.repeat)
        self.n_seed_cells = self.n_cells
        self.reviews = OracleReview.none()
        self.expert_seconds = 0.0

    @property
    def n_cells(self) -> int:
        """Annotated cells."""
        return sum(len(self.corpus.truths[k]) for k in self.annotated)

    def annotate(self, round_: int) -> list[int]:
        """Let the strategy query the oracle, and return the images; none where every image is annotated."""
        sample, query = self._pool_sample(round_), list[int]()
        if not sample:
            return query
        dropout = mc_dropout.McDropout(self.detector, self.scoring)
        predictions = [dropout.predict(self.seed_model.features(k)) for k in sample]
        pool = Pool.of([self.corpus.ids[k] for k in sample], predictions, self.corpus.rare, self.scoring)
        uncertainty = pool.uncertainty
        for place in rank_pool(self.strategy, pool, self._context(round_, dropout)).images:
            if query and self._goal_is_reached(round_):  # one image at least, however many cells the last had
                break
            query.append(sample[place])
            self._ask_oracle(query[-1], predictions[place].detections, uncertainty[pool.image == place])
        return query

    def train(self, round_: int) -> None:
        """Train the detector on what is annotated by now."""
        views = [self.seed_model.views(k) for k in self.annotated]
        complete(FrozenTraining(self.detector, views, train_config(self.config, self.repeat, round_)))

    def measure(self, round_: int, query: Sequence[int]) -> SimulationPoint:
        """Return how good the model is now, and the time since the last measurement."""
        self.detector.eval()
        detect, features = mc_dropout.detect, self.seed_model.features
        pairs = ((self.corpus.truths[k], detect(self.detector, features(k))) for k in self.corpus.test)
        evaluation = average_precision.evaluate(pairs, self.corpus.n_classes, self.corpus.rare)
        weights = hashlib.sha256(checkpoint.save(self.detector)).hexdigest()
        started, self.started = self.started, time.perf_counter()
        return SimulationPoint(
            repeat=self.repeat,
            strategy=self.strategy,
            round=round_,
            n_images=len(self.annotated),
            n_cells=self.n_cells,
            cells_by_class=tuple(self.corpus.counts(self.annotated).tolist()),
            expert_seconds=self.expert_seconds,
            evaluation=evaluation,
            weights_sha256=weights,
            query=tuple(self.corpus.ids[k] for k in query),
            seconds=self.started - started,
        )

    def _pool_sample(self, round_: int) -> list[int]:
        """Return images of the pool, drawn alike for all strategies."""
        rng = np.random.default_rng([self.config.seed, self.repeat, round_, *b"candidates"])
        shuffled = (self.corpus.trainable[k] for k in rng.permutation(len(self.corpus.trainable)))
        annotated = set(self.annotated)
        return [k for k in shuffled if k not in annotated][: self.config.pool_sample]

    def _context(self, round_: int, dropout: mc_dropout.McDropout) -> AcquisitionContext:
        """Return what the strategy may take into account beside the pool."""
        embeddings = [dropout.predict(self.seed_model.features(k)).embeddings for k in self.annotated]
        reviews, n_classes = self.reviews, self.corpus.n_classes
        return AcquisitionContext(
            scoring=self.scoring,
            annotated=self.corpus.counts(self.annotated),
            rare=self.corpus.rare,
            f1=f1_of_classes(reviews.predicted, reviews.truth, n_classes, reviews.missed),
            annotated_embeddings=np.concatenate(embeddings),
            calibration=Calibration.fit(reviews.uncertainty, reviews.changed),
            cost_model=self.cost_model,
            seed=self.config.seed + 1000 * self.repeat + round_,
        )

    def _goal_is_reached(self, round_: int) -> bool:
        """Whether the query is large enough: since round 0, so what one round took too much the next pays."""
        if self.config.unit == "cells":
            return self.n_cells - self.n_seed_cells >= round_ * self.config.query
        return len(self.annotated) - self.config.seed_images >= round_ * self.config.query

    def _ask_oracle(self, k: int, detections: Detections, uncertainty: Reals) -> None:
        """Have an image annotated, and count what the oracle did with it."""
        truth = self.corpus.truths[k]
        answer = review(detections, truth, uncertainty)
        self.annotated = [*self.annotated, k]
        self.reviews += answer
        self.expert_seconds += float(self.cost_model.seconds(len(truth), answer.n_changes))
