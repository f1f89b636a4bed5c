"""Training by itself: after so many new cells, the job of the Train page's button starts without a click."""

from __future__ import annotations

from dataclasses import replace

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import JobError
from rbcal.jobs import launcher
from rbcal.store.job_requests import ScoreJob, TrainJob
from rbcal.store.project import Project

AFTER = 200  # new cells: some ten minutes of an expert


def new_answers(project: Project) -> int:
    """Return how many cells were answered since the last training was asked for, however it ended."""
    last = project.jobs.last_training()
    return project.reviews.answered_since(None if last is None else last.created_at)


def start_if_due(project: Project) -> int | None:
    """Queue a training, with the new ranking after it, if enough was answered; return the job's id.

    Nothing is queued while a job is under way, or while a stopped training waits to go on: another one would
    take its place.
    """
    after = project.train_after
    if after is None or new_answers(project) < after or project.snapshots.current() is not None:
        return None
    job = launcher.watch(project)
    if job is not None and job.active:
        return None
    try:
        return launcher.start(project.file, next_request(project))
    except JobError:  # somebody pressed the button meanwhile
        return None


def next_request(project: Project) -> TrainJob:
    """Return the training that the button would start: as the last one, from the model that serves."""
    last, ranking = project.jobs.last_training(), project.rankings.current()
    config, score = TrainConfig(), ScoreJob(ScoringConfig())
    if last is not None and isinstance(last.request, TrainJob):
        config, score = replace(last.request.config, init="auto"), last.request.score or score
    elif models := project.models.all():  # the last one was resumed, or came from elsewhere
        config = replace(models[-1].config, init="auto", steps=0)
    if ranking is not None:
        score = replace(score, config=ranking.config, strategy=ranking.strategy)
    return TrainJob(config, score if project.images.counts().pool_images else None)
