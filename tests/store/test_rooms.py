"""The rooms of the store: typed in, typed out, and what the database itself holds."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rbcal import __version__
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import ConflictError, JobError, ProjectError
from rbcal.evaluation.metrics import Comparison, Difference, Evaluation
from rbcal.store import database
from rbcal.store.images import Group
from rbcal.store.log import BoxState
from rbcal.store.rankings import Cell, Score
from rbcal.types import Annotations, Detections
from tests.conftest import add_image

ONE_CELL = Annotations([[1, 2, 3, 4]], [0])
FIGURES = Evaluation(0.5, 0.4, 0.3, None, (0.4, 0.6, None), (1, 1, 0), 1)


def train_on(project, *images, checkpoint=b"weights"):
    """Add a model and let it serve; return its id."""
    used = {"train": [project.images.get(id_) for id_ in images]}
    model_id = project.models.add(TrainConfig(), checkpoint, used, 1.0)
    project.models.promote(model_id, "gate")
    return model_id


# classes


def test_each_class_can_have_a_key_of_its_own(project):
    project.classes.set_keys(["d", None, "x"])
    assert [each.key for each in project.classes.all()] == ["d", None, "x"]
    with pytest.raises(ProjectError, match="same key"):
        project.classes.set_keys(["d", "d", None])
    assert [each.key for each in project.classes.all()] == ["d", None, "x"]


# images and the frozen test set


def test_a_thumbnail_is_kept(project):
    image_id, _ = add_image(project, 1)
    assert project.images.thumbnail(image_id) is None
    project.images.save_thumbnail(image_id, b"small")
    assert project.images.thumbnail(image_id) == b"small"


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
        project.models.add(TrainConfig(), b"weights", {"train": [posing]}, 1.0)


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


# models and their checkpoints


def test_a_checkpoint_of_many_chunks_comes_back(project, monkeypatch):
    monkeypatch.setattr(database, "CHUNK_BYTES", 10)
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


def test_a_model_knows_what_it_was_made_of(project):
    image_id, cells = add_image(project, 1, annotated=True)
    parent = train_on(project, image_id)
    used = {"train": [project.images.get(image_id)], "validate": []}
    model_id = project.models.add(
        TrainConfig(init="serving"), b"w", used, 1.0, parent_id=parent, kept_step=7, validation=0.5
    )
    model = project.models.get(model_id)
    assert (model.n_images, model.n_cells, model.parent_id) == (1, len(cells), parent)
    assert (model.kept_step, model.validation, model.has_weights) == (7, 0.5, True)
    assert model.config == TrainConfig(init="serving")
    assert model.code_version == __version__


def test_a_model_serves_from_its_promotion_on_and_can_be_rolled_back(project):
    image_id, _ = add_image(project, 1, annotated=True)
    assert project.models.serving() is None
    first, second = train_on(project, image_id), train_on(project, image_id)
    assert project.models.serving().id == second
    project.models.promote(first, "expert")
    assert project.models.serving().id == first
    with pytest.raises(ProjectError, match="no model 99"):
        project.models.promote(99, "expert")


def worse(high=-0.1):
    return Comparison(Difference(0.6, 0.4, -0.3, high), (Difference(0.6, 0.4, -0.3, high), None), 9)


def test_a_model_that_is_worse_is_a_question_until_somebody_answers_or_a_newer_one_comes(project):
    image_id, _ = add_image(project, 1, annotated=True)
    old, new, third = (train_on(project, image_id) for _ in range(3))
    project.models.compare(new, old, worse())
    question = project.models.question()
    assert (question.model.id, question.serving.id, question.comparison) == (new, old, worse())
    project.models.promote(old, "expert")
    assert project.models.question() is None
    project.models.compare(third, old, worse(high=0.1))
    assert project.models.question() is None


def test_only_checkpoints_that_serve_are_best_or_are_new_stay(project):
    image_id, _ = add_image(project, 1, annotated=True)
    ids = [train_on(project, image_id) for _ in range(6)]
    for model_id, ap in zip(ids, (0.1, 0.9, 0.2, 0.3, 0.4, 0.5), strict=True):
        project.evaluations.save(model_id, replace(FIGURES, precision_all=ap))
        project.evaluations.save_detections(model_id, image_id, Detections([[0, 0, 1, 1]], [[0.5, 0.5]]))
    project.models.promote(ids[2], "expert")
    assert project.models.prune() == [ids[0], ids[3]]
    assert [model.has_weights for model in project.models.all()] == [False, True, True, False, True, True]
    assert project.models.prune() == []
    assert [point.model_id for point in project.evaluations.curve()] == ids
    assert project.evaluations.detections(ids[0]) == {}
    for act in (project.models.checkpoint, lambda model_id: project.models.promote(model_id, "expert")):
        with pytest.raises(ProjectError, match=f"model {ids[0]} was pruned"):
            act(ids[0])


def test_groups_that_taught_an_ancestor_are_known(project):
    images = [
        project.images.get(add_image(project, seed, group=f"slide{seed}", annotated=True)[0])
        for seed in (1, 2, 3)
    ]
    first = project.models.add(TrainConfig(), b"w", {"train": images[:1], "validate": images[1:2]}, 1.0)
    second = project.models.add(TrainConfig(), b"w", {"train": images[2:]}, 1.0, parent_id=first)
    assert project.models.trained_groups(first) == {"slide1"}
    assert project.models.trained_groups(second) == {"slide1", "slide3"}


def test_detections_of_the_test_set_come_back(project):
    result, _ = add_image(project, 3, annotated=True)
    image_id, _ = add_image(project, 1, group="test", split="test", annotated=True)
    other, _ = add_image(project, 2, group="test", split="test", annotated=True)
    model_id = train_on(project, result)
    project.evaluations.save_detections(model_id, result, Detections(np.empty((0, 4)), np.empty((0, 3))))
    found = Detections([[0, 1, 2, 3], [4, 5, 6, 7]], [[0.5, 0.25, 0.25], [0, 1, 0]])
    project.evaluations.save_detections(model_id, image_id, found)
    project.evaluations.save_detections(model_id, other, Detections(np.empty((0, 4)), np.empty((0, 3))))
    back = project.evaluations.detections(model_id)
    assert np.array_equal(back[image_id].boxes, found.boxes)
    assert np.array_equal(back[image_id].probs, found.probs)
    assert len(back[other]) == 0
    assert list(back) == [image_id, other]
    assert list(project.evaluations.detections(model_id, "work")) == [result]


def test_a_training_that_was_stopped_comes_back_with_the_annotations_of_its_time(project, monkeypatch):
    monkeypatch.setattr(database, "CHUNK_BYTES", 10)
    image_id, _ = add_image(project, 1, annotated=True)
    image = project.images.get(image_id)
    config = TrainConfig(steps=50)
    for step in (3, 9):
        project.snapshots.save(
            b"state" * step,
            config=config,
            n_classes=3,
            step=step,
            seconds=1.5,
            images={"train": [image]},
            parent_id=None,
        )
    project.reviews.save(image_id, ONE_CELL, origin="expert", base_revision=1)
    snapshot = project.snapshots.current()
    assert (snapshot.config, snapshot.step, snapshot.n_classes, snapshot.seconds) == (config, 9, 3, 1.5)
    assert snapshot.image_revisions == (("train", image_id, image.review_id),)
    assert project.snapshots.state() == b"state" * 9
    project.snapshots.discard()
    assert project.snapshots.current() is None
    assert project._database.value("SELECT count(*) FROM snapshot_chunk") == 0
    with pytest.raises(ProjectError, match="no training to resume"):
        project.snapshots.state()


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
    assert [entry.image_id for entry in project.queue.top()] == [second, third, first]
    assert [entry.image_id for entry in project.queue.top(limit=1)] == [second]
    assert project.queue.flagged_in_pool() == 33


def test_a_ranking_counts_only_once_it_is_finished(ranked):
    project, images, _ = ranked
    assert project.rankings.current() is None
    assert project.queue.flagged_in_pool() is None
    assert [(entry.image_id, entry.score) for entry in project.queue.top()] == [
        (image_id, None) for image_id in images
    ]


def test_a_reviewed_image_leaves_the_queue_and_a_new_one_waits_at_its_end(ranked):
    project, (first, second, third), ranking_id = ranked
    project.rankings.finish(ranking_id)
    project.reviews.save(second, ONE_CELL, origin="expert", base_revision=0)
    newcomer, _ = add_image(project, 50)
    assert [entry.image_id for entry in project.queue.top()] == [third, first, newcomer]
    assert project.queue.flagged_in_pool() == 3


def test_an_image_that_was_put_off_keeps_its_rank_until_it_is_reviewed(ranked):
    project, (first, second, third), ranking_id = ranked
    project.rankings.finish(ranking_id)
    project.queue.skip(second)
    assert project.queue.order() == [(second, True), (third, False), (first, False)]
    assert [entry.skipped for entry in project.queue.top()] == [True, False, False]
    project.reviews.save(second, ONE_CELL, origin="expert", base_revision=0)
    assert project._database.value("SELECT count(*) FROM skipped") == 0


def test_the_queue_can_be_asked_for_one_class(ranked):
    project, (first, second, _), ranking_id = ranked
    sure = cell()._replace(probs=np.array([0.1, 0.9, 0, 0], np.float32))
    maybe_spiky = cell()._replace(probs=np.array([0.1, 0.6, 0, 0.3], np.float32))
    ranking_id = project.rankings.begin(project.models.serving().id, ScoringConfig())
    project.rankings.add(ranking_id, first, score(1), [sure])
    project.rankings.add(ranking_id, second, score(2), [sure, maybe_spiky])
    project.rankings.finish(ranking_id)
    orders = [[image_id for image_id, _ in project.queue.order(label)] for label in (0, 1, 2)]
    assert orders == [[second, first], [], [second]]
    assert [entry.rare_names for entry in project.queue.entries([first, second])] == [(), ("spiky",)]


def test_the_boxes_of_the_passes_come_back_to_a_fraction_of_a_pixel(ranked):
    project, (first, *_), _ = ranked
    passes = np.float32([[1000.25, 2, 1030, 44], [999.5, 2.5, 1031, 40]])
    found = cell()._replace(box=np.float32([1000, 2, 1030, 40]), passes=passes)
    ranking_id = project.rankings.begin(project.models.serving().id, ScoringConfig())
    project.rankings.add(ranking_id, first, score(1), [found, cell()])
    back, without = project.rankings.cells(ranking_id, first)
    np.testing.assert_allclose(back.passes, passes, atol=0.02)
    assert without.passes is None


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


# near-duplicates and groups


def test_a_perceptual_hash_is_kept_with_its_image_and_one_of_an_unreadable_picture_is_no_hash(project):
    (first, _), (second, _), (third, _) = (add_image(project, seed) for seed in (1, 2, 3))
    assert project.images.without_hash() == [first, second, third]
    project.images.save_hash(first, bytes(range(32)))
    project.images.save_hash(second, b"")
    assert project.images.without_hash() == [third]
    assert project.images.perceptual_hashes() == {first: bytes(range(32))}


def test_groups_are_counted_with_their_side(project):
    for seed, group, split in ((1, "b", "work"), (2, "b", "work"), (3, "a", "test")):
        add_image(project, seed, group=group, split=split)
    project.images.add_group("empty", "work")
    assert project.images.groups() == [Group("a", "test", 1), Group("b", "work", 2)]


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
