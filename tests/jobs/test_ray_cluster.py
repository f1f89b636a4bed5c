"""Scoring and simulating on a Ray of this machine with two workers: what comes out is what comes out here."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rbcal.cli import app
from rbcal.errors import JobCancelledError, JobError, ScoringError
from rbcal.jobs import ray_cluster, score, simulate, train
from rbcal.store.project import Project
from tests.conftest import add_image
from tests.jobs.tasks import always_killed, nothing, squared
from tests.jobs.test_pipeline import PASSES, TINY, Silent
from tests.jobs.test_simulate import TINY as SHORT
from tests.jobs.test_simulate import curves

pytest.importorskip("ray", reason="ray is not installed: pip install 'rbcal[ray]'")


@pytest.fixture(scope="module")
def workers() -> Iterator[ray_cluster.Cluster]:
    """A Ray with two workers; who connects to a local one while it is there gets this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 2)
        with ray_cluster.connected(ray_cluster.LOCAL) as connected:
            yield connected


@pytest.fixture
def slides(project: Project, monkeypatch) -> Project:
    """A pool of five images, in shards of two."""
    add_image(project, 1, annotated=True)
    for seed in range(4, 9):
        add_image(project, seed)
    train.train(project, TINY, Silent())
    monkeypatch.setattr(score, "_SHARD", 2)
    return project


def ranked(project: Project) -> list[tuple[object, ...]]:
    """Return all that the last ranking found, byte for byte, without the numbers that it gave."""
    with sqlite3.connect(project.path) as database:
        detections = database.execute(
            "SELECT image_id, x1, y1, x2, y2, u_d, u_c, u_r, probs, passes, bald, agreement, rate, embedding"
            " FROM detection WHERE ranking_id = (SELECT max(id) FROM ranking) ORDER BY id"
        ).fetchall()
        scores = database.execute(
            "SELECT image_id, relevance, n_cells, n_flagged, n_class, n_box, n_rare, place, value, terms"
            " FROM score WHERE ranking_id = (SELECT max(id) FROM ranking) ORDER BY image_id"
        ).fetchall()
    database.close()
    assert detections
    assert len(scores) == 5
    return [*detections, *scores]


def once_killed(mark: Path, setup: score.WorkerSetup, shard: score._Shard) -> object:
    """Work on a shard, but end the worker the first time that anybody does."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return score._score_shard(setup, shard)
    os._exit(1)


@pytest.mark.crash
def test_the_command_ranks_on_a_cluster_what_it_ranks_here(slides, workers):
    score.score(slides, PASSES, Silent())
    here = ranked(slides)
    done = CliRunner().invoke(app, ["score", str(slides.path), "--passes", "3", "--ray", "local"])
    assert done.exit_code == 0, done.output
    assert ranked(slides) == here
    job = slides.jobs.last()
    assert (job.kind, job.state, job.request.ray) == ("score", "done", "local")


@pytest.mark.crash
def test_a_worker_that_is_lost_is_made_up_for(slides, workers, monkeypatch, tmp_path):
    score.score(slides, PASSES, Silent())
    here = ranked(slides)
    mark = tmp_path / "killed"
    monkeypatch.setattr(score, "_score_shard", partial(once_killed, mark))
    progress = Silent()
    score.score(slides, PASSES, progress, ray="local")
    assert mark.exists()
    assert ranked(slides) == here
    assert "Connecting to the cluster" in progress.stages


def test_a_cancel_leaves_the_old_ranking(slides, workers):
    kept = score.score(slides, PASSES, Silent())
    with pytest.raises(JobCancelledError):
        score.score(slides, PASSES, Silent(stop_after=2), ray="local")
    assert slides.rankings.current().id == kept


def test_tasks_are_taken_a_few_at_a_time_and_come_back_in_order(workers):
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(12):
            taken.append(number)
            yield number

    results = workers.results(squared, tasks(), nothing)
    assert next(results) == (0, 0)
    assert len(taken) == 4  # two for each of two workers
    assert list(results) == [(number, number**2) for number in range(1, 12)]
    in_any_order = workers.results(squared, range(12), nothing, in_order=False)
    assert sorted(in_any_order) == [(number, number**2) for number in range(12)]


def test_what_a_task_raises_is_raised_here(workers):
    with pytest.raises(ScoringError, match="There is no 13"):
        list(workers.results(squared, [13], nothing))


def test_a_task_that_ends_every_worker_is_an_error(workers, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_TRIES", 1)
    with pytest.raises(JobError, match="lost the workers of one task 2 times"):
        list(workers.results(always_killed, [1], nothing))


def test_an_address_where_nobody_is_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "here:now"):
        with pytest.raises(JobError, match=f"No Ray cluster answers at '{address}'"):
            ray_cluster.connected(address).__enter__()


@pytest.mark.crash
def test_a_simulation_on_a_cluster_draws_the_curves_of_one_here(project, workers):
    for seed in range(6):
        add_image(project, seed, annotated=True)
    add_image(project, 20, group="test", split="test", annotated=True)
    config = replace(SHORT, rounds=1)
    here = curves(project, simulate.simulate(project, config, Silent(), processes=1))
    project.simulations.remove(1)
    progress = Silent()
    there = simulate.simulate(project, config, progress, ray="local")
    assert curves(project, there) == here
    assert project.simulations.all()[0].finished
    assert sum("Precision_all" in line for line in progress.lines) == len(config.strategies)


def test_without_ray_the_error_says_how_to_install_it(slides, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(JobError, match=r'pip install "rbcal\[ray\]"'):
        score.score(slides, PASSES, Silent(), ray="auto")
