"""What is said of a project as a whole, from rows that were written one by one."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Score
from rbcal.types import Annotations
from tests.conftest import CLASSES, add_image

SCORE = Score(relevance=1, n_cells=2, n_flagged=1, n_class=1, n_box=0, n_rare=0)


def review(project, image_id, labels, seconds, revision=0, origin="expert"):
    boxes = np.array([[10 * k, 0, 10 * k + 8, 8] for k in range(len(labels))], np.float32).reshape(-1, 4)
    project.reviews.save(
        image_id,
        Annotations(boxes, np.array(labels, np.int64)),
        origin=origin,
        base_revision=revision,
        seconds=seconds,
    )


def train(project):
    return project.models.add(TrainConfig(), b"weights", {"train": project.images.annotated()}, seconds=1)


def cell(u_c, u_d=0.9):
    return Cell(0, np.float32([1, 2, 9, 9]), u_d, u_c, 0, np.float32([0.1, 0.2, 0.3, 0.4]))


def test_an_image_belongs_to_the_round_of_its_first_training(project):
    first, _ = add_image(project, 1, annotated=True)
    assert train(project) == 1
    second, _ = add_image(project, 2)
    review(project, second, [0, 0, 2], 30)
    assert train(project) == 2
    third, _ = add_image(project, 3)
    review(project, third, [1], 10)
    rounds = project.summary.rounds("work")
    assert [(each.model_id, each.n_images, each.n_imported) for each in rounds] == [
        (1, 1, 1),
        (2, 1, 0),
        (None, 1, 0),
    ]
    assert rounds[1].cells == {0: 2, 2: 1}
    assert [each.expert_seconds for each in rounds] == [0, 30, 10]
    review(project, first, [0], 5, revision=1)
    assert project.summary.rounds("work")[0].expert_seconds == 5
    assert project.summary.rounds("test") == []


def test_rounds_and_test_set_add_up_to_what_the_project_has(project):
    for seed in (1, 2):
        add_image(project, seed, annotated=True)
    train(project)
    image_id, _ = add_image(project, 3, group="apart", split="test", annotated=True)
    review(project, image_id, [0, 1], 20, revision=1)
    review(project, image_id, [0, 1], 7, revision=2, origin="import")  # is no time of the expert
    [work], [test] = project.summary.rounds("work"), project.summary.rounds("test")
    counts = project.images.counts()
    assert (work.n_images, work.n_cells) == (counts.annotated_images, counts.annotated_cells)
    assert (test.n_images, test.n_cells) == (counts.test_images, counts.test_cells) == (1, 2)
    assert work.cells == project.reviews.cells_per_class()
    assert work.expert_seconds + test.expert_seconds == project.reviews.expert_seconds() == 20


def test_the_least_certain_cells_come_first_and_few_of_one_image(project):
    ids = [add_image(project, seed)[0] for seed in (1, 2)]
    add_image(project, 3, annotated=True)
    ranking_id = project.rankings.begin(train(project), ScoringConfig())
    project.rankings.add(ranking_id, ids[0], SCORE, [cell(0.9), cell(0.2), cell(0.3), cell(0.3, 0.5)])
    project.rankings.add(ranking_id, ids[1], SCORE, [cell(0.25)])
    project.rankings.finish(ranking_id)
    assert project.summary.least_certain(ranking_id, limit=9, per_image=2) == [
        (ids[0], 2),
        (ids[1], 5),
        (ids[0], 4),
    ]
    assert len(project.summary.least_certain(ranking_id, limit=1, per_image=2)) == 1
    review(project, ids[0], [0], 1)
    assert project.summary.least_certain(ranking_id, limit=9, per_image=2) == [(ids[1], 5)]


def test_the_fingerprint_is_of_files_and_annotations_not_of_their_order(project, tmp_path):
    for seed in (1, 2):
        add_image(project, seed, annotated=True)
    with Project.create(tmp_path / "other.rbcal", classes=CLASSES) as other:
        for seed in (2, 1):
            add_image(other, seed, group="another", annotated=True)
        same = project.summary.fingerprint("work")
        assert other.summary.fingerprint("work") == same
        add_image(other, 3)  # not annotated
        assert other.summary.fingerprint("work") == same
        review(other, 1, [0], 1, revision=1)
        assert other.summary.fingerprint("work") != same
    assert project.summary.fingerprint("test") != same


@pytest.mark.parametrize("split", ["work", "test"])
def test_a_project_without_annotations_has_no_round(project, split):
    add_image(project, 1)
    assert project.summary.rounds(split) == []


def test_a_merged_class_has_the_name_of_its_target_in_the_fingerprint(project, tmp_path):
    image_id, _ = add_image(project, 1)
    review(project, image_id, [0, 2], 1)
    with Project.create(tmp_path / "other.rbcal", classes=CLASSES) as other:
        image_id, _ = add_image(other, 1)
        review(other, image_id, [0, 0], 1)
        assert other.summary.fingerprint("work") != project.summary.fingerprint("work")
        project.classes.merge(2, 0)
        assert other.summary.fingerprint("work") == project.summary.fingerprint("work")
    [only] = project.summary.rounds("work")
    assert only.cells == {0: 2}
