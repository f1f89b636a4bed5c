"""Training by itself: when it is due, what it asks for, and what it waits for."""

from __future__ import annotations

import pytest

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import JobError, ProjectError
from rbcal.jobs import auto_train, launcher
from rbcal.store.job_requests import ResumeJob, ScoreJob, TrainJob
from tests.conftest import add_image
from tests.store.conftest import train_on

ASKED = TrainJob(TrainConfig(init="imagenet", seed=3), ScoreJob(ScoringConfig(passes=7), "entropy"))


@pytest.fixture
def started(monkeypatch):
    """The requests that would have started a worker."""
    requests = []
    monkeypatch.setattr(launcher, "start", lambda file, request: requests.append(request) or len(requests))
    return requests


@pytest.fixture
def trained(project):
    """A project with a model that a job trained, and two images in the pool; it shall train by itself."""
    first, _ = add_image(project, 1, annotated=True)
    job_id = project.jobs.add(ASKED)
    project.jobs.end(job_id, "done")
    train_on(project, first)
    images = [add_image(project, seed) for seed in (4, 5)]
    add_image(project, 6)
    project.train_by_itself(1)
    return project, images


def review(project, image_id, annotations):
    project.reviews.save(image_id, annotations, origin="expert", base_revision=0)


def test_it_starts_once_enough_cells_were_answered_since_the_last_training(trained, started):
    project, (first, second) = trained
    assert auto_train.new_answers(project) == 0  # imported boxes are no answers
    project.train_by_itself(len(first[1]) + 1)
    review(project, *first)
    assert auto_train.new_answers(project) == len(first[1])
    assert auto_train.start_if_due(project) is None
    review(project, *second)
    assert auto_train.new_answers(project) == len(first[1]) + len(second[1])
    assert auto_train.start_if_due(project) == 1
    [request] = started
    assert request == TrainJob(TrainConfig(init="auto", seed=3), ASKED.score)


def test_a_training_that_was_asked_for_starts_the_count_anew_however_it_ends(trained, started):
    project, images = trained
    for each in images:
        review(project, *each)
    project.jobs.end(project.jobs.add(ASKED), "failed", "no memory")
    assert auto_train.new_answers(project) == 0
    assert auto_train.start_if_due(project) is None


def test_it_waits_for_a_job_under_way_and_for_a_training_that_was_stopped(trained, started):
    project, images = trained
    for each in images:
        review(project, *each)
    job_id = project.jobs.add(ScoreJob(ScoringConfig()))
    assert auto_train.start_if_due(project) is None
    project.jobs.end(job_id, "done")
    kept = {"config": TrainConfig(), "n_classes": 3, "step": 1, "seconds": 1.0, "parent_id": 1}
    project.snapshots.save(b"state", images={"train": project.images.annotated()[:1]}, **kept)
    assert auto_train.start_if_due(project) is None
    project.snapshots.discard()
    assert auto_train.start_if_due(project) == 1


def test_a_button_that_was_faster_is_no_error(trained, monkeypatch):
    project, images = trained
    for each in images:
        review(project, *each)

    def refuse(file, request):
        raise JobError("A job is under way.")

    monkeypatch.setattr(launcher, "start", refuse)
    assert auto_train.start_if_due(project) is None


def test_nothing_starts_unless_it_was_asked_for(trained, started):
    project, images = trained
    project.train_by_itself(None)
    for each in images:
        review(project, *each)
    assert auto_train.start_if_due(project) is None
    with pytest.raises(ProjectError, match="at least 1"):
        project.train_by_itself(0)


def test_after_a_resumed_training_it_goes_on_with_the_settings_of_the_model(trained):
    project, _ = trained
    project.jobs.end(project.jobs.add(ResumeJob()), "done")
    assert auto_train.next_request(project).config == TrainConfig(init="auto")
