"""The rooms of the store: typed in, typed out, and what the database itself holds."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rbcal.boxes import Annotations
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import ConflictError, JobError, ProjectError
from rbcal.metrics import Evaluation
from rbcal.store import models
from rbcal.store.rankings import Cell, Score
from rbcal.store.reviews import Draft
from tests.conftest import add_image

ONE_CELL = Annotations([[1, 2, 3, 4]], [0])
FIGURES = Evaluation(0.5, 0.4, 0.3, None, (0.4, 0.6, None), (1, 1, 0), 1)


def train_on(project, *images, checkpoint=b"weights"):
    return project.models.add(TrainConfig(), checkpoint, [project.images.get(id_) for id_ in images], 1.0)


# images and the frozen test set


def test_counts_tell_pool_annotated_and_test_apart(project):
    add_image(project, 1)
    _, cells = add_image(project, 2, annotated=True)
    _, test_cells = add_image(project, 3, group="other", split="test", annotated=True)
    counts = project.images.counts()
    assert (counts.images, counts.pool_images, counts.annotated_images, counts.test_images) == (3, 1, 1, 1)
    assert (counts.annotated_cells, counts.test_cells) == (len(cells), len(test_cells))


def test_the_same_bytes_are_stored_once(project):
    add_image(project, 1)
    with pytest.raises(sqlite3.IntegrityError, match=r"image\.sha256"):
        add_image(project, 1)


def test_a_group_is_never_torn_between_training_and_test(project):
    add_image(project, 1, group="slide", split="work")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        add_image(project, 2, group="slide", split="test")


def test_the_database_refuses_to_train_on_a_test_image(project):
    image_id, _ = add_image(project, 1, split="test", annotated=True)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed: split = 'work'"):
        train_on(project, image_id)
    assert project.models.all() == []


def test_the_database_refuses_to_call_a_test_image_a_training_image(project):
    image_id, _ = add_image(project, 1, split="test", annotated=True)
    posing = replace(project.images.get(image_id), split="work")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        project.models.add(TrainConfig(), b"weights", [posing], 1.0)


@pytest.mark.parametrize("table", ["image", "image_group"])
def test_no_image_changes_its_side(project, table):
    add_image(project, 1, split="test")
    with pytest.raises(sqlite3.IntegrityError, match="the test set is frozen"):
        project._database.write(f"UPDATE {table} SET split = 'work'")


def test_no_image_joins_the_test_set_after_a_measurement(project):
    image_id, _ = add_image(project, 1, annotated=True)
    add_image(project, 2, group="other", split="test", annotated=True)
    project.evaluations.save(train_on(project, image_id), FIGURES)
    with pytest.raises(sqlite3.IntegrityError, match="the test set is frozen"):
        add_image(project, 3, group="other", split="test")


# reviews


def test_an_earlier_review_stays(project):
    image_id, first = add_image(project, 1, annotated=True)
    project.reviews.save(image_id, ONE_CELL, origin="expert", base_revision=1, seconds=7.5)
    current = project.reviews.current(image_id)
    assert (current.revision, current.origin, current.seconds) == (2, "expert", 7.5)
    assert current.annotations.boxes.tolist() == ONE_CELL.boxes.tolist()
    assert project._database.value("SELECT count(*) FROM annotation") == len(first) + 1
    assert project.images.get(image_id).n_cells == 1


def test_the_second_of_two_savers_is_told_and_overwrites_nothing(project):
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


def test_a_save_that_fails_keeps_the_draft(project):
    image_id, _ = add_image(project, 1)
    project.reviews.save_draft(image_id, Draft([{"x": 1}], 3.0))
    unknown_class = Annotations([[1, 2, 3, 4]], [99])
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        project.reviews.save(image_id, unknown_class, origin="expert", base_revision=0)
    assert project.reviews.draft(image_id) == Draft([{"x": 1}], 3.0)
    assert project.reviews.current(image_id) is None


def test_a_save_takes_the_place_of_the_draft(project):
    image_id, _ = add_image(project, 1)
    project.reviews.save_draft(image_id, Draft([], 3.0))
    project.reviews.save(image_id, ONE_CELL, origin="expert", base_revision=0)
    assert project.reviews.draft(image_id) is None


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


# models and their checkpoints


def test_a_checkpoint_of_many_chunks_comes_back(project, monkeypatch):
    monkeypatch.setattr(models, "CHUNK_BYTES", 10)
    image_id, _ = add_image(project, 1, annotated=True)
    content = bytes(range(256)) * 3
    model_id = train_on(project, image_id, checkpoint=content)
    assert project._database.value("SELECT count(*) FROM checkpoint_chunk") == 77
    assert project.models.checkpoint(model_id) == content


def test_a_damaged_checkpoint_is_refused(project):
    image_id, _ = add_image(project, 1, annotated=True)
    model_id = train_on(project, image_id)
    project._database.write("UPDATE checkpoint_chunk SET content = x'00'")
    with pytest.raises(ProjectError, match="damaged"):
        project.models.checkpoint(model_id)


def test_the_newest_model_serves_and_knows_what_it_was_trained_on(project):
    image_id, cells = add_image(project, 1, annotated=True)
    train_on(project, image_id)
    newest = train_on(project, image_id)
    model = project.models.serving()
    assert (model.id, model.n_images, model.n_cells) == (newest, 1, len(cells))
    assert model.config == TrainConfig()


def test_figures_come_back_and_a_second_measurement_replaces_the_first(project):
    image_id, cells = add_image(project, 1, annotated=True)
    model_id = train_on(project, image_id)
    project.evaluations.save(model_id, replace(FIGURES, map_50=0.1))
    project.evaluations.save(model_id, FIGURES)
    [point] = project.evaluations.curve()
    assert point.evaluation == FIGURES == project.evaluations.of(model_id)
    assert point.n_cells == len(cells)


# rankings


def score(relevance, n_flagged=0):
    return Score(relevance, 1, n_flagged, 0, n_flagged, 0)


def cell(u_d=0.5):
    return Cell(
        0, np.array([1, 2, 3, 4], np.float32), u_d, 0.8, 1.0, np.array([0.1, 0.2, 0.6, 0.1], np.float32)
    )


@pytest.fixture
def ranked(project):
    """Three images in the pool, scored 1, 30 and 2, and a ranking under way."""
    trained, _ = add_image(project, 100, annotated=True)
    images = [add_image(project, seed)[0] for seed in (1, 2, 3)]
    ranking_id = project.rankings.begin(train_on(project, trained), ScoringConfig())
    for image_id, relevance in zip(images, (1, 30, 2), strict=True):
        project.rankings.add(ranking_id, image_id, score(relevance, n_flagged=relevance), [cell()])
    return project, images, ranking_id


def test_the_queue_is_the_ranking(ranked):
    project, (first, second, third), ranking_id = ranked
    project.rankings.finish(ranking_id)
    assert [entry.image_id for entry in project.rankings.queue()] == [second, third, first]
    assert [entry.image_id for entry in project.rankings.queue(limit=1)] == [second]
    assert project.rankings.flagged_in_pool() == 33


def test_a_ranking_counts_only_once_it_is_finished(ranked):
    project, images, _ = ranked
    assert project.rankings.current() is None
    assert project.rankings.flagged_in_pool() is None
    assert [(entry.image_id, entry.score) for entry in project.rankings.queue()] == [
        (image_id, None) for image_id in images
    ]


def test_a_reviewed_image_leaves_the_queue_and_a_new_one_waits_at_its_end(ranked):
    project, (first, second, third), ranking_id = ranked
    project.rankings.finish(ranking_id)
    project.reviews.save(second, ONE_CELL, origin="expert", base_revision=0)
    newcomer, _ = add_image(project, 50)
    assert [entry.image_id for entry in project.rankings.queue()] == [third, first, newcomer]
    assert project.rankings.flagged_in_pool() == 3


def test_a_ranking_is_stale_when_a_newer_model_serves(ranked):
    project, _, ranking_id = ranked
    project.rankings.finish(ranking_id)
    assert not project.rankings.current().stale
    train_on(project, project.images.annotated()[0].id)
    assert project.rankings.current().stale


def test_cells_come_back_with_their_scores(ranked):
    project, (first, *_), ranking_id = ranked
    [back] = project.rankings.cells(ranking_id, first)
    assert (back.u_d, back.u_c, back.u_r, back.label) == (0.5, 0.8, 1.0, 1)
    assert back.box.tolist() == [1, 2, 3, 4]
    assert np.array_equal(back.probs, cell().probs)


def test_a_class_younger_than_the_model_has_no_chance(ranked):
    project, (first, *_), ranking_id = ranked
    project.classes.add(["fourth"])
    [back] = project.rankings.cells(ranking_id, first)
    assert back.probs.tolist() == [*cell().probs.tolist(), 0]


def test_a_new_ranking_keeps_the_cells_that_a_review_started_from(ranked):
    project, (first, second, _), old = ranked
    project.rankings.finish(old)
    [source] = project.rankings.cells(old, second)
    project.reviews.save(
        second,
        ONE_CELL,
        origin="expert",
        base_revision=0,
        detection_ids=[source.detection_id],
        ranking_id=old,
    )
    new = project.rankings.begin(project.models.serving().id, ScoringConfig())
    project.rankings.add(new, first, score(5), [cell(0.9)])
    project.rankings.finish(new)
    assert project.rankings.cells(old, first) == []
    assert len(project.rankings.cells(old, second)) == len(project.rankings.cells(new, first)) == 1
    assert [state.n_flagged for state in project.rankings.history()] == [33, 0]


# jobs


def test_at_most_one_job_is_under_way(project):
    first = project.jobs.add("train", {})
    with pytest.raises(JobError, match="under way"):
        project.jobs.add("score", {})
    project.jobs.end(first, "done")
    assert project.jobs.add("score", {}) > first


def test_a_job_that_ended_does_not_end_again(project):
    job_id = project.jobs.add("train", {})
    project.jobs.end(job_id, "done")
    project.jobs.end(job_id, "failed", "too late")
    job = project.jobs.get(job_id)
    assert (job.state, job.reason) == ("done", None)


def test_the_time_left_follows_from_the_steps_done(project):
    job_id = project.jobs.add("train", {})
    project.jobs.begin_stage(job_id, "Training", 100)
    project.jobs.advance(job_id, 25, 1.5)
    job = project.jobs.get(job_id)
    assert job.seconds_left(job.stage_started_at + timedelta(seconds=10)) == pytest.approx(30)
    assert project.jobs.losses(job_id) == [(25, 1.5)]
    assert project.jobs.log_tail(job_id)[-1].endswith("Training")


def test_the_worker_hears_of_a_cancel_at_its_next_step(project):
    job_id = project.jobs.add("train", {})
    assert not project.jobs.advance(job_id, 1)
    project.jobs.request_cancel(job_id)
    assert project.jobs.advance(job_id, 2)


def test_rare_classes_are_marked_and_unmarked(project):
    assert project.classes.rare_labels() == (2,)
    project.classes.set_rare(["disc", "slit"])
    assert project.classes.rare_labels() == (0, 1)
    with pytest.raises(ProjectError, match="no class 'nose'"):
        project.classes.set_rare(["nose"])
