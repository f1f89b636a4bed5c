"""Jobs: one at a time, and how far each is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import JobError
from rbcal.store.job_requests import ScoreJob, TrainJob


def test_at_most_one_job_is_under_way(project):
    first = project.jobs.add(TrainJob(TrainConfig()))
    with pytest.raises(JobError, match="under way"):
        project.jobs.add(ScoreJob(ScoringConfig()))
    project.jobs.end(first, "done")
    assert project.jobs.add(ScoreJob(ScoringConfig())) > first


def test_a_job_that_ended_does_not_end_again(project):
    job_id = project.jobs.add(TrainJob(TrainConfig()))
    project.jobs.end(job_id, "done")
    project.jobs.end(job_id, "failed", "too late")
    job = project.jobs.get(job_id)
    assert (job.state, job.reason) == ("done", None)


def test_the_time_left_follows_from_the_steps_done(project):
    job_id = project.jobs.add(TrainJob(TrainConfig()))
    project.jobs.begin_stage(job_id, "Training", 100)
    project.jobs.advance(job_id, 25, 1.5)
    job = project.jobs.get(job_id)
    assert job.seconds_left(job.stage_started_at + timedelta(seconds=10)) == pytest.approx(30)
    assert project.jobs.losses(job_id) == [(25, 1.5)]
    assert project.jobs.log_tail(job_id)[-1].endswith("Training")


def test_the_worker_hears_of_a_cancel_at_its_next_step(project):
    job_id = project.jobs.add(TrainJob(TrainConfig()))
    assert not project.jobs.advance(job_id, 1)
    project.jobs.request_cancel(job_id)
    assert project.jobs.advance(job_id, 2)
