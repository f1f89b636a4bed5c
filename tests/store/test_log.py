"""The log: reviews and unfinished work follow from it, and nobody can overwrite what he has not seen."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings

from rbcal.errors import ConflictError
from rbcal.review.boxes import EditedBox, to_states
from rbcal.review.history import History, replay
from rbcal.store.log import BoxState
from rbcal.types import Annotations
from tests.conftest import add_image
from tests.review.test_history import CELLS, acts

A, B, C = (BoxState((n, 2, n + 10, 12), 0) for n in range(3))


def test_an_act_knows_who_when_and_what_it_changed(project):
    image_id, _ = add_image(project, 1)
    project.sign(" Ann ")
    project.log.record(image_id, "begin", {0: A, 1: B}, version=0)
    project.log.record(image_id, "edit", {0: A, 2: C}, version=1, seconds=2.5)
    act = project.log.acts(image_id)[-1]
    assert (act.version, act.kind, act.who, act.seconds) == (2, "edit", "Ann", 2.5)
    assert [(each.box, each.before, each.after) for each in act.events] == [(1, B, None), (2, None, C)]


def test_an_act_after_a_version_that_is_not_the_last_is_refused(project):
    image_id, _ = add_image(project, 1)
    project.log.record(image_id, "begin", {0: A}, version=0)
    with pytest.raises(ConflictError, match="changed elsewhere"):
        project.log.record(image_id, "edit", {}, version=0)
    assert project.log.boxes(image_id) == {0: A}


@pytest.mark.parametrize("statement", ["UPDATE {} SET version = 9", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["act", "event"])
def test_the_log_is_append_only(project, table, statement):
    add_image(project, 1, annotated=True)
    with pytest.raises(sqlite3.IntegrityError, match="history"):
        project._database.write(statement.format(table))


def test_any_version_and_any_review_can_be_shown_again(project):
    image_id, _ = add_image(project, 1)
    for version, boxes in enumerate(({0: A}, {0: B, 1: C}, {})):
        project.reviews.save_boxes(image_id, boxes, origin="expert", version=version)
    ids = [each.review_id for each in project.log.acts(image_id)]
    assert [project.log.reviewed(each) for each in ids] == [{0: A}, {0: B, 1: C}, {}]
    assert project.log.boxes(image_id, 2) == {0: B, 1: C}
    assert len(project.reviews.annotations(ids[1])) == 2


def test_a_review_gets_the_seconds_of_all_acts_since_the_one_before(project):
    image_id, _ = add_image(project, 1)
    version = project.log.record(image_id, "begin", {0: A}, version=0)
    version = project.log.record(image_id, "edit", {}, version=version, seconds=4)
    project.reviews.save_boxes(image_id, {}, origin="expert", version=version, seconds=3)
    assert project.reviews.current(image_id).seconds == 7


def test_boxes_that_come_from_elsewhere_never_take_a_number_that_was_in_use(project):
    image_id, _ = add_image(project, 1, annotated=True)
    numbers = set(project.log.boxes(image_id))
    project.reviews.save(image_id, Annotations([[1, 2, 3, 4]], [0]), origin="expert", base_revision=1)
    assert numbers.isdisjoint(project.log.boxes(image_id))


@given(acts)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_undo_and_redo_after_a_restart_are_those_of_before(project, moves):
    image_id, _ = add_image(project, project.images.counts().images + 1)
    start = tuple(EditedBox(k, each.box, each.label, None, False) for k, each in enumerate(CELLS))
    history = History(start)
    version = project.log.record(image_id, "begin", to_states(start), version=0)
    for name, *arguments in moves:
        before, history = history, getattr(history, name)(*arguments)
        if history is not before:
            kind = name if name in ("undo", "redo") else "edit"
            boxes = to_states(history.present)
            version = project.log.record(image_id, kind, boxes, version=version)
    assert replay(project.log.work(image_id)) == history
