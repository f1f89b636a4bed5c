"""Scenes in which the worker dies: while it trains, measures and ranks, and the expert edits meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.jobs import launcher
from rbcal.store.job_requests import ResumeJob, ScoreJob, SimulateJob, TrainJob
from rbcal.store.jobs import Job
from rbcal.store.project import Project, ProjectFile
from tests.conftest import CLASSES, add_image
from tests.crash.editor import changed, plain
from tests.crash.kill import LostError, Program, Tally, expect_sound
from tests.crash.scenes import expect, expect_acts
from tests.jobs.test_simulate import TINY

TRAIN = TrainJob(TrainConfig(steps=10, init="random", device="cpu", crop=160, crops=4))
SCORE = ScoreJob(ScoringConfig(passes=3))
_EACH = 2  # kills of which one is followed by a job that is let come to its end


def wait_until_over(path: Path, seconds: float = 120) -> Job:
    """Return the last job once it is over, as the app sees it."""
    deadline = time.monotonic() + seconds
    while True:
        with Project.open(path) as project:
            job = launcher.watch(project)
        assert job is not None
        if not job.active:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def plant_slides(path: Path, *, in_pool: int = 6) -> None:
    """Create a project with two images to train on, one to test on, and a pool."""
    with Project.create(path, classes=CLASSES) as project:
        for seed in (1, 2):
            add_image(project, seed, annotated=True)
        add_image(project, 3, group="test", split="test", annotated=True)
        for seed in range(4, 4 + in_pool):
            add_image(project, seed)


def edit_until(path: Path, deadline: float, process: Any, rng: Random) -> list[dict[str, Any]]:
    """Edit images of the pool until a moment, or until the worker is done; return the acts."""
    acts = []
    while time.monotonic() < deadline and process.poll() is None:
        with Project.open(path) as project:
            image_id = rng.choice(project.images.pool()).id
            version, boxes = project.log.version(image_id), project.log.boxes(image_id)
            boxes = changed(boxes, rng, project.log.next_number(image_id))
            version = project.log.record(image_id, "edit" if version else "begin", boxes, version=version)
        acts.append({"image": image_id, "version": version, "boxes": plain(boxes)})
        time.sleep(0.02)
    return acts


class _Working:
    """A worker is killed at any moment of its life."""

    name = ""
    span = 0.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template.rbcal"
        plant_slides(self.template)

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        path = self.folder / f"job{number}" / "p.rbcal"
        path.parent.mkdir()
        shutil.copy(self.template, path)
        process = self.start(path)
        acts = edit_until(path, time.monotonic() + rng.uniform(0, self.span), process, rng)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()
        job = wait_until_over(path)
        tally.midway += job.state == "failed"
        tally.acts += len(acts)
        assert job.state == "done" or (job.state == "failed" and "No annotation is lost" in job.reason), job
        expect_acts(path, acts)
        expect_sound(path)
        self.expect_kept(path, job)
        if number % _EACH == 0:
            self.go_on(path)
            expect_acts(path, acts)
            expect_sound(path)
        shutil.rmtree(path.parent)


class Training(_Working):
    """The state of the training is written down at every step, so that a kill may hit that, too."""

    name = "training"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        whole = folder / "whole.rbcal"
        shutil.copy(self.template, whole)
        began = time.monotonic()
        assert self.start(whole).wait() == 0
        self.span = time.monotonic() - began
        with Project.open(whole) as project:
            self.sha256 = project.models.get(1).sha256

    def start(self, path: Path) -> Any:
        with Project.open(path) as project:
            project_id, job_id = project.file.project_id, project.jobs.add(TRAIN)
        program = Program("trainer", path, project_id, job_id)
        launcher._workers[path.resolve()] = program.process
        program.ready()
        return program.process

    def expect_kept(self, path: Path, job: Job) -> None:
        """A model is there whole, and serves only with its figures; the state of the training is whole."""
        with Project.open(path) as project:
            for model in project.models.all():
                project.models.checkpoint(model.id)
                expect(model.sha256 == self.sha256, "the model is not the one that was trained")
            if project.models.serving() is not None:
                assert project.evaluations.curve()
            if project.snapshots.current() is not None:
                project.snapshots.state()
            if job.state == "done":
                assert project.models.serving() is not None

    def go_on(self, path: Path) -> None:
        """The training goes on to the very model that it would have come to; else a new one does."""
        with Project.open(path) as project:
            resumed = project.snapshots.current() is not None
            made = len(project.models.all())
        launcher.start(ProjectFile(path), ResumeJob() if resumed else TRAIN)
        job = wait_until_over(path)
        assert job.state == "done", job.reason
        with Project.open(path) as project:
            model = project.models.all()[-1]
            assert model.id == made + 1
            if not made:
                expect(model.sha256 == self.sha256, f"another model came of it (resumed: {resumed})")


class Scoring(_Working):
    """A ranking is made while an older one holds."""

    name = "scoring"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        launcher.start(ProjectFile(self.template), replace(TRAIN, score=SCORE))
        assert wait_until_over(self.template).state == "done"
        with Project.open(self.template) as project:
            self.ranking_id = project.rankings.current().id
            self.order = project.queue.order()
        began = time.monotonic()
        whole = folder / "whole.rbcal"
        shutil.copy(self.template, whole)
        self.start(whole).wait()
        self.span = time.monotonic() - began

    def start(self, path: Path) -> Any:
        launcher.start(ProjectFile(path), SCORE)
        return launcher._workers[path.resolve()]

    def expect_kept(self, path: Path, job: Job) -> None:
        """The queue is that of the last ranking that was finished."""
        with Project.open(path) as project:
            current = project.rankings.current()
            expect(current is not None, "there is no ranking any more")
            new = current.id != self.ranking_id
            expect(not new or current.id == self.ranking_id + 1, f"ranking {current.id} holds")
            assert job.state == "failed" or new
            expect(project.queue.order() == self.order, "the queue is not that of before")

    def go_on(self, path: Path) -> None:
        launcher.start(ProjectFile(path), SCORE)
        job = wait_until_over(path)
        assert job.state == "done", job.reason
        with Project.open(path) as project:
            if project.queue.order() != self.order:
                raise LostError("the same model ranks otherwise")


class Simulating(_Working):
    """Strategies race, in processes of their own; arms that are done are kept, and the next run goes on."""

    name = "simulation"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with Project.open(self.template) as project:
            for seed in range(20, 26):
                add_image(project, seed, annotated=True)
        began = time.monotonic()
        whole = folder / "whole.rbcal"
        shutil.copy(self.template, whole)
        assert self.start(whole).wait() == 0
        self.span = time.monotonic() - began
        self.points = self._points(whole)

    def start(self, path: Path) -> Any:
        launcher.start(ProjectFile(path), SimulateJob(TINY, 2))
        return launcher._workers[path.resolve()]

    def _points(self, path: Path) -> dict[tuple[int, str, int], str]:
        with Project.open(path) as project:
            return {
                (point.repeat, point.strategy, point.round): point.weights_sha256
                for each in project.simulations.all()
                for point in project.simulations.points(each.id)
            }

    def expect_kept(self, path: Path, job: Job) -> None:
        """An arm is there whole, as it would have been, or not at all."""
        points = self._points(path)
        expect(points.items() <= self.points.items(), "a point differs")
        arms = {(repeat, strategy) for repeat, strategy, _ in points}
        expect(len(points) == len(arms) * (TINY.rounds + 1), "an arm is there in part")
        assert job.state == "failed" or points == self.points

    def go_on(self, path: Path) -> None:
        assert self.start(path).wait() == 0
        expect(self._points(path) == self.points, "the same simulation came to other points")


WORKERS = (Training, Scoring, Simulating)
