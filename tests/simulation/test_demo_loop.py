"""The loop without a person."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal import synth
from rbcal.acquisition.relevance import Score
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import ProjectError
from rbcal.simulation import demo_loop, oracle
from rbcal.store.rankings import Cell
from rbcal.types import Annotations, Detections
from tests.conftest import add_image
from tests.interchange.test_synthetic_dataset import demo, small  # noqa: F401  fixtures


@pytest.fixture
def ranked(demo):  # noqa: F811
    """A demo whose pool is ranked: in the first image the first cell is right, and one box is of nothing."""
    model_id = demo.models.add(TrainConfig(), b"weights", {"train": demo.images.annotated()}, 1)
    demo.models.promote(model_id, "gate")
    ranking_id = demo.rankings.begin(model_id, ScoringConfig())
    first, second = demo.images.pool()
    truth = synth.redraw(first.name).annotations
    probs = np.eye(8, dtype=np.float32)[[truth.labels[0] + 1, 3]]
    boxes = np.stack([truth.boxes[0], np.float32([0, 0, 2, 2])])
    cells = [
        Cell(demo_id, box, 0.9, 0.9, 0.0, prob)
        for demo_id, box, prob in zip((0, 0), boxes, probs, strict=True)
    ]
    demo.rankings.add(ranking_id, first.id, Score(9, 2, 2, 2, 0, 0), cells)
    demo.rankings.add(ranking_id, second.id, Score(1, 0, 0, 0, 0, 0), [])
    demo.rankings.finish(ranking_id)
    return demo


def test_the_first_image_of_the_queue_is_reviewed_as_the_page_would(ranked):
    ranked.sign("Ann")
    first = ranked.queue.top()[0]
    jobs = []
    demo_loop.rehearse(ranked, lambda request: jobs.append(request.kind), rounds=1, cells=1)
    assert jobs == ["score", "train", "score"]
    truth = synth.redraw(first.name).annotations
    review = ranked.reviews.current(first.image_id)
    assert (review.origin, review.ranking_id) == ("expert", 1)
    assert review.review_status.count("kept") == 1
    assert review.review_status.count("drawn") == len(truth) - 1
    kept = review.review_status.index("kept")
    assert np.array_equal(review.annotations.boxes[kept], truth.boxes[0])
    assert review.detection_ids[kept] == ranked.rankings.cells(1, first.image_id)[0].detection_id
    assert review.seconds == 5 + len(truth) + 4 * len(truth)  # one box deleted, all but one drawn
    acts = ranked.log.acts(first.image_id)
    assert [(act.kind, act.who) for act in acts] == [(k, demo_loop.EXPERT) for k in ("begin", "save")]
    assert ranked.expert == "Ann"  # who sits here signs again
    assert len(ranked.images.pool()) == 1


def test_a_loop_that_is_killed_at_any_moment_leaves_the_name_of_the_person(ranked):
    ranked.sign("Ann")
    names = []

    def truth(name):
        names.append(ranked.expert)
        return synth.redraw(name).annotations

    demo_loop.rehearse(ranked, lambda request: None, rounds=1, cells=10_000, truth=truth)
    assert names == ["Ann", "Ann"]


def test_an_image_that_somebody_began_with_is_left_to_them(ranked):
    first, second = ranked.queue.top()
    ranked.log.record(first.image_id, "begin", {}, version=0, ranking_id=1)
    demo_loop.rehearse(ranked, lambda request: None, rounds=1, cells=1)
    assert ranked.reviews.current(first.image_id) is None
    assert ranked.reviews.current(second.image_id) is not None


def test_when_every_image_is_reviewed_the_loop_ends(ranked):
    said = []
    demo_loop.rehearse(ranked, lambda request: None, rounds=9, cells=10_000, say=said.append)
    assert not ranked.images.pool()
    assert "Every image is reviewed" in said
    assert len([line for line in said if "cells on" in line]) == 1


def test_photographs_are_refused(project):
    add_image(project, 1, annotated=True)
    with pytest.raises(ProjectError, match="not a demo"):
        demo_loop.rehearse(project, lambda request: None)


def test_with_somebody_who_knows_what_is_on_photographs_the_loop_begins(project):
    jobs = []
    with pytest.raises(ProjectError, match="not ranked"):  # nobody ranks it here
        demo_loop.rehearse(project, lambda request: jobs.append(request.kind), truth={}.__getitem__)
    assert jobs == ["train", "score"]


def test_the_simulated_expert_saves_the_boxes_in_the_order_of_their_numbers():
    sides = np.array([[10 * k, 0, 10 * k + 8, 8] for k in range(5)], np.float32)
    detections = Detections(sides[[3, 0, 2, 1]], np.tile(np.float32([0.0, 0.9, 0.1]), (4, 1)))
    truth = Annotations(sides, np.zeros(5, np.int64))
    cells = [Cell(k, box, 1.0, 1.0, 0.0, np.float32([0, 1, 0])) for k, box in enumerate(detections.boxes)]
    corrected = demo_loop._corrected(oracle.correct(detections, truth), cells)
    assert list(corrected) == sorted(corrected)
    assert [state.box for state in corrected.values()][:4] == [
        tuple(box) for box in detections.boxes.tolist()
    ]
