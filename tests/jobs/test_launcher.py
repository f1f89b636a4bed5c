"""Jobs in a worker process: done, cancelled, failed and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.detector import trainer
from rbcal.errors import JobCancelledError, JobError, ReplacedError, TrainingError
from rbcal.jobs import launcher, worker
from rbcal.store.health import LastJob, read_health
from rbcal.store.job_requests import ScoreJob, TrainJob, dumps
from rbcal.store.project import Project
from tests.conftest import add_image

TINY = TrainConfig(steps=3, init="random", crop=160, second_look=False)
LONG = TrainConfig(steps=100_000, init="random", crop=160, second_look=False)
PASSES = ScoringConfig(passes=3)


def wait_until(project, condition, seconds=120):
    """Look at the last job until the condition holds; return the job."""
    deadline = time.monotonic() + seconds
    while not condition(job := launcher.watch(project)):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


@pytest.fixture
def slides(project):
    """Two images to train on, one to test on, two in the pool."""
    for seed in (1, 2):
        add_image(project, seed, annotated=True)
    add_image(project, 3, group="test", split="test", annotated=True)
    for seed in (4, 5):
        add_image(project, seed)
    return project


@pytest.fixture
def long_job(slides):
    """A training that is under way and would last for hours."""
    launcher.start(slides.file, TrainJob(LONG))
    wait_until(slides, lambda job: job.stage == "Training" and job.step > 0)
    yield slides
    launcher.cancel(slides)
    wait_until(slides, lambda job: not job.active)
    launcher._workers[slides.path.resolve()].wait()


def test_a_worker_outlives_its_starter_and_trains_measures_and_ranks(slides):
    program = (
        "import sys, pathlib; from rbcal.jobs import launcher; from rbcal.store.project import ProjectFile; "
    )
    program += "from rbcal.store.job_requests import loads; "
    program += "launcher.start(ProjectFile(pathlib.Path(sys.argv[1])), loads(sys.argv[2]))"
    config = dumps(TrainJob(TINY, ScoreJob(PASSES)))
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, slides.path, config], check=True)
    job = wait_until(slides, lambda job: not job.active)
    assert (job.state, job.reason) == ("done", None)
    model = slides.models.serving()
    assert (model.n_images, model.n_cells) == (2, slides.images.counts().annotated_cells)
    assert [point.model_id for point in slides.evaluations.curve()] == [model.id]
    assert [entry.score is not None for entry in slides.queue.top()] == [True, True]
    assert [step for step, _ in slides.jobs.losses(job.id)] == [1, 2, 3]


def test_a_job_under_way_bars_others_but_not_the_expert(long_job):
    with pytest.raises(JobError, match="under way"):
        launcher.start(long_job.file, ScoreJob(PASSES))
    with Project.open(long_job.path) as second:
        add_image(second, 77)
        assert second.images.counts().images == 6
    assert launcher.watch(long_job).state == "running"
    launcher.cancel(long_job)
    assert wait_until(long_job, lambda job: not job.active, seconds=20).state == "cancelled"
    assert long_job.models.all() == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_worker_is_shown_as_failed_with_the_reason(long_job):
    os.kill(launcher._workers[long_job.path.resolve()].pid, signal.SIGKILL)
    job = wait_until(long_job, lambda job: not job.active, seconds=20)
    assert job.state == "failed"
    assert "killed, perhaps because memory ran out" in job.reason
    assert "No annotation is lost" in job.reason


def test_a_running_job_whose_lock_nobody_holds_has_died(slides):
    slides.jobs.start(slides.jobs.add(TrainJob(TrainConfig())))
    launcher.log_path(slides.path).write_text("first line\nout of paper\n")
    job = launcher.watch(slides)
    assert job.state == "failed"
    assert job.reason == (
        "The worker process ended unexpectedly. The last line of its log: out of paper. "
        "No annotation is lost. Start the job again."
    )


def test_a_queued_job_may_take_its_time_to_start_but_not_for_ever(slides, monkeypatch):
    slides.jobs.add(TrainJob(TrainConfig()))
    assert launcher.watch(slides).state == "queued"
    monkeypatch.setattr(launcher, "_STARTING_SECONDS", 0)
    assert launcher.watch(slides).state == "failed"


def test_a_job_that_was_cancelled_before_it_began_does_nothing(slides):
    job_id = slides.jobs.add(TrainJob(TINY))
    launcher.cancel(slides)
    with pytest.raises(JobCancelledError):
        worker.run(slides.file, job_id)
    assert slides.jobs.get(job_id).state == "cancelled"


def test_an_unforeseen_error_fails_the_job_and_leaves_its_trace_in_the_log(slides, monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(worker, "_dispatch", stumble)
    job_id = slides.jobs.add(TrainJob(TrainConfig()))
    with pytest.raises(ZeroDivisionError):
        worker.run(slides.file, job_id)
    assert slides.jobs.get(job_id).reason == "ZeroDivisionError: a bug"
    assert any("in stumble" in line for line in slides.jobs.log_tail(job_id))


def test_a_job_that_failed_notes_the_kind_of_its_error(slides, monkeypatch):
    def refuse(*_):
        raise TrainingError("no")

    monkeypatch.setattr(worker, "_dispatch", refuse)
    with pytest.raises(TrainingError):
        worker.run(slides.file, slides.jobs.add(TrainJob(TrainConfig())))
    assert read_health(slides.path).last_job == LastJob("train", "failed", "TrainingError")


def test_two_workers_do_not_work_on_one_project(slides, monkeypatch):
    monkeypatch.setattr(worker, "_STARTING_SECONDS", 0)
    job_id = slides.jobs.add(TrainJob(TINY))
    with launcher.worker_lock(slides.path), pytest.raises(JobError, match="Another job of this project"):
        worker.run(slides.file, job_id)
    assert slides.jobs.get(job_id).state == "failed"


def test_a_step_that_takes_long_does_not_keep_a_cancel_waiting(slides):
    """The paper's detector on a CPU: its first step takes many seconds."""
    slow = TrainConfig(backbone="vgg16", init="random", steps=9, device="cpu", batch_size=4)
    launcher.start(slides.file, TrainJob(slow))
    wait_until(slides, lambda job: job.stage == "Training")
    launcher.cancel(slides)
    job = wait_until(slides, lambda job: not job.active, seconds=20)
    assert (job.state, job.step) == ("cancelled", 0)
    assert launcher._workers[slides.path.resolve()].wait() == worker._EXIT_CANCELLED


