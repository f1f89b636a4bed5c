"""A simulation as a job: arms run side by side, each is stored when it is done; a stopped one goes on."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from itertools import groupby
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import Any

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES, check_arms
from rbcal.acquisition.cost_model import CostModel
from rbcal.config import SimulationConfig
from rbcal.errors import ScoringError
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.jobs import ray_cluster
from rbcal.jobs.loaders import load_annotations
from rbcal.jobs.progress import ProgressReporter
from rbcal.jobs.ray_cluster import Shared
from rbcal.simulation.arm import Arm, arms, run_arm
from rbcal.simulation.corpus import Corpus
from rbcal.simulation.seed_model import SeedModel, train_seed_model
from rbcal.store.project import Project
from rbcal.wording import count

_MOST_PROCESSES = 8  # each takes about 1 GB
_POLL_SECONDS = 0.3


def simulate(
    project: Project,
    config: SimulationConfig,
    progress: ProgressReporter,
    processes: int = 0,
    ray: str | None = None,
) -> int:
    """Run every arm that is not stored yet, and return the id of the simulation.

    Parameters
    ----------
    processes : int
        How many arms run side by side, each on one core; 0: one per core. The outcome does not depend on it.
    ray : str, optional
        Address of a Ray cluster whose workers run the arms; nor does it depend on that.

    Raises
    ------
    ScoringError
        If the config cannot be run on the annotated images of the project.
    JobCancelledError
        When the user asked to cancel; the arms that are done are stored, and the next run goes on from there.
    """
    progress.stage("Reading the images")
    corpus = load_corpus(project)
    check(config, corpus)
    config = with_fitted_costs(project, config)
    recorder = _Recorder(project, config, corpus, progress)
    side_by_side = processes or min(os.cpu_count() or 1, _MOST_PROCESSES, len(recorder.todo))
    if ray is not None:
        _run_on_cluster(ray, corpus, config, recorder)
    elif side_by_side < 2:
        _run_here(corpus, config, recorder)
    else:
        _run_in_processes(side_by_side, corpus, config, recorder)
    return recorder.finish()


def load_corpus(project: Project) -> Corpus:
    """Return the images of a project whose every cell was named and its test set, as a simulation needs them.

    Raises
    ------
    ScoringError
        If there are too few of them.
    """
    trainable = [image for image in project.images.annotated() if not image.n_unread + image.n_unsure]
    test = [image for image in project.images.test() if not image.n_unsure]
    if not any(image.n_cells for image in test):
        raise ScoringError(
            f"{project.path.name} has no test set with cells, so a simulation has nothing to measure on. It "
            "is drawn when images with boxes are imported: rbcal import ... --test-fraction 0.25"
        )
    images = [*trainable, *test]
    return Corpus(
        ids=[image.id for image in images],
        contents=[project.images.content(image.id) for image in images],
        layers=[image.layer for image in images],
        truths=[load_annotations(project, image) for image in images],
        is_test=[False] * len(trainable) + [True] * len(test),
        n_classes=len(project.classes.names()),
        rare=tuple(project.classes.rare_labels()),
    )


def check(config: SimulationConfig, corpus: Corpus) -> None:
    """Raise a ScoringError if the config cannot be run on these images."""
    check_arms(*config.strategies)
    of_cells = [name for name in config.strategies if name in CELL_STRATEGIES]
    if of_cells and config.unit != "cells":
        raise ScoringError(
            f"{of_cells[0]} asks for cells, so a round is a number of cells and not of images. Say how many, "
            "as in --query 200cells, or leave out the strategies over cells."
        )
    n_images = len(corpus.trainable)
    if n_images < config.seed_images + 2:
        raise ScoringError(
            f"{config.seed_images} seed images leave nothing to choose from: the project has {n_images} "
            "annotated images outside the test set. Take fewer seed images, or annotate more."
        )


def with_fitted_costs(project: Project, config: SimulationConfig) -> SimulationConfig:
    """Return the config with the times of this project's own reviews, if there are enough of them."""
    fitted = CostModel.fit(*project.reviews.times())
    times = (fitted.image, fitted.cell, fitted.change)
    return replace(config, cost_model=times) if fitted.n_reviews else config


class _Recorder:
    """Stores each arm that is done, and reports each round."""

    def __init__(
        self, project: Project, config: SimulationConfig, corpus: Corpus, progress: ProgressReporter
    ) -> None:
        self._simulations, self._progress = project.simulations, progress
        self._id = project.simulations.begin(config, corpus.sha256)
        stored, wanted = self._stored(), arms(config)
        self.todo = [arm for arm in wanted if arm not in stored]
        n_stored = len(wanted) - len(self.todo)
        if n_stored:
            progress.log(f"Simulation {self._id} goes on: {n_stored} of {len(wanted)} arms are done")
        self._n_rounds = n_stored * config.rounds
        progress.stage("Simulating rounds", len(wanted) * config.rounds, self._n_rounds)

    def _stored(self) -> set[Arm]:
        return {Arm(point.repeat, point.strategy) for point in self._simulations.points(self._id)}

    def poll(self) -> None:
        """Notice a cancel."""
        self._progress.advance(self._n_rounds)

    def after_round(self, _round: int = 0) -> None:
        """Report one more round."""
        self._n_rounds += 1
        self.poll()

    def after_arm(self, arm: Arm, points: list[SimulationPoint]) -> None:
        """Store an arm."""
        self._simulations.add(self._id, points)
        last = points[-1]
        self._progress.log(
            f"Repeat {arm.repeat + 1}, {arm.strategy}: {count(last.n_cells, 'cell')}, "
            f"Precision_all {last.evaluation.precision_all:.3f}"
        )

    def finish(self) -> int:
        """Mark the simulation as finished if every arm of it is stored, and return its id."""
        config = next(each.config for each in self._simulations.all() if each.id == self._id)
        if self._stored().issuperset(arms(config)):
            self._simulations.finish(self._id)
        self._progress.log(f"Simulation {self._id} is finished")
        return self._id


