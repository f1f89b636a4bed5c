"""A simulation as a job: planned, spread over processes, each finished arm stored at once, resumed by arm."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import Any

from rbcal.config import SimulationConfig
from rbcal.errors import ScoringError
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.jobs import ray_cluster
from rbcal.jobs.loaders import load_annotations
from rbcal.jobs.progress import ProgressReporter
from rbcal.jobs.rank import fitted_cost_model
from rbcal.jobs.ray_cluster import Shared
from rbcal.simulation.arm import Corpus, SeedModel, run_arm, train_seed_model
from rbcal.store.project import Project

AfterRound = Callable[[], None]
_MOST_PROCESSES = 8  # each takes about 1 GB
_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Arm:
    """One strategy in one repeat."""

    repeat: int
    strategy: str


AfterArm = Callable[[Arm, list[SimulationPoint]], None]


def corpus_of(project: Project) -> Corpus:
    """Return the annotated images of a project and its test set, as a simulation needs them.

    Raises
    ------
    ScoringError
        If there are too few of them.
    """
    trainable, test = project.images.annotated(), project.images.test()
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


def arms(config: SimulationConfig) -> list[Arm]:
    """Return every arm, repeat by repeat: what is done first is a whole comparison."""
    return [Arm(repeat, strategy) for repeat in range(config.repeats) for strategy in config.strategies]


def check(config: SimulationConfig, corpus: Corpus) -> None:
    """Raise a ScoringError if the config cannot be run on these images."""
    n_images = len(corpus.trainable)
    if n_images < config.seed_images + 2:
        raise ScoringError(
            f"{config.seed_images} seed images leave nothing to choose from: the project has {n_images} "
            "annotated images outside the test set. Take fewer seed images, or annotate more."
        )


def timed(project: Project, config: SimulationConfig) -> SimulationConfig:
    """Return the config with the times of this project's own reviews, if there are enough of them."""
    cost_model = fitted_cost_model(project)
    return (
        replace(config, cost_model=(cost_model.image, cost_model.cell, cost_model.change))
        if cost_model.n_reviews
        else config
    )


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
    corpus = corpus_of(project)
    check(config, corpus)
    config = timed(project, config)
    simulation_id = project.simulations.begin(config, corpus.sha256)
    stored = {(point.repeat, point.strategy) for point in project.simulations.points(simulation_id)}
    todo = [arm for arm in arms(config) if (arm.repeat, arm.strategy) not in stored]
    n_arms = len(arms(config))
    if len(todo) < n_arms:
        progress.log(f"Simulation {simulation_id} goes on: {n_arms - len(todo)} of {n_arms} arms are done")
    done = [(n_arms - len(todo)) * config.rounds]
    progress.stage("Simulating rounds", n_arms * config.rounds, done[0])

    def after_round() -> None:
        done[0] += 1
        progress.advance(done[0])

    def after_arm(arm: Arm, points: list[SimulationPoint]) -> None:
        project.simulations.add(simulation_id, points)
        last = points[-1]
        progress.log(
            f"Repeat {arm.repeat + 1}, {arm.strategy}: {last.n_cells} cells, "
            f"Precision_all {last.evaluation.precision_all:.3f}"
        )

    side_by_side = processes or min(os.cpu_count() or 1, _MOST_PROCESSES, len(todo))
    run: Callable[..., None]
    if ray is not None:
        run = partial(_run_on_cluster, ray, lambda: progress.advance(done[0]))
    elif side_by_side < 2:
        run = _run_here
    else:
        run = partial(_run_in_processes, side_by_side)
    run(corpus, config, todo, after_round, after_arm)
    config_now = next(each.config for each in project.simulations.all() if each.id == simulation_id)
    have = {(point.repeat, point.strategy) for point in project.simulations.points(simulation_id)}
    if all((arm.repeat, arm.strategy) in have for arm in arms(config_now)):
        project.simulations.finish(simulation_id)
    progress.log(f"Simulation {simulation_id} is finished")
    return simulation_id


