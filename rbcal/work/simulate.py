"""A simulation as a job: planned, spread over processes, each finished arm stored at once, resumed by arm."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.process import BaseProcess
from typing import Any

from rbcal.config import SimulationConfig
from rbcal.errors import ScoringError
from rbcal.scoring.effort import Effort
from rbcal.store.project import Project
from rbcal.store.simulations import SimulationPoint
from rbcal.vision import devices
from rbcal.work.arms import Corpus, Stage, run_arm, seed_model
from rbcal.work.reading import annotations_of
from rbcal.work.reporting import Reporter

_MOST_PROCESSES = 8  # each takes about 1 GB
_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Arm:
    """One strategy in one repeat."""

    repeat: int
    strategy: str


def corpus_of(project: Project) -> Corpus:
    """Return the annotated images of a project and its test set, as a simulation needs them.

    Raises
    ------
    ScoringError
        If there are too few of them.
    """
    work, test = project.images.annotated(), project.images.test()
    if not any(image.n_cells for image in test):
        raise ScoringError(
            f"{project.path.name} has no test set with cells, so a simulation has nothing to measure on. It "
            "is drawn when images with boxes are imported: rbcal import ... --test-fraction 0.25"
        )
    images = [*work, *test]
    return Corpus(
        ids=[image.id for image in images],
        contents=[project.images.content(image.id) for image in images],
        layers=[image.layer for image in images],
        truths=[annotations_of(project, image) for image in images],
        is_test=[False] * len(work) + [True] * len(test),
        n_classes=len(project.classes.names()),
        rare=tuple(project.classes.rare_labels()),
    )


def arms(config: SimulationConfig) -> list[Arm]:
    """Return every arm, repeat by repeat: what is done first is a whole comparison."""
    return [Arm(repeat, strategy) for repeat in range(config.repeats) for strategy in config.strategies]


def check(config: SimulationConfig, corpus: Corpus) -> None:
    """Raise a ScoringError if the config cannot be run on these images."""
    n_images = len(corpus.work)
    if n_images < config.seed_images + 2:
        raise ScoringError(
            f"{config.seed_images} seed images leave nothing to choose from: the project has {n_images} "
            "annotated images outside the test set. Take fewer seed images, or annotate more."
        )


def simulate(project: Project, config: SimulationConfig, tell: Reporter, processes: int = 0) -> int:
    """Run every arm that is not stored yet, and return the id of the simulation.

    Parameters
    ----------
    processes : int
        How many arms run side by side, each on one core; 0: one per core. The outcome does not depend on it.

    Raises
    ------
    ScoringError
        If the config cannot be run on the annotated images of the project.
    JobCancelledError
        When the user asked to cancel; the arms that are done are stored, and the next run goes on from there.
    """
    tell.stage("Reading the images")
    corpus = corpus_of(project)
    check(config, corpus)
    simulation_id = project.simulations.begin(config, corpus.sha256)
    stored = {(point.repeat, point.strategy) for point in project.simulations.points(simulation_id)}
    todo = [arm for arm in arms(config) if (arm.repeat, arm.strategy) not in stored]
    n_arms = len(arms(config))
    if len(todo) < n_arms:
        tell.log(f"Simulation {simulation_id} goes on: {n_arms - len(todo)} of {n_arms} arms are done")
    tell.stage("Simulating rounds", n_arms * config.rounds, done=(n_arms - len(todo)) * config.rounds)
    done = (n_arms - len(todo)) * config.rounds
    with _Processes(corpus, config, processes or min(os.cpu_count() or 1, _MOST_PROCESSES, len(todo))) as run:
        for arm, outcome in run(todo):
            if outcome is None:  # a round of it is done
                done += 1
                tell.advance(min(done, n_arms * config.rounds))
                continue
            project.simulations.add(simulation_id, outcome)
            last = outcome[-1]
            tell.log(
                f"Repeat {arm.repeat + 1}, {arm.strategy}: {last.n_cells} cells, "
                f"Precision_all {last.evaluation.precision_all:.3f}"
            )
    config_now = next(each.config for each in project.simulations.all() if each.id == simulation_id)
    have = {(point.repeat, point.strategy) for point in project.simulations.points(simulation_id)}
    if all((arm.repeat, arm.strategy) in have for arm in arms(config_now)):
        project.simulations.finish(simulation_id)
    tell.log(f"Simulation {simulation_id} is finished")
    return simulation_id


class _Here:
    """What a process of a simulation works on."""

    corpus: Corpus
    config: SimulationConfig
    rounds: Any  # a queue: takes an arm for each round of it that is done


def _begin(corpus: Corpus, config: SimulationConfig, rounds: Any) -> None:
    """Make this process ready: one core, and its end when the process that started it ends."""
    devices.use_cores(1)  # the outcome must not depend on how many cores there are
    _Here.corpus, _Here.config, _Here.rounds = corpus, config, rounds
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)


def _seed(repeat: int) -> bytes:
    return seed_model(_Here.corpus, _Here.config, repeat)


def _arm(arm: Arm, weights: bytes) -> list[SimulationPoint]:
    stage, effort = _stage(arm.repeat, weights), Effort(*_Here.config.effort)
    return run_arm(stage, arm.strategy, effort, lambda _: _Here.rounds.put(arm))


@lru_cache(maxsize=1)
def _stage(repeat: int, weights: bytes) -> Stage:
    """Return the stage of a repeat; the next arm of it finds what the trunk made of the images."""
    return Stage(_Here.corpus, _Here.config, repeat, weights)


class _Processes:
    """Runs arms side by side; those of a repeat start when its seed model is trained."""

    def __init__(self, corpus: Corpus, config: SimulationConfig, n: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._rounds = context.Manager().Queue()
        self._pool = ProcessPoolExecutor(n, context, _begin, (corpus, config, self._rounds))

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *_: object) -> None:
        workers = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()

    def __call__(self, todo: Sequence[Arm]) -> Iterator[tuple[Arm, list[SimulationPoint] | None]]:
        """Yield each arm with its points when it is done, and with None after each of its rounds."""
        repeats = dict.fromkeys(arm.repeat for arm in todo)
        seeds = {self._pool.submit(_seed, repeat): repeat for repeat in repeats}
        under_way: dict[Future[list[SimulationPoint]], Arm] = {}
        while seeds or under_way:
            waited: list[Future[Any]] = [*seeds, *under_way]
            wait(waited, _POLL_SECONDS, FIRST_COMPLETED)
            while not self._rounds.empty():
                yield self._rounds.get(), None
            for seed in [each for each in seeds if each.done()]:
                repeat, weights = seeds.pop(seed), seed.result()
                of_repeat = [arm for arm in todo if arm.repeat == repeat]
                under_way |= {self._pool.submit(_arm, arm, weights): arm for arm in of_repeat}
            for ended in [each for each in under_way if each.done()]:
                yield under_way.pop(ended), ended.result()
