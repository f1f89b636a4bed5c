"""Answered cells, to be looked at again: those that others contradict, unsure ones, those of a class."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rbcal.jobs import answered
from rbcal.jobs.answered import answered_cells, count_doubtful, cross_fitted
from rbcal.live_head import LastLayer
from rbcal.review import wall as wall_module
from rbcal.review.wall import Wall
from rbcal.store.cell_filters import CellFilter
from rbcal.store.verification import verify
from rbcal.types import Annotations
from tests.conftest import add_image
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


def of(project, *choices, **others):
    """Return the answered cells that a filter is for."""
    return answered_cells(project, CellFilter(*choices, **others), 1000)


def test_cells_of_each_kind_are_found_again(reviewed):
    project, image_id, n = reviewed
    [unsure] = of(project, "unsure")
    assert (unsure.image_id, unsure.number, unsure.hint) == (image_id, 0, "a stain?")
    named = of(project, "named", 1)
    assert Counter(cell.image_id for cell in named)[image_id] == n - 2
    assert {cell.label for cell in named} == {1}
    sizes = [float(np.prod(cell.box[2:] - cell.box[:2])) for cell in of(project, "named", by_size="smallest")]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert of(project, "in_bulk") == []
    assert of(project, "named", 1, "another slide") == []
    assert len({cell.id for cell in of(project, "named")}) == len(of(project, "named"))


def test_cells_that_nobody_has_read_can_be_sought_that_are_like_an_answered_one(reviewed):
    project, _, _ = reviewed
    wall = Wall(size=12, chosen=CellFilter("named", 1))
    wall.fill(project)
    wall.more_like(wall.screen[0])
    wall.restart(12, CellFilter())
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
    assert n_doubtful == n_answers == len(of(project, "doubtful")) >= n - 2


def test_an_answered_cell_gets_another_answer_and_the_rest_of_the_screen_stays(reviewed):
    project, image_id, n = reviewed
    wall = Wall(chosen=CellFilter("named", 1))
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


def test_answers_are_those_of_the_person_who_gave_them_last(reviewed):
    project, image_id, n = reviewed
    boxes = project.log.boxes(image_id)
    boxes[2] = boxes[2]._replace(label=2, review_status="changed")
    boxes[3] = boxes[3]._replace(note="look at this")  # no answer
    project.annotate_as("Ada")
    project.reviews.save_boxes(image_id, boxes, origin="expert", version=project.log.version(image_id))
    assert [cell.number for cell in of(project, "named", annotator="Ada")] == [2]
    unsigned = of(project, "named", annotator="")
    assert {cell.number for cell in unsigned if cell.image_id == image_id} == {*range(3, n)}
    assert {cell.image_id for cell in unsigned} > {image_id}  # and the imported ones
    assert of(project, "named", annotator="Bob") == []
    assert project.log.annotators() == ["Ada"]
    assert project.log.any_unsigned()


def test_answers_to_check_can_be_those_that_look_like_one_class(reviewed, monkeypatch):
    monkeypatch.setattr(answered, "FEWEST", 4)
    monkeypatch.setattr(answered, "DOUBTFUL", 1.0)  # all
    project, names = reviewed[0], reviewed[0].classes.names()
    hints = Counter(cell.hint for cell in of(project, "doubtful"))
    for label, name in enumerate(names):
        like = of(project, "doubtful", resembles=label)
        assert Counter(cell.hint for cell in like) == Counter({f"looks like {name}": len(like)})
        assert len(like) == hints[f"looks like {name}"]


@pytest.fixture
def tested(reviewed):
    """The same with a test image of three cells: kept, unsure, and not read."""
    project, _, _ = reviewed
    image_id, cells = add_image(project, 77, group="test slide", split="test")
    three = Annotations(cells.boxes[:3], cells.labels[:3])
    status = ["kept", "unsure", "open"]
    project.reviews.save(image_id, three, origin="expert", base_revision=0, review_status=status)
    return project, image_id, three


def test_cells_of_test_images_are_shown_where_they_are_wanted_by_the_name_that_the_expert_gave(tested):
    project, image_id, cells = tested
    assert image_id not in {cell.image_id for cell in of(project, "named")}
    assert image_id in {cell.image_id for cell in of(project, "named", of_test="with")}
    [kept] = of(project, "named", of_test="only")
    assert (kept.image_id, kept.number, kept.label, kept.is_test) == (image_id, 0, cells.labels[0], True)
    assert of(project, "named", group="test slide", of_test="only")
    [unsure] = of(project, "unsure", of_test="only")
    assert (unsure.number, unsure.label) == (1, answered.HIDDEN)  # its name is the model's
    project.splits.hide_names(hide=False)
    assert of(project, "unsure", of_test="only")[0].label == cells.labels[1]
    assert not any(cell.is_test for cell in of(project, "doubtful", of_test="only"))


def test_a_test_cell_is_answered_anew_as_in_its_image_and_chooses_no_other_cell(tested):
    project, image_id, cells = tested
    wall = Wall(size=12, chosen=CellFilter("named", of_test="only"))
    wall.fill(project)
    wall.fill(project)  # it stays, though it is of a test image
    [cell] = wall.screen
    wall.more_like(cell)
    assert (wall.like, wall.screen) == (None, [cell])
    assert "test image" in wall.notice
    label = (cell.label + 1) % 3
    wall.settle(project, {cell.id: label})
    box = project.log.boxes(image_id)[0]
    assert (box.label, box.review_status) == (label, "changed")
    assert project.reviews.current(image_id).review_status == ("changed", "unsure", "open")
    assert cell.id not in {each.id for each in of(project, "named")}
    wall.undo(project)
    assert project.log.boxes(image_id)[0].label == cells.labels[0]
    assert verify(project.path).ok


def test_an_unsure_test_cell_that_is_named_as_the_model_did_is_kept(tested):
    project, image_id, cells = tested
    wall = Wall(chosen=CellFilter("unsure", of_test="only"))
    wall.fill(project)
    wall.settle(project, {wall.screen[0].id: int(cells.labels[1])})
    assert project.log.boxes(image_id)[1].review_status == "kept"


def test_more_cells_than_are_asked_for_at_once_come_one_after_the_other(reviewed, monkeypatch):
    project, _, _ = reviewed
    monkeypatch.setattr(wall_module, "_ANSWERED", 5)
    wall, n_shown = Wall(size=4, chosen=CellFilter("named")), 0
    while wall.fill(project) or wall.screen:
        n_shown += len(wall.screen)
        wall.settle(project, {}, [cell.id for cell in wall.screen])
    assert n_shown == len(of(project, "named"))