def test_a_worker_that_left_because_it_was_told_to_is_not_called_dead(slides):
    job_id = slides.jobs.add(TrainJob(TrainConfig()))
    slides.jobs.start(job_id)
    slides.jobs.request_cancel(job_id)
    assert launcher.watch(slides).state == "cancelled"


def test_after_a_question_the_pool_keeps_its_ranking(slides, monkeypatch):
    job_id = slides.jobs.add(TrainJob(TINY, ScoreJob(PASSES)))
    worker.run(slides.file, job_id)
    ranking = slides.rankings.current().id
    monkeypatch.setattr("rbcal.evaluation.metrics.Comparison.worse", True)
    again = slides.jobs.add(TrainJob(TINY, ScoreJob(PASSES)))
    worker.run(slides.file, again)
    assert slides.models.question().model.id == 2
    assert slides.rankings.current().id == ranking
    assert any("until you have chosen the model to use" in line for line in slides.jobs.log_tail(again))


def test_a_training_that_begins_again_for_want_of_memory_keeps_one_loss_a_step(slides, monkeypatch):
    learn, attempts = trainer.Training._learn, []

    def small(self, step, windows):
        if step == 3 and self._config.batch_size > 1:
            attempts.append(step)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return learn(self, step, windows)

    monkeypatch.setattr(trainer.Training, "_learn", small)
    job_id = slides.jobs.add(TrainJob(TINY))
    worker.run(slides.file, job_id)
    assert attempts == [3]
    assert [step for step, _ in slides.jobs.losses(job_id)] == [1, 2, 3]
    assert slides.models.serving().config.batch_size == 1


def test_a_worker_whose_project_was_replaced_stops_and_writes_nothing_into_the_other(slides, monkeypatch):
    mine, path, spare = slides.path.with_name("mine.rbcal"), slides.path, slides.path.with_name("spare.rbcal")
    Project.create(spare, classes=["another"]).close()
    job_id = slides.jobs.add(TrainJob(TINY))

    def swap(project, job, progress):
        path.rename(mine)
        os.replace(spare, path)
        progress.log("a result")

    monkeypatch.setattr(worker, "_dispatch", swap)
    with pytest.raises(ReplacedError):
        worker.run(slides.file, job_id)
    with pytest.raises(ReplacedError):
        worker.run(slides.file, job_id)  # nor does one that starts only now
    slides.close()
    with Project.open(path) as other, Project.open(mine) as moved:
        assert other.jobs.last() is None
        assert moved.jobs.get(job_id).state == "running"  # until the file is back, and somebody looks
