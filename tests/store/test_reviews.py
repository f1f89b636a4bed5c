"""Reviews: all are kept, the last one holds, and nobody overwrites what he has not read."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rbcal.errors import ConflictError, ShapeError
from rbcal.store.log import BoxState
from rbcal.store.verification import verify
from rbcal.types import Annotations
from tests.conftest import add_image
from tests.store.conftest import ONE_CELL


def test_an_earlier_review_stays(project):
    image_id, first = add_image(project, 1, annotated=True)
    project.reviews.save(image_id, ONE_CELL, origin="expert", base_revision=1, seconds=7.5)
    current = project.reviews.current(image_id)
    assert (current.revision, current.origin, current.seconds) == (2, "expert", 7.5)
    assert current.annotations.boxes.tolist() == ONE_CELL.boxes.tolist()
    assert project._database.value("SELECT count(*) FROM annotation") == len(first) + 1
    assert project.images.get(image_id).n_cells == 1


def test_the_second_of_two_savers_is_refused_and_overwrites_nothing(project):
    image_id, first = add_image(project, 1, annotated=True)
    with pytest.raises(ConflictError, match="saved elsewhere"):
        project.reviews.save(image_id, ONE_CELL, origin="expert", base_revision=0)
    assert len(project.reviews.current(image_id).annotations) == len(first)


def test_history_cannot_be_rewritten(project):
    add_image(project, 1, annotated=True)
    for statement in ("UPDATE annotation SET x1 = 0", "UPDATE review SET seconds = 0"):
        with pytest.raises(sqlite3.IntegrityError, match="history"):
            project._database.write(statement)


def test_an_image_without_cells_is_annotated_too(project):
    image_id, _ = add_image(project, 1)
    project.reviews.save(image_id, Annotations.empty(), origin="expert", base_revision=0)
    assert [image.id for image in project.images.annotated()] == [image_id]
    assert len(project.reviews.current(image_id).annotations) == 0


def test_a_save_that_fails_leaves_the_unfinished_work(project):
    image_id, _ = add_image(project, 1)
    version = project.log.record(image_id, "begin", {0: BoxState((1, 2, 3, 4), 0)}, version=0, seconds=3)
    work = project.log.work(image_id)
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        project.reviews.save_boxes(
            image_id, {0: BoxState((1, 2, 3, 4), 99)}, origin="expert", version=version
        )
    assert project.log.work(image_id) == work
    assert project.reviews.current(image_id) is None


corners, sides = st.floats(0, 1e4, width=32), st.floats(0.125, 1e3, width=32)


cell_boxes = st.tuples(corners, corners, sides, sides).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


@given(cells=st.lists(st.tuples(cell_boxes, st.integers(0, 2)), max_size=20))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_annotations_come_back_bit_for_bit(project, cells):
    pool = project.images.pool() + project.images.annotated()
    image_id = pool[0].id if pool else add_image(project, 1)[0]
    annotations = Annotations(
        np.array([box for box, _ in cells], np.float32).reshape(-1, 4), [label for _, label in cells]
    )
    revision = project.images.get(image_id).revision
    project.reviews.save(image_id, annotations, origin="expert", base_revision=revision)
    back = project.reviews.current(image_id).annotations
    assert np.array_equal(back.boxes, annotations.boxes)
    assert np.array_equal(back.labels, annotations.labels)


def test_boxes_that_were_saved_open_are_annotations_that_nobody_read(project):
    image_id, _ = add_image(project, 1)
    three = Annotations([[1, 1, 9, 9], [11, 1, 19, 9], [21, 1, 29, 9]], [0, 1, 2])
    project.reviews.save(
        image_id, three, origin="expert", base_revision=0, review_status=["open", "kept", None]
    )
    stored = project.reviews.current(image_id).annotations
    assert stored.read.tolist() == [False, True, True]
    assert stored.read_labels.tolist() == [1, 2]


def test_annotations_without_a_word_on_it_are_read_and_another_length_is_refused():
    assert Annotations([[1, 1, 9, 9]], [0]).read.tolist() == [True]
    assert len(Annotations.empty().read) == 0
    with pytest.raises(ShapeError, match=r"read must have shape \(1\), but got \(2,\)"):
        Annotations([[1, 1, 9, 9]], [0], [True, False])


def test_what_became_of_each_box_and_of_each_spot_check_is_kept(ranked):
    project, (first, second, _), ranking_id = ranked
    project.rankings.finish(ranking_id)
    for image_id, wrong in ((first, False), (second, True)):
        [source] = project.rankings.cells(ranking_id, image_id)
        project.reviews.save_boxes(
            image_id,
            {0: BoxState((1, 2, 3, 4), 0, "kept")},
            origin="expert",
            version=0,
            spot_checks={source.detection_id: wrong},
            ranking_id=ranking_id,
        )
    assert project.reviews.current(first).review_status == ("kept",)
    assert project.reviews.spot_checks(project.models.serving().id) == (1, 2)
    assert project.reviews.spot_checks(99) == (0, 0)
    latest = project.reviews.latest(2)
    assert [(each.image_id, each.n_cells, each.origin) for each in latest] == [
        (second, 1, "expert"),
        (first, 1, "expert"),
    ]


def test_a_test_image_that_the_expert_read_is_among_those_that_he_can_open_again(project):
    work, truth = add_image(project, 1, annotated=True)
    test, _ = add_image(project, 2, group="other", split="test", annotated=True)
    assert [each.image_id for each in project.reviews.latest(9)] == [work]  # the other came with its boxes
    project.reviews.save(test, truth, origin="expert", base_revision=1)
    assert [(each.image_id, each.split) for each in project.reviews.latest(9)] == [
        (test, "test"),
        (work, "work"),
    ]
    assert project.reviews.count() == 2


def test_annotated_cells_are_counted_on_each_side(project):
    _, work = add_image(project, 1, annotated=True)
    _, test = add_image(project, 2, group="other", split="test", annotated=True)
    assert sum(project.reviews.cells_per_class("test").values()) == len(test)
    assert sum(project.reviews.cells_per_class().values()) == len(work)


def test_the_experts_time_is_counted_up_to_a_moment(project):
    image_id, annotations = add_image(project, 1)
    project.reviews.save(image_id, annotations, origin="expert", base_revision=0, seconds=30)
    at = project.reviews.current(image_id).created_at
    assert project.reviews.expert_seconds() == project.reviews.expert_seconds(at) == 30
    assert project.reviews.expert_seconds("2020-01-01T00:00:00.000+00:00") == 0


def test_a_version_counts_the_cells_that_were_read(project):
    image_id, cells = add_image(project, 1)
    status = ["kept", *["open"] * (len(cells) - 1)]
    project.reviews.save(image_id, cells, origin="expert", base_revision=0, review_status=status)
    assert [each.n_cells for each in project.reviews.versions(image_id)] == [1]


def test_a_cell_left_unsure_is_read_but_counts_as_no_cell_of_its_class(project):
    image_id, _ = add_image(project, 1)
    boxes = {0: BoxState((1, 1, 9, 9), 0, "kept"), 1: BoxState((11, 1, 19, 9), 2, "unsure", note="a stain?")}
    project.reviews.save_boxes(image_id, boxes, origin="expert", version=0)
    image, review = project.images.get(image_id), project.reviews.current(image_id)
    assert (image.n_cells, image.n_unread, image.n_unsure, image.n_boxes) == (1, 0, 1, 2)
    assert review.annotations.read.tolist() == [True, False]
    assert project.reviews.cells_per_class() == {0: 1}
    assert project.images.counts().annotated_cells == 1
    assert project.log.boxes(image_id) == boxes
    assert verify(project.path).ok


def test_a_note_is_history_too(project):
    image_id, _ = add_image(project, 1)
    noted = {0: BoxState((1, 1, 9, 9), 0, "kept", note="no nucleus")}
    project.reviews.save_boxes(image_id, {0: noted[0]._replace(note="")}, origin="expert", version=0)
    version = project.log.record(image_id, "edit", noted, version=1)
    [event] = project.log.acts(image_id)[-1].events
    assert (event.before.note, event.after.note) == ("", "no nucleus")
    assert project.log.boxes(image_id, version) == noted
