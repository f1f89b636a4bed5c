"""Evaluations: the figures of a model, and its detections in annotated images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from safetensors.numpy import save as safetensors
from sqlite_utils.migrations import Migrations

from rbcal.config import TrainConfig
from rbcal.evaluation.metrics import ClassIntervals
from rbcal.store import backups, migrations
from rbcal.store.project import Project
from rbcal.store.verification import verify
from rbcal.types import Detections
from tests.conftest import add_image
from tests.store.conftest import FIGURES, save_as_older_rbcal, train_on


def test_detections_of_the_test_set_come_back(project):
    result, _ = add_image(project, 3, annotated=True)
    image_id, _ = add_image(project, 1, group="test", split="test", annotated=True)
    other, _ = add_image(project, 2, group="test", split="test", annotated=True)
    model_id = train_on(project, result)
    project.evaluations.save_detections(model_id, result, Detections(np.empty((0, 4)), np.empty((0, 3))))
    detections = Detections([[0, 1, 2, 3], [4, 5, 6, 7]], [[0.5, 0.25, 0.25], [0, 1, 0]])
    project.evaluations.save_detections(model_id, image_id, detections)
    project.evaluations.save_detections(model_id, other, Detections(np.empty((0, 4)), np.empty((0, 3))))
    back = project.evaluations.detections(model_id)
    assert np.array_equal(back[image_id].boxes, detections.boxes)
    assert np.array_equal(back[image_id].probs, detections.probs)
    assert len(back[other]) == 0
    assert list(back) == [image_id, other]
    assert list(project.evaluations.detections(model_id, "work")) == [result]


def test_figures_come_back_and_a_second_measurement_replaces_the_first(project):
    image_id, cells = add_image(project, 1, annotated=True)
    model_id = train_on(project, image_id)
    project.evaluations.save(model_id, replace(FIGURES, map_50=0.1))
    project.evaluations.save(model_id, FIGURES)
    [point] = project.evaluations.curve()
    assert point.evaluation == FIGURES == project.evaluations.of(model_id)
    assert point.n_cells == len(cells)


def test_the_counts_of_names_come_back_and_those_that_nobody_made_do_not(project):
    image_id, _ = add_image(project, 1, annotated=True)
    older, newer = train_on(project, image_id), train_on(project, image_id)
    project.evaluations.save(older, FIGURES)
    counted = replace(FIGURES, n_named=(3, 0, 2), n_correct=(1, 0, 0))
    project.evaluations.save(newer, counted)
    assert project.evaluations.of(older).n_named is None
    assert project.evaluations.of(newer) == counted
    assert project.evaluations.of(newer).precision == (1 / 3, None, 0)


def test_the_intervals_of_classes_with_few_test_cells_come_back(project):
    image_id, _ = add_image(project, 1, annotated=True)
    intervals = (ClassIntervals((0.1, 0.9), (0, 0.5), None, (0.2, 0.8)), None, None)
    project.evaluations.save(train_on(project, image_id), replace(FIGURES, intervals=intervals))
    project.evaluations.save(train_on(project, image_id), FIGURES)
    measured, older = (point.evaluation for point in project.evaluations.curve())
    assert measured.intervals == intervals
    assert measured.interval(0) == intervals[0]
    assert (older.intervals, older.interval(0)) == (None, None)


def test_a_measurement_of_format_1_opens_without_recall_and_can_be_made_again(tmp_path, monkeypatch):
    first = Migrations("rbcal")
    first(name="m001_first")(migrations.m001_first)
    path = tmp_path / "old.rbcal"
    with monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", first)
        older.setattr(migrations, "USER_VERSION", 1)
        with Project.create(path, classes=["disc", "slit", "spiky"]) as project:
            image_id, cells = add_image(project, 1)
            save_as_older_rbcal(project, image_id, cells, "import", [None] * len(cells))
            project._database.write(
                "INSERT INTO evaluation VALUES (1, ?, 0.5, 0.4, 0.3, NULL, 1, '2026-11-03T14:02:33+00:00')",
                (train_on(project, image_id, checkpoint=safetensors({})),),
            )
            rows = [(1, 0, 1, 0.4), (1, 1, 1, 0.6), (1, 2, 0, None)]
            project._database.write_many("INSERT INTO class_evaluation VALUES (?, ?, ?, ?)", rows)
    with Project.open(path) as project:
        assert project.evaluations.of(1) == FIGURES
        assert project.evaluations.of(1).recall == (None, None, None)
        assert not project.models.get(1).config.second_look  # there was none yet, whatever the default is now
        project.evaluations.save(1, replace(FIGURES, n_named=(1, 0, 0), n_correct=(1, 0, 0)))
        assert project.evaluations.of(1).recall == (1, 0, None)
    assert verify(path).ok
    assert [each.why for each in backups.listing(path)] == [f"before-format-{migrations.USER_VERSION}"]


def test_a_model_of_the_same_annotations_is_no_new_cell_and_one_of_a_new_review_is(project):
    first, cells = add_image(project, 1, annotated=True)
    second, _ = add_image(project, 2, annotated=True)
    for images in ((first,), (first,), (first, second)):
        project.evaluations.save(train_on(project, *images), FIGURES)
    project.reviews.save(first, cells, origin="expert", base_revision=1)  # as many cells, read anew
    project.evaluations.save(train_on(project, first, second), FIGURES)
    project.evaluations.save(train_on(project, second, first), FIGURES)
    curve = project.evaluations.curve()
    assert [point.same_cells_as for point in curve] == [None, 1, None, None, 4]


def test_the_steps_of_a_model_are_those_of_all_that_it_went_on_from(project):
    image_id, _ = add_image(project, 1, annotated=True)
    used = {"train": [project.images.get(image_id)]}
    for steps, parent_id, kept_step in ((200, None, None), (150, 1, 100), (150, 2, None), (80, None, None)):
        config = TrainConfig(steps=steps)
        more = {"parent_id": parent_id, "kept_step": kept_step}
        project.evaluations.save(project.models.add(config, b"weights", used, 1.0, **more), FIGURES)
    curve = project.evaluations.curve()
    assert [point.ancestors for point in curve] == [(), (1,), (2, 1), ()]
    assert [point.n_steps for point in curve] == [200, 300, 450, 80]
