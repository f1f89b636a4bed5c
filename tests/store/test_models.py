"""Models: their checkpoints, what they were trained on, and which of them serves."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from rbcal import __version__
from rbcal.config import TrainConfig
from rbcal.errors import ProjectError
from rbcal.evaluation.metrics import Comparison, Difference
from rbcal.store import database
from rbcal.store.models import StoredComparison
from rbcal.types import Detections
from tests.conftest import add_image
from tests.store.conftest import FIGURES, train_on


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


def test_a_model_comes_back_with_what_it_was_trained_on(project):
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


def test_a_model_has_learnt_all_until_an_image_is_annotated_anew(project):
    image_id, cells = add_image(project, 1, annotated=True)
    model_id = train_on(project, image_id)
    assert project.models.has_learnt_all(model_id)
    add_image(project, 2, group="test", split="test", annotated=True)  # teaches nothing
    assert project.models.has_learnt_all(model_id)
    project.reviews.save(image_id, cells, origin="expert", base_revision=1)
    assert not project.models.has_learnt_all(model_id)
    assert project.models.has_learnt_all(train_on(project, image_id))
    add_image(project, 3, annotated=True)
    assert not project.models.has_learnt_all(model_id)


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


def test_what_a_model_was_compared_to_is_kept_also_after_the_question_is_answered(project):
    image_id, _ = add_image(project, 1, annotated=True)
    old, new = (train_on(project, image_id) for _ in range(2))
    assert project.models.comparisons() == {}
    project.models.compare(new, old, worse())
    project.models.promote(old, "expert")
    assert project.models.comparisons() == {new: StoredComparison(old, worse())}


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
        with pytest.raises(ProjectError, match=f"weights of model {ids[0]} were dropped"):
            act(ids[0])


def test_the_groups_that_an_ancestor_was_trained_on_are_those_of_a_model_too(project):
    images = [
        project.images.get(add_image(project, seed, group=f"slide{seed}", annotated=True)[0])
        for seed in (1, 2, 3)
    ]
    first = project.models.add(TrainConfig(), b"w", {"train": images[:1], "validate": images[1:2]}, 1.0)
    second = project.models.add(TrainConfig(), b"w", {"train": images[2:]}, 1.0, parent_id=first)
    assert project.models.trained_groups(first) == {"slide1"}
    assert project.models.trained_groups(second) == {"slide1", "slide3"}


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
