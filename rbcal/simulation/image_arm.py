"""An arm whose strategy asks for whole images, and the control, which asks for nothing."""

from __future__ import annotations

import numpy as np

from rbcal.acquisition.pool import Pool
from rbcal.acquisition.strategies import rank_pool
from rbcal.detector import mc_dropout
from rbcal.detector.frozen_backbone import FeatureView
from rbcal.simulation.arm_state import ArmState
from rbcal.simulation.oracle import review
from rbcal.types import Detections, Floats, Ints, Reals


class ImageArm(ArmState):
    """Images are annotated whole, each cell of them read."""

    @property
    def n_cells(self) -> int:
        """Annotated cells."""
        return sum(map(len, self.annotations.values()))

    def annotate(self, round_: int) -> list[int] | None:
        """Let the strategy query the oracle, and return the images; None where every image is annotated."""
        sample, query = self._pool_sample(round_), list[int]()
        if not sample:
            return None
        dropout = mc_dropout.McDropout(self.detector, self.scoring)
        predictions = [dropout.predict(self.seed_model.features(k)) for k in sample]
        pool = Pool.of([self.corpus.ids[k] for k in sample], predictions, self.corpus.rare, self.scoring)
        uncertainty = pool.uncertainty
        embeddings = [dropout.predict(self.seed_model.features(k)).embeddings for k in self.annotations]
        context = self.context(round_, np.concatenate(embeddings))
        for place in rank_pool(self.strategy, pool, context).images:
            if query and self._goal_is_reached(round_):  # one image at least, however many cells the last had
                break
            query.append(sample[place])
            self._ask_oracle(query[-1], predictions[place].detections, uncertainty[pool.image == place])
        return query

    def views(self, k: int) -> list[FeatureView]:
        """Return what training sees of an annotated image."""
        return self.seed_model.views(k)

    def labelled_cells(self) -> tuple[Floats, Ints]:
        """Return embeddings and labels of the cells of all annotated images."""
        embeddings = [self.seed_model.cell_embeddings(k) for k in self.annotations]
        labels = [each.labels for each in self.annotations.values()]
        return np.concatenate(embeddings), np.concatenate(labels)

    def _pool_sample(self, round_: int) -> list[int]:
        """Return images of the pool, drawn alike for all strategies."""
        rng = np.random.default_rng([self.config.seed, self.repeat, round_, *b"candidates"])
        shuffled = (self.corpus.trainable[k] for k in rng.permutation(len(self.corpus.trainable)))
        return [k for k in shuffled if k not in self.annotations][: self.config.pool_sample]

    def _goal_is_reached(self, round_: int) -> bool:
        """Whether the query is large enough: since round 0, so what one round took too much the next pays."""
        if self.config.unit == "cells":
            return self.n_cells - self.n_seed_cells >= round_ * self.config.query
        return len(self.annotations) - self.config.seed_images >= round_ * self.config.query

    def _ask_oracle(self, k: int, detections: Detections, uncertainty: Reals) -> None:
        """Have an image annotated, and count what the oracle did with it."""
        truth = self.seed_model.oracle_annotations(k)
        answer = review(detections, truth, uncertainty)
        self.annotations[k] = truth
        self.reviews += answer
        self.expert_seconds += float(self.cost_model.seconds(len(truth), answer.n_changes))


class ControlArm(ImageArm):
    """The same training on the seed images alone: what part of a gain is training."""

    def annotate(self, round_: int) -> list[int] | None:
        """Annotate nothing."""
        return []