def _run_here(
    corpus: Corpus,
    config: SimulationConfig,
    todo: Sequence[Arm],
    after_round: AfterRound,
    after_arm: AfterArm,
) -> None:
    """Run the arms one after the other in this process."""
    for repeat, of_repeat in groupby(todo, key=lambda arm: arm.repeat):
        seed_model = SeedModel(corpus, config, repeat, train_seed_model(corpus, config, repeat))
        for arm in of_repeat:
            after_arm(arm, run_arm(seed_model, arm.strategy, lambda _: after_round()))


class _LocalCorpus:
    """What a process of a simulation works on."""

    corpus: Corpus
    config: SimulationConfig
    rounds: SimpleQueue[int]  # takes each round that is done


def _begin(corpus: Corpus, config: SimulationConfig, rounds: SimpleQueue[int]) -> None:
    """Make this process ready; it ends when the process that started it ends."""
    _LocalCorpus.corpus, _LocalCorpus.config, _LocalCorpus.rounds = corpus, config, rounds
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)


def _seed(repeat: int) -> bytes:
    return train_seed_model(_LocalCorpus.corpus, _LocalCorpus.config, repeat)


def _arm(arm: Arm, weights: bytes) -> list[SimulationPoint]:
    return run_arm(_seed_model(arm.repeat, weights), arm.strategy, _LocalCorpus.rounds.put)


@lru_cache(maxsize=1)
def _seed_model(repeat: int, weights: bytes) -> SeedModel:
    """Return the stage of a repeat; the next arm of it finds what the trunk made of the images."""
    return SeedModel(_LocalCorpus.corpus, _LocalCorpus.config, repeat, weights)


def _run_in_processes(
    n: int,
    corpus: Corpus,
    config: SimulationConfig,
    todo: Sequence[Arm],
    after_round: AfterRound,
    after_arm: AfterArm,
) -> None:
    """Run arms side by side; those of a repeat start when its seed model is trained."""
    context = multiprocessing.get_context("spawn")
    rounds: SimpleQueue[int] = context.SimpleQueue()
    with _ended(ProcessPoolExecutor(n, context, _begin, (corpus, config, rounds))) as pool:
        repeats = dict.fromkeys(arm.repeat for arm in todo)
        seeds = {pool.submit(_seed, repeat): repeat for repeat in repeats}
        under_way: dict[Future[list[SimulationPoint]], Arm] = {}
        while seeds or under_way:
            waited: list[Future[Any]] = [*seeds, *under_way]
            wait(waited, _POLL_SECONDS, FIRST_COMPLETED)
            for seed in [each for each in seeds if each.done()]:
                repeat, weights = seeds.pop(seed), seed.result()
                of_repeat = [arm for arm in todo if arm.repeat == repeat]
                under_way |= {pool.submit(_arm, arm, weights): arm for arm in of_repeat}
            ended = [each for each in under_way if each.done()]  # before its rounds are counted
            while not rounds.empty():
                rounds.get()
                after_round()
            for arm in ended:
                after_arm(under_way.pop(arm), arm.result())


def _run_on_cluster(
    address: str,
    poll: Callable[[], None],
    corpus: Corpus,
    config: SimulationConfig,
    todo: Sequence[Arm],
    after_round: AfterRound,
    after_arm: AfterArm,
) -> None:
    """Run arms on the workers of a cluster, when the seed models of all repeats are trained there."""
    with ray_cluster.connected(address) as workers:
        images = workers.share(corpus)
        repeats = dict.fromkeys(arm.repeat for arm in todo)
        weights = workers.results(partial(_remote_seed, images, config), repeats, poll)
        seeds = {repeat: workers.share(each) for repeat, each in weights}
        curves = workers.results(partial(_remote_arm, images, config, seeds), todo, poll, in_order=False)
        with closing(curves):
            for arm, points in curves:
                after_arm(arm, points)
                for _ in points[1:]:
                    after_round()


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
    """Return the stage of a repeat, for all the arms of it that this worker runs."""
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
