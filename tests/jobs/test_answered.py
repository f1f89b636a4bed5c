"""Answered cells, to be looked at again: those that others contradict, unsure ones, those of a class."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rbcal.jobs import answered
from rbcal.jobs.answered import answered_cells, count_doubtful, cross_fitted
from rbcal.live_head import LastLayer
from rbcal.review.wall import Chosen, Wall
from rbcal.store.verification import verify
from tests.jobs.test_live import accept_all_as


def test_an_answer_that_all_cells_like_it_contradict_is_improbable():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    embeddings = (9 * np.eye(3)[labels] + rng.normal(size=(180, 3))).astype(np.float32)
    wrong = rng.choice(180, 9, replace=False)
    said = labels.copy()
    said[wrong] = (labels[wrong] + 1) % 3
    own = LastLayer(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    probs = cross_fitted(own, embeddings, said.tolist(), 3)
    doubtful = np.flatnonzero(probs[np.arange(180), said] < answered.DOUBTFUL)
    assert set(doubtful) <= set(wrong)
    assert len(doubtful) >= 7
    assert (probs.argmax(axis=1)[doubtful] == labels[doubtful]).all()


@pytest.fixture
def reviewed(scored):
    """A project in which one image of the pool was named, all but two cells: unsure, and not read."""
    project, _, (image_id, _), ranking_id = scored
    n = accept_all_as(project, image_id, ranking_id, 1)
    boxes = project.log.boxes(image_id)
    boxes[0], boxes[1] = (
        boxes[0]._replace(review_status="unsure", note="a stain?"),
        boxes[1]._replace(review_status="open"),
    )
    project.reviews.save_boxes(image_id, boxes, origin="expert", version=project.log.version(image_id))
    return project, image_id, n


def test_cells_of_each_kind_are_found_again(reviewed):
    project, image_id, n = reviewed
    [unsure] = answered_cells(project, "unsure")
    assert (unsure.image_id, unsure.number, unsure.hint) == (image_id, 0, "a stain?")
    named = answered_cells(project, "named", 1)
    assert Counter(cell.image_id for cell in named)[image_id] == n - 2
    assert {cell.label for cell in named} == {1}
    sizes = [
        float(np.prod(cell.box[2:] - cell.box[:2]))
        for cell in answered_cells(project, "named", by_size="smallest")
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert answered_cells(project, "in_bulk") == []
    assert answered_cells(project, "named", 1, "another slide") == []
    assert len({cell.id for cell in answered_cells(project, "named")}) == len(
        answered_cells(project, "named")
    )


def test_cells_that_nobody_has_read_can_be_sought_that_are_like_an_answered_one(reviewed):
    project, _, _ = reviewed
    wall = Wall(size=12, chosen=Chosen("named", 1))
    wall.fill(project)
    wall.more_like(wall.screen[0])
    wall.restart(12, Chosen())
    wall.fill(project)
    assert wall.screen
    assert {cell.number for cell in wall.screen} == {None}


def test_few_answers_are_not_doubted(reviewed, monkeypatch):
    project, _, n = reviewed
    monkeypatch.setattr(answered, "FEWEST", 10**4)
    assert count_doubtful(project)[0] == 0
    monkeypatch.setattr(answered, "FEWEST", 4)
    monkeypatch.setattr(answered, "DOUBTFUL", 1.0)  # all
    n_doubtful, n_answers = count_doubtful(project)
    assert n_doubtful == n_answers == len(answered_cells(project, "doubtful")) >= n - 2


def test_an_answered_cell_gets_another_answer_and_the_rest_of_the_screen_stays(reviewed):
    project, image_id, n = reviewed
    wall = Wall(chosen=Chosen("named", 1))
    wall.fill(project)
    cell, *others = [each for each in wall.screen if each.image_id == image_id]
    wall.settle(project, {cell.id: 2}, [each.id for each in others])
    states = project.log.boxes(image_id)
    assert (states[cell.number].label, states[cell.number].review_status) == (2, "changed")
    assert Counter(state.label for state in states.values())[1] == n - 1
    assert wall.n_settled == 1
    wall.undo(project)
    assert project.log.boxes(image_id)[cell.number].label == 1
    assert {each.id for each in others} <= {each.id for each in wall.screen}
    assert verify(project.path).ok
