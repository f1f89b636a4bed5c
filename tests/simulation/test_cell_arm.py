"""An arm that asks for cells: what is asked, what becomes of it, what it costs; no detector is trained."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from rbcal.config import SimulationConfig
from rbcal.live_head import LastLayer
from rbcal.simulation import cell_arm
from rbcal.simulation.cell_arm import CellArm
from rbcal.simulation.corpus import Corpus
from rbcal.types import Annotations, Detections, Passes, Prediction

BOXES = np.float32([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
SURE, HALF, NEARLY = [0.0, 0.98, 0.02], [0.0, 0.5, 0.5], [0.0, 0.6, 0.4]


def prediction(*probs, boxes=BOXES, embeddings=None):
    """Return what a model predicts in an image, the same in two passes."""
    n, probs = len(probs), np.float32(probs)
    embeddings = np.ones((n, 2)) if embeddings is None else np.array(embeddings)
    boxes = boxes[:n]
    twice = Passes(np.stack([boxes] * 2), np.stack([probs] * 2))
    return Prediction(Detections(boxes, probs), twice, embeddings.astype(np.float32))


class FakeSeedModel:
    """Predicts what it is told to predict; image 0 is the seed image, with a cell of class 0."""

    def __init__(self, predictions, truths, layer=None, **config):
        seed = Annotations(BOXES[:1], np.array([0]))
        n = 1 + len(truths)
        self.corpus = Corpus(range(100, 100 + n), [b""] * n, [""] * n, [seed, *truths], [False] * n, 2, ())
        self.config = SimulationConfig(strategies=("cells_uncertain",), seed_images=1, passes=2, **config)
        self.repeat, self.seed_images, self.own_layer = 0, [0], layer
        self._predictions = predictions

    def detector(self):
        layer = self.own_layer
        return SimpleNamespace(second_look=layer and SimpleNamespace(last_layer=lambda: layer))

    def prediction(self, k):
        return self._predictions[k - 1]

    features = prediction  # what a later round predicts from

    def oracle_annotations(self, k):
        return self.corpus.truths[k]

    def cell_embeddings(self, k):
        return np.ones((1, 2), np.float32)

    def views_of(self, k, annotations):
        return [(k, annotations)]


@pytest.fixture(autouse=True)
def later_rounds(monkeypatch):
    """Let later rounds predict the same."""
    same = lambda *_: SimpleNamespace(predict=lambda of_image: of_image)  # noqa: E731
    monkeypatch.setattr(cell_arm.mc_dropout, "McDropout", same)


def two_images(**config):
    """Two images of three and two cells; the unsure ones are the second of either."""
    predictions = [prediction(SURE, HALF, SURE), prediction(SURE, NEARLY)]
    truths = [Annotations(BOXES, np.array([0, 1, 0])), Annotations(BOXES[:2], np.array([0, 0]))]
    return FakeSeedModel(predictions, truths, query=2, **config)


def test_cells_of_several_images_are_asked_and_the_others_stay_open():
    arm = CellArm(two_images(), "cells_uncertain")
    assert arm.annotate(1) == [1, 2]
    first, second = arm.annotations[1], arm.annotations[2]
    assert first.boxes.tolist() == BOXES[[1, 0, 2]].tolist()  # the answered cell, then the open ones
    assert first.read.tolist() == [True, False, False]
    assert first.read_labels.tolist() == [1]
    assert second.read_labels.tolist() == [0]
    assert (arm.n_cells, arm.counts.tolist()) == (1 + 2, [2, 1])


def test_the_seed_images_stay_read():
    arm = CellArm(two_images(), "cells_uncertain")
    arm.annotate(1)
    assert arm.annotations[0].read.all()


def test_a_cell_is_asked_for_once_and_a_round_goes_on_from_the_last():
    arm = CellArm(two_images(), "cells_uncertain")
    arm.annotate(1)
    assert arm.annotate(2)
    assert (arm.n_cells, sum(each.read.sum() for each in arm.annotations.values())) == (1 + 4, 5)
    arm.annotate(3)  # one cell is left, not two
    assert arm.n_cells == 1 + 5
    assert all(each.read.all() for each in arm.annotations.values())
    assert arm.annotate(4) is None


def test_what_is_no_cell_is_an_answer_and_no_annotation():
    nothing_there = [Annotations(BOXES[:1], np.array([0]))]
    arm = CellArm(FakeSeedModel([prediction(SURE, HALF)], nothing_there, query=1), "cells_uncertain")
    arm.annotate(1)
    assert (arm.n_cells, arm.counts.tolist()) == (2, [1, 0])
    assert arm.annotations[1].boxes.tolist() == BOXES[:1].tolist()  # the other one, open
    assert not arm.annotations[1].read.any()
    assert arm.reviews.truth.tolist() == [-1]


def test_a_box_that_is_off_is_moved():
    truth = Annotations(np.float32([[20, 0, 30, 6]]), np.array([1]))  # IoU 0.6
    arm = CellArm(FakeSeedModel([prediction(SURE, HALF)], [truth], query=1), "cells_uncertain")
    arm.annotate(1)
    assert arm.annotations[1].boxes[0].tolist() == [20, 0, 30, 6]
    assert arm.reviews.changed.tolist() == [True]


def test_training_sees_an_image_anew_once_more_of_it_is_read():
    arm = CellArm(two_images(), "cells_uncertain")
    arm.annotate(1)
    [(_, before)] = arm.views(1)
    assert arm.views(1)[0][1] is before
    arm.annotate(2)
    arm.annotate(3)
    assert before.read.sum() < arm.views(1)[0][1].read.sum() == 3


def test_seconds_are_of_cells_shown_together():
    """Both are named 0, side by side; the first is of class 1: 1 + 1 + 4."""
    arm = CellArm(two_images(cell_costs=(3.0, 1.0, 4.0)), "cells_uncertain")
    arm.annotate(1)
    assert arm.expert_seconds == 6
    alone = CellArm(two_images(cell_costs=(3.0, 1.0, 4.0), live_every=1), "cells_uncertain")
    alone.annotate(1)
    assert alone.expert_seconds == 3 + 4 + 3


def alike(live_every):
    """Two cells that look alike and are named 0 with 0.52; both are of class 1. The seed cell looks else."""
    embeddings, barely = [[8, 0], [8, 0]], [0.0, 0.52, 0.48]
    layer = LastLayer(np.float32([[0, 0], [0, 0]]), np.zeros(2, np.float32))
    truth = Annotations(BOXES[:2], np.array([1, 1]))
    return FakeSeedModel(
        [prediction(barely, barely, embeddings=embeddings)], [truth], layer, query=2, live_every=live_every
    )


def test_names_follow_between_the_cells_of_a_round():
    at_once, live = (CellArm(alike(n), "cells_uncertain") for n in (2, 1))
    at_once.annotate(1)
    live.annotate(1)
    assert at_once.reviews.changed.tolist() == [True, True]
    assert live.reviews.changed.tolist() == [True, False]  # the first answer has named the second


def test_the_last_layer_rests_on_seed_cells_and_answers():
    arm = CellArm(alike(1), "cells_uncertain")
    arm.annotate(1)
    embeddings, labels = arm.labelled_cells()
    assert embeddings.tolist() == [[1, 1], [8, 0], [8, 0]]
    assert labels.tolist() == [0, 1, 1]
