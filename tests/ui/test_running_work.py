"""The line in the sidebar of every page: what a worker does, and how it ended."""

from __future__ import annotations

import pytest

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.job_requests import ScoreJob, TrainJob
from rbcal.store.rankings import Score
from rbcal.ui.running_work import ending_of
from rbcal.wording import literal
from tests.conftest import add_image
from tests.ui.test_pages import words

PAGES = ["home", "project", "train", "review", "progress"]


@pytest.fixture
def training(project):
    """A project whose first training is under way; return it and the job."""
    add_image(project, 1, annotated=True)
    add_image(project, 2)
    add_image(project, 3, group="test", split="test", annotated=True)
    job_id = project.jobs.add(TrainJob(TrainConfig(), ScoreJob(ScoringConfig())))
    project.jobs.begin_stage(job_id, "Training", 1200)
    project.jobs.advance(job_id, 300)
    return project, job_id


def finish(project, job_id, figure=0.62):
    model_id = project.models.add(TrainConfig(), b"w", {"train": project.images.annotated()}, 60)
    project.models.promote(model_id, "gate")
    project.evaluations.save(model_id, Evaluation(figure, 0.5, 0.3, None, (0.5, None, None), (9, 0, 0), 1))
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    project.rankings.add(ranking_id, project.images.pool()[0].id, Score(3, 5, 3, 1, 2, 0), [])
    project.rankings.finish(ranking_id)
    project.jobs.end(job_id, "done")


@pytest.mark.parametrize("page", [page for page in PAGES if page != "train"])
def test_every_page_says_what_runs_and_lets_it_be_cancelled(app, training, page):
    project, job_id = training
    at = app(page)
    bars = [each.proto.text for each in at.sidebar.get("progress")]
    assert [text.partition(", about")[0] for text in bars] == ["Training: 300 of 1,200"]
    at.sidebar.button(key="cancel_running_work").click().run()
    assert project.jobs.get(job_id).cancel_requested
    assert "Stopping" in " ".join(each.value for each in at.sidebar.caption)


def test_the_train_page_says_once_how_far_the_training_is(app, training):
    at = app("train")
    assert len([each for each in at.get("progress") if each.proto.text.startswith("Training")]) == 1
    assert [each.label for each in at.button].count("Cancel") == 1


def test_a_page_has_no_link_to_itself(app, training):
    project, job_id = training
    at = app("train")
    project.jobs.end(job_id, "cancelled")
    at.run()
    assert [each.value for each in at.sidebar.warning] == [literal("Training was cancelled.")]
    assert not at.sidebar.get("page_link")


@pytest.mark.parametrize("page", ["project", "progress", "train", "review"])
def test_no_page_says_that_there_is_no_model_while_the_first_is_in_training(app, training, page):
    said = words(app(page))
    assert "There is no model yet" not in said
    assert "Train the first model" not in said
    if page in ("project", "progress"):
        assert "The first model is in training" in said


@pytest.mark.parametrize("page", PAGES)
def test_the_end_is_told_where_the_user_is_with_the_next_step(app, training, page):
    at = app(page)
    finish(*training)
    at.run()
    assert [each.value for each in at.sidebar.success] == [literal("Training is done: Precision 0.62.")]
    assert [each.proto.label for each in at.sidebar.get("page_link")] == ["Review the ranked cells"]
    assert bool(at.toast) == (page != "review")  # its canvas stays as it is: no part of it is drawn anew
    assert not at.exception
    at.run()
    assert not at.toast  # told once


def test_a_job_that_ended_before_the_visit_is_not_told(app, training):
    finish(*training)
    assert not app("project").sidebar.success


@pytest.mark.parametrize(
    ("request_", "state", "said", "page"),
    [
        (TrainJob(TrainConfig()), "failed", "Training failed. Out of paper.", "train"),
        (TrainJob(TrainConfig()), "cancelled", "Training was cancelled.", "train"),
        (ScoreJob(ScoringConfig()), "done", "The images are sorted.", "train"),
    ],
)
def test_the_end_of_each_job_leads_to_a_page(project, request_, state, said, page):
    add_image(project, 1)
    job_id = project.jobs.add(request_)
    project.jobs.end(job_id, state, "Out of paper." if state == "failed" else None)
    ending = ending_of(project, project.jobs.get(job_id))
    assert (ending.words, ending.page) == (said, page)
