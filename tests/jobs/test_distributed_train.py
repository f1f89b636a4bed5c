"""A training job in two processes: the one with the project leads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rbcal.config import TrainConfig
from rbcal.errors import JobCancelledError, TrainingError
from rbcal.jobs import train
from tests.conftest import add_image
from tests.jobs.test_pipeline import Silent

ROOT = Path(__file__).parents[2]


def torchrun(*command: object) -> subprocess.CompletedProcess[str]:
    starter = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    return subprocess.run(
        [*starter, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.mark.crash
def test_two_processes_that_are_cancelled_and_resumed_teach_bit_for_bit_the_same_model(project):
    for seed in (1, 2, 3):
        add_image(project, seed, annotated=True)
    done = torchrun("tests.jobs.member", project.path)
    assert done.returncode == 0, done.stderr
    whole, resumed = project.models.all()
    assert whole.sha256 == resumed.sha256
    assert (whole.config.processes, whole.kept_step) == (2, 3)
    assert project.snapshots.current() is None


@pytest.mark.crash
def test_the_command_trains_in_two_processes_as_one_job(project):
    add_image(project, 1, annotated=True)
    done = torchrun("rbcal", "train", project.path, "--steps", 1, "--init", "random", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Model 1: 1 images") == 1
    job = project.jobs.last()
    assert (job.kind, job.state) == ("train", "done")
    assert project.models.serving().config.processes == 2


def test_a_training_goes_on_with_as_many_processes_as_began_it(project, monkeypatch):
    add_image(project, 1, annotated=True)
    with pytest.raises(JobCancelledError):
        train.train(project, TrainConfig(steps=3, init="random"), Silent(stop_after=1))
    snapshot = project.snapshots.current()
    begun_by_two = replace(snapshot, config=replace(snapshot.config, processes=2))
    monkeypatch.setattr(type(project.snapshots), "current", lambda self: begun_by_two)
    with pytest.raises(TrainingError, match=r"begun by 2 processes.*torchrun --nproc-per-node 2 -m rbcal"):
        train.set_up_resumed_training(project)
