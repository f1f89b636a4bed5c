"""An arm whose strategy asks for cells of all images: each is named by itself, its image is read in part.

Between the cells of a round the last layer of the second look is fitted again, and the names of the cells
that wait, and their order, follow; the detector is trained at the end of a round, as in every arm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rbcal.acquisition.cell_strategies import rank_cells
from rbcal.acquisition.pool import Pool
from rbcal.detector import mc_dropout
from rbcal.detector.frozen_backbone import FeatureView
from rbcal.evaluation.matching import SAME_CELL
from rbcal.live_head import LastLayer, LiveHead
from rbcal.simulation.arm_state import ArmState
from rbcal.simulation.oracle import CellAnswers, OracleReview, answer_cells
from rbcal.simulation.seed_model import SeedModel
from rbcal.types import Annotations, Floats, Ints, Prediction, iou


@dataclass(frozen=True, eq=False)
class _PoolOfRound:
    """N predicted cells of all images at the start of a round, and what the oracle would say of each."""

    images: list[int]  # positions in the corpus
    pool: Pool
    boxes: Floats  # (N, 4)
    answers: CellAnswers  # of N cells
    layer: LastLayer | None  # that named them


class CellArm(ArmState):
    """Cells are named one by one; the others that were found in their images stay open."""

    def __init__(self, seed_model: SeedModel, strategy: str) -> None:
        super().__init__(seed_model, strategy)
        self._answers: dict[int, CellAnswers] = {}  # of each image, what was asked of it so far
        self._embeddings: list[Floats] = []  # of the answered cells, query by query
        self._labels: list[Ints] = []
        self._views: dict[int, list[FeatureView]] = {}

    @property
    def n_cells(self) -> int:
        """Annotated cells of the seed images, and all answers."""
        return self.n_seed_cells + sum(map(len, self._answers.values()))

    @property
    def counts(self) -> Ints:
        """(C,): annotated cells of each class that were read, with those of this round."""
        labels = [self.corpus.truths[k].labels for k in self.seed_model.seed_images]
        labels += [each.labels[each.labels >= 0] for each in self._answers.values()]
        return np.bincount(np.concatenate(labels), minlength=self.corpus.n_classes)

    def annotate(self, round_: int) -> list[int] | None:
        """Let the oracle name the cells that the strategy chooses; None where none is left."""
        of_round = self._pool_of_round(round_)
        waiting = self._not_asked_yet(of_round)
        asked = np.empty(0, np.int64)
        wanted = self.n_seed_cells + round_ * self.config.query - self.n_cells
        while len(waiting) and len(asked) < wanted:
            pool = self._as_named_now(of_round).of_cells(waiting)
            context = self.context(round_, np.empty((0, pool.embeddings.shape[1]), np.float32))
            n = min(self.config.live_every, wanted - len(asked))
            chosen = rank_cells(self.strategy, pool, context, n).cells
            self._ask(of_round, pool.of_cells(chosen), waiting[chosen])
            asked = np.concatenate([asked, waiting[chosen]])
            waiting = np.delete(waiting, chosen)
        in_order = dict.fromkeys(of_round.images[k] for k in of_round.pool.image[asked].tolist())
        for k in in_order:
            self._leave_open(of_round, k, asked)
        return list(in_order) or None

    def views(self, k: int) -> list[FeatureView]:
        """Return what training sees of an annotated image."""
        if k in self.seed_model.seed_images:
            return self.seed_model.views(k)
        if k not in self._views:
            self._views[k] = self.seed_model.views_of(k, self.annotations[k])
        return self._views[k]

    def labelled_cells(self) -> tuple[Floats, Ints]:
        """Return embeddings and labels of the cells of the seed images, and of those that were answered."""
        embeddings = [self.seed_model.cell_embeddings(k) for k in self.seed_model.seed_images]
        labels = [self.corpus.truths[k].labels for k in self.seed_model.seed_images]
        return np.concatenate([*embeddings, *self._embeddings]), np.concatenate([*labels, *self._labels])

    def _pool_of_round(self, round_: int) -> _PoolOfRound:
        """Predict all images of the pool."""
        images = [k for k in self.corpus.trainable if k not in self.seed_model.seed_images]
        predictions = self._predictions(round_, images)
        ids, rare = [self.corpus.ids[k] for k in images], self.corpus.rare
        answers = [
            answer_cells(each.detections, self.seed_model.oracle_annotations(k))
            for k, each in zip(images, predictions, strict=True)
        ]
        second_look = self.detector.second_look
        return _PoolOfRound(
            images,
            Pool.of(ids, predictions, rare, self.scoring),
            np.concatenate([each.detections.boxes for each in predictions]),
            CellAnswers.joined(answers),
            None if second_look is None else second_look.last_layer(),
        )

    def _predictions(self, round_: int, images: list[int]) -> list[Prediction]:
        """Return what the model predicts in images; in the first round it is the seed model, of every arm."""
        if round_ == 1:
            return [self.seed_model.prediction(k) for k in images]
        dropout = mc_dropout.McDropout(self.detector, self.scoring)
        return [dropout.predict(self.seed_model.features(k)) for k in images]

    def _not_asked_yet(self, of_round: _PoolOfRound) -> Ints:
        """Return the cells (n,) that are none of those that were answered in an earlier round."""
        is_new = np.ones(len(of_round.pool), bool)
        for place, k in enumerate(of_round.images):
            if k in self._answers:
                rows = np.flatnonzero(of_round.pool.image == place)
                overlap = iou(of_round.boxes[rows, None], self._answers[k].boxes[None])
                is_new[rows] = overlap.max(axis=1, initial=0) < SAME_CELL
        return np.flatnonzero(is_new)

    def _as_named_now(self, of_round: _PoolOfRound) -> Pool:
        """Return the pool as the last layer names it that all answers so far give."""
        fitted, pool = self.fitted_layer(), of_round.pool
        if fitted is None or of_round.layer is None:
            return pool
        probs = LiveHead(of_round.layer, fitted).probs(pool.probs, pool.embeddings)
        return pool.renamed(probs, self.corpus.rare, self.scoring)

    def _ask(self, of_round: _PoolOfRound, named: Pool, cells: Ints) -> None:
        """Have cells named, which are shown together as `named`, and count what the oracle did."""
        answers, predicted = of_round.answers.of(cells), named.probs[:, 1:].argmax(axis=1)
        changed = (answers.labels != predicted) | answers.is_off
        nothing = np.empty(0, np.int64)
        self.reviews += OracleReview(predicted, answers.labels, changed, nothing, named.uncertainty)
        self.expert_seconds += self.cost_model.seconds_of_cells(predicted, changed)
        is_cell = answers.labels >= 0
        self._embeddings.append(named.embeddings[is_cell])
        self._labels.append(answers.labels[is_cell])
        for place in np.unique(named.image).tolist():
            k, of_image = of_round.images[place], answers.of(np.flatnonzero(named.image == place))
            earlier = [self._answers[k]] if k in self._answers else []
            self._answers[k] = CellAnswers.joined([*earlier, of_image])

    def _leave_open(self, of_round: _PoolOfRound, k: int, asked: Ints) -> None:
        """Annotate an image in part: its answered cells were read, the others that were found are open."""
        answers = self._answers[k]
        rows = np.setdiff1d(np.flatnonzero(of_round.pool.image == of_round.images.index(k)), asked)
        boxes = of_round.boxes[rows]
        boxes = boxes[iou(boxes[:, None], answers.boxes[None]).max(axis=1, initial=0) < SAME_CELL]
        is_cell = answers.labels >= 0
        self.annotations[k] = Annotations(
            np.concatenate([answers.boxes[is_cell], boxes]),
            np.concatenate([answers.labels[is_cell], np.zeros(len(boxes), np.int64)]),
            np.repeat([True, False], [is_cell.sum(), len(boxes)]),
        )
        self._views.pop(k, None)
