"""Live names as the app gets them: a scored pool, answers, a fitted layer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from rbcal.cli import app
from rbcal.errors import JobCancelledError
from rbcal.jobs import live, score, train
from rbcal.jobs.live import fit_live_head, read_answers, why_not
from rbcal.live_head import LastLayer
from rbcal.store.verification import verify
from rbcal.types import CROP_EMBEDDING_SIZE, Annotations
from tests.conftest import add_image
from tests.jobs.test_pipeline import PASSES, TINY, Silent


def accept_all_as(project, image_id, ranking_id, label):
    cells = project.rankings.cells(ranking_id, image_id)
    boxes = np.array([cell.box for cell in cells])
    project.reviews.save(
        image_id,
        Annotations(boxes, np.full(len(cells), label)),
        origin="expert",
        base_revision=0,
        ranking_id=ranking_id,
    )
    return len(cells)


def test_names_follow_what_the_expert_answers(scored):
    project, (_, truth), (first, second), ranking_id = scored
    n = accept_all_as(project, first, ranking_id, 2)
    done = fit_live_head(project)
    assert (done.n_new, done.n_cells) == (n, n + len(truth))
    assert done.ranking_id == ranking_id
    before, after = (project.rankings.cells(ranking_id, second, live=each) for each in (False, True))
    chances = [np.mean([cell.probs[3] / (1 - cell.probs[0]) for cell in cells]) for cells in (before, after)]
    assert chances[1] > chances[0] + 0.1


def test_without_an_answer_since_the_training_the_models_own_names_stay(scored):
    project, (_, truth), _, ranking_id = scored
    done = fit_live_head(project)
    assert (done.n_new, done.n_cells) == (0, len(truth))
    assert project.live_heads.get(ranking_id).fitted is None


@pytest.mark.parametrize("of_the_pool", [True, False])
def test_an_answer_that_nobody_read_is_none(scored, of_the_pool):
    project, (trained, truth), (first, _), ranking_id = scored
    if of_the_pool:
        boxes = np.array([cell.box for cell in project.rankings.cells(ranking_id, first)])
        saved = Annotations(boxes, np.zeros(len(boxes)))
    else:
        first, saved = trained, truth
    before = len(read_answers(project, ranking_id).labels) - (0 if of_the_pool else len(truth))
    status = ["kept", *["open"] * (len(saved) - 1)]
    revision = project.reviews.revision(first)
    project.reviews.save(
        first, saved, origin="expert", base_revision=revision, review_status=status, ranking_id=ranking_id
    )
    assert len(read_answers(project, ranking_id).labels) == before + 1


def test_a_corrected_annotation_takes_the_place_of_the_one_before(scored):
    project, (image_id, truth), _, ranking_id = scored
    moved = Annotations(truth.boxes[1:] + np.float32(1), (truth.labels[1:] + 1) % 3)
    project.reviews.save(image_id, moved, origin="expert", base_revision=1)
    before = read_answers(project, ranking_id)
    assert before.labels.tolist() == ((truth.labels[1:] + 1) % 3).tolist()
    assert before.is_new.all()


def test_the_embedding_of_a_true_box_is_what_the_last_layer_takes(scored):
    project, (_, truth), _, ranking_id = scored
    answers = read_answers(project, ranking_id)
    assert answers.embeddings.shape == (len(truth), CROP_EMBEDDING_SIZE)
    assert answers.labels.tolist() == truth.labels.tolist()
    own = project.live_heads.get(ranking_id).own
    assert np.array_equal(own.weight, np.eye(3, CROP_EMBEDDING_SIZE))  # the logits come first
    assert answers.embeddings[:, 3:].any(axis=0).sum() == len(truth) - 1  # components


def test_without_a_second_look_a_serving_model_or_a_ranking_nothing_is_fitted(scored):
    project, (image_id, _), *_ = scored
    assert why_not(project) is None
    images = {"train": [project.images.get(image_id)]}
    project.models.promote(project.models.add(TINY, b"other", images, 1.0), "expert")
    assert "Another model than the one in use" in why_not(project)
    assert fit_live_head(project) is None


def test_a_project_is_whole_while_its_pool_is_half_scored(scored):
    project, *_ = scored
    stop = Silent(1, "Looking at the images that wait")
    with pytest.raises(JobCancelledError):
        score.score(project, replace(PASSES, cell_threshold=0.01), stop)
    assert project._database.value("SELECT count(*) FROM detection WHERE ranking_id = 2") > 0
    assert verify(project.path).ok


def test_a_model_without_second_look_has_no_live_names(project):
    add_image(project, 1, annotated=True)
    add_image(project, 4)
    train.train(project, replace(TINY, second_look=False), Silent())
    ranking_id = score.score(project, PASSES, Silent())
    assert project.live_heads.get(ranking_id) is None
    assert "no second look" in why_not(project)
    assert fit_live_head(project) is None


def test_a_class_that_joined_since_is_named_too(scored):
    project, _, (first, second), ranking_id = scored
    project.classes.add(["newcomer"])
    accept_all_as(project, first, ranking_id, 3)
    fit_live_head(project)
    [*cells] = project.rankings.cells(ranking_id, second, live=True)
    assert np.mean([cell.probs[4] for cell in cells]) > 0.01
    np.testing.assert_allclose([cell.probs.sum() for cell in cells], 1, atol=1e-3)
    assert isinstance(project.live_heads.get(ranking_id).fitted, LastLayer)


def test_the_queue_follows_the_names_and_the_open_image_stays(scored, monkeypatch):
    project, _, (first, second), ranking_id = scored
    asked = []
    monkeypatch.setattr(live, "reorder", lambda project, ranking, image: asked.append((ranking.id, image)))
    live.update(project, second)
    assert asked == []  # nothing new
    accept_all_as(project, first, ranking_id, 2)
    live.update(project, second)
    assert asked == [(ranking_id, second)]


def test_a_new_ranking_begins_with_what_was_answered_while_the_model_was_trained(scored):
    project, (_, truth), (first, _), ranking_id = scored
    assert project.live_heads.get(ranking_id).fitted is None
    n = accept_all_as(project, first, ranking_id, 2)
    progress = Silent()
    newer = score.score(project, PASSES, progress)
    head = project.live_heads.get(newer)
    assert head.n_cells == n  # their true boxes, for the image is annotated by now
    assert len(read_answers(project, newer).labels) == n + len(truth)
    assert any("Names learn from" in line for line in progress.lines)
    assert len(read_answers(project, ranking_id).labels) == n  # what older rankings had is dropped


def test_the_command_says_what_changed(scored):
    project, _, (first, _), ranking_id = scored
    n = accept_all_as(project, first, ranking_id, 2)
    result = CliRunner().invoke(app, ["live", str(project.path), "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["new_answers"] == n
    assert figures["renamed"] <= figures["predicted_cells"]
    assert "not measured" in CliRunner().invoke(app, ["live", str(project.path)]).output.lower()


def test_the_command_says_why_names_cannot_learn(project):
    result = CliRunner().invoke(app, ["live", str(project.path)])
    assert result.exit_code == 1
    assert "not sorted yet" in result.output