def _run_here(corpus: Corpus, config: SimulationConfig, recorder: _Recorder) -> None:
    """Run the arms one after the other in this process."""
    for repeat, of_repeat in groupby(recorder.todo, key=lambda arm: arm.repeat):
        seed_model = SeedModel(corpus, config, repeat, train_seed_model(corpus, config, repeat))
        for arm in of_repeat:
            recorder.after_arm(arm, run_arm(seed_model, arm.strategy, recorder.after_round))


class _Process:
    """What a process of a simulation works on."""

    corpus: Corpus
    config: SimulationConfig
    rounds: SimpleQueue[int]  # takes each round that is done


def _begin(corpus: Corpus, config: SimulationConfig, rounds: SimpleQueue[int]) -> None:
    """Make this process ready; it ends when the process that started it ends."""
    _Process.corpus, _Process.config, _Process.rounds = corpus, config, rounds
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)


def _seed(repeat: int) -> bytes:
    return train_seed_model(_Process.corpus, _Process.config, repeat)


def _arm(arm: Arm, weights: bytes) -> list[SimulationPoint]:
    return run_arm(_seed_model(arm.repeat, weights), arm.strategy, _Process.rounds.put)


@lru_cache(maxsize=1)
def _seed_model(repeat: int, weights: bytes) -> SeedModel:
    """Return the seed model of a repeat; the next arm of it finds the features of the images."""
    return SeedModel(_Process.corpus, _Process.config, repeat, weights)


def _run_in_processes(n: int, corpus: Corpus, config: SimulationConfig, recorder: _Recorder) -> None:
    """Run arms side by side; those of a repeat start when its seed model is trained."""
    context = multiprocessing.get_context("spawn")
    rounds: SimpleQueue[int] = context.SimpleQueue()
    with _ended(ProcessPoolExecutor(n, context, _begin, (corpus, config, rounds))) as pool:
        repeats = dict.fromkeys(arm.repeat for arm in recorder.todo)
        seeds = {pool.submit(_seed, repeat): repeat for repeat in repeats}
        running: dict[Future[list[SimulationPoint]], Arm] = {}
        while seeds or running:
            waited: list[Future[Any]] = [*seeds, *running]
            wait(waited, _POLL_SECONDS, FIRST_COMPLETED)
            for seed in [each for each in seeds if each.done()]:
                repeat, weights = seeds.pop(seed), seed.result()
                of_repeat = [arm for arm in recorder.todo if arm.repeat == repeat]
                running |= {pool.submit(_arm, arm, weights): arm for arm in of_repeat}
            ended = [each for each in running if each.done()]  # before its rounds are counted
            while not rounds.empty():
                recorder.after_round(rounds.get())
            for each in ended:
                recorder.after_arm(running.pop(each), each.result())


def _run_on_cluster(address: str, corpus: Corpus, config: SimulationConfig, recorder: _Recorder) -> None:
    """Run arms on the workers of a cluster, when the seed models of all repeats are trained there."""
    with ray_cluster.connected(address) as workers:
        images = workers.share(corpus)
        repeats = dict.fromkeys(arm.repeat for arm in recorder.todo)
        weights = workers.results(partial(_remote_seed, images, config), repeats, recorder.poll)
        seeds = {repeat: workers.share(each) for repeat, each in weights}
        run = partial(_remote_arm, images, config, seeds)
        with closing(workers.results(run, recorder.todo, recorder.poll, in_order=False)) as curves:
            for arm, points in curves:
                recorder.after_arm(arm, points)
                for point in points[1:]:
                    recorder.after_round(point.round)


def _remote_seed(images: Shared[Corpus], config: SimulationConfig, repeat: int) -> bytes:
    """Return the seed model of a repeat; runs on a worker, as does what follows."""
    return train_seed_model(images.get(), config, repeat)


def _remote_arm(
    images: Shared[Corpus], config: SimulationConfig, seeds: Mapping[int, Shared[bytes]], arm: Arm
) -> list[SimulationPoint]:
    return run_arm(_remote_seed_model(images, config, arm.repeat, seeds[arm.repeat]), arm.strategy)


@lru_cache(maxsize=1)
def _remote_seed_model(
    images: Shared[Corpus], config: SimulationConfig, repeat: int, weights: Shared[bytes]
) -> SeedModel:
    """Return the seed model of a repeat, for all the arms of it that this worker runs."""
    return SeedModel(images.get(), config, repeat, weights.get())


@contextmanager
def _ended(pool: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    """Let no process outlive the block, whatever it is doing."""
    try:
        yield pool
    finally:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
