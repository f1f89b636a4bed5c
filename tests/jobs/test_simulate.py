"""Simulations: annotated images play pool and expert; every arm starts alike; nothing done is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from functools import partial

import pytest

from rbcal.acquisition.cost_model import CostModel
from rbcal.config import SimulationConfig, TrainConfig
from rbcal.detector.faster_rcnn import Detector
from rbcal.errors import JobCancelledError, ScoringError
from rbcal.jobs import simulate
from rbcal.simulation import runtime_estimate, seed_model
from rbcal.simulation.runtime_estimate import estimate_runtime
from rbcal.store.project import Project
from rbcal.types import Annotations
from tests.conftest import CLASSES, add_image
from tests.jobs.test_pipeline import Silent

TINY = SimulationConfig(
    strategies=("random", "relevance"),
    repeats=1,
    rounds=2,
    seed_images=2,
    query=8,
    pool_sample=3,
    steps=2,
    seed_steps=2,
    views=2,
    passes=3,
    crop=160,
    trunk="imagenet",
)


def fill(project):
    """Add nine annotated images to work with, two to test on."""
    for seed in range(9):
        add_image(project, seed, annotated=True)
    for seed in (20, 21):
        add_image(project, seed, group="test", split="test", annotated=True)
    return project


@pytest.fixture
def slides(project):
    """A project to simulate with."""
    return fill(project)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The same, after a simulation in two processes."""
    path = tmp_path_factory.mktemp("simulated") / "slides.rbcal"
    with Project.create(path, classes=CLASSES, rare=["spiky"]) as project:
        simulate.simulate(fill(project), TINY, Silent(), processes=2)
        yield project


@pytest.fixture
def few_crops(monkeypatch):
    """Let a second look learn from four cells a step."""
    for module in (seed_model, runtime_estimate):
        monkeypatch.setattr(module, "TrainConfig", partial(TrainConfig, crops=4))


def curves(project, simulation_id):
    return {
        (point.repeat, point.strategy, point.round): replace(point, seconds=0.0)
        for point in project.simulations.points(simulation_id)
    }


def test_each_arm_starts_from_the_same_model_and_reviews_what_it_asked_for(simulated):
    [simulation] = simulated.simulations.all()
    assert (simulation.finished, simulation.config) == (True, TINY)
    points = curves(simulated, simulation.id)
    assert points.keys() == {(0, name, k) for name in TINY.strategies for k in range(3)}
    first, other = points[0, "random", 0], points[0, "relevance", 0]
    assert first == replace(other, strategy="random")
    cells = {image.id: image.n_cells for image in simulated.images.annotated()}
    for name in TINY.strategies:
        before = first
        for k in (1, 2):
            now = points[0, name, k]
            assert now.n_cells == before.n_cells + sum(cells[each] for each in now.query) > before.n_cells
            assert now.n_images == before.n_images + len(now.query)
            assert now.n_cells - first.n_cells >= 8 * k > now.n_cells - first.n_cells - cells[now.query[-1]]
            assert now.weights_sha256 != before.weights_sha256
            assert now.expert_seconds > before.expert_seconds
            before = now
        asked = [each for k in (1, 2) for each in points[0, name, k].query]
        assert len(set(asked)) == len(asked)


@pytest.mark.usefixtures("two_cores")  # of which a simulation takes one
def test_one_process_gives_what_two_give_and_a_cancelled_simulation_goes_on(slides, simulated):
    with pytest.raises(JobCancelledError):
        simulate.simulate(slides, TINY, Silent(stop_after=3), processes=1)  # the first arm is stored
    [stopped] = slides.simulations.all()
    assert not stopped.finished
    kept = slides.simulations.points(stopped.id)
    assert {point.strategy for point in kept} == {"random"}
    simulation_id = simulate.simulate(slides, TINY, Silent(), processes=1)
    assert simulation_id == stopped.id
    assert slides.simulations.points(simulation_id)[: len(kept)] == kept  # not done again
    assert curves(slides, simulation_id) == curves(simulated, 1)


def test_more_strategies_join_the_stored_simulation(slides):
    config = replace(TINY, strategies=("random",), rounds=1)
    simulation_id = simulate.simulate(slides, config, Silent(), processes=1)
    before = slides.simulations.points(simulation_id)
    progress = Silent()
    joined = simulate.simulate(slides, replace(config, strategies=("balanced",)), progress, processes=1)
    assert joined == simulation_id
    points = curves(slides, simulation_id)
    assert {name for _, name, _ in points} == {"random", "balanced"}
    assert [each for each in slides.simulations.points(simulation_id) if each.strategy == "random"] == before
    assert points[0, "balanced", 0] == replace(points[0, "random", 0], strategy="balanced")
    assert slides.simulations.all()[0].finished
    assert simulate.simulate(slides, replace(config, rounds=2), progress, processes=1) != simulation_id


def test_another_annotation_is_another_simulation(slides):
    first = simulate.simulate(slides, replace(TINY, strategies=("random",), rounds=1), Silent(), processes=1)
    image = slides.images.annotated()[0]
    slides.reviews.save(image.id, Annotations.empty(), origin="expert", base_revision=1)
    second = simulate.simulate(slides, replace(TINY, strategies=("random",), rounds=1), Silent(), processes=1)
    assert first != second
    assert slides.simulations.all()[0].images != slides.simulations.all()[1].images


def test_a_pool_that_is_used_up_ends_the_arm(slides):
    config = replace(TINY, strategies=("random",), query=1000, rounds=5, pool_sample=50)
    points = slides.simulations.points(simulate.simulate(slides, config, Silent(), processes=1))
    assert [point.n_images for point in points] == [2, 9]


def test_each_round_brings_an_image_however_many_cells_the_last_one_had_and_its_time(slides):
    config = replace(TINY, strategies=("random",), query=1, rounds=3, cost_model=(100.0, 0.0, 0.0))
    assert CostModel(*config.cost_model).image == 100
    points = slides.simulations.points(simulate.simulate(slides, config, Silent(), processes=1))
    assert [point.n_images for point in points] == [2, 3, 4, 5]
    assert [point.expert_seconds for point in points] == [0, 100, 200, 300]


def test_a_memory_too_small_for_the_features_changes_nothing_but_the_time(slides, monkeypatch):
    config = replace(TINY, strategies=("balanced",))
    whole = curves(slides, simulate.simulate(slides, config, Silent(), processes=1))
    slides.simulations.remove(1)
    monkeypatch.setattr(seed_model, "_MOST_BYTES", 2**20)
    assert curves(slides, simulate.simulate(slides, config, Silent(), processes=1)) == whole


CELLS = replace(TINY, strategies=("random", "cells_random", "none"), rounds=1, second_look=True, live_every=5)


@pytest.mark.usefixtures("few_crops")
def test_arms_over_cells_and_the_control_start_alike_and_train_alike(slides):
    points = curves(slides, simulate.simulate(slides, CELLS, Silent(), processes=1))
    first = points[0, "random", 0]
    assert all(replace(points[0, name, 0], strategy="random") == first for name in CELLS.strategies)
    cells, control = points[0, "cells_random", 1], points[0, "none", 1]
    assert cells.n_cells - first.n_cells == CELLS.query  # answers, not images
    assert cells.n_images == first.n_images + len(cells.query)
    assert cells.expert_seconds > 0
    assert (control.n_cells, control.expert_seconds, control.query) == (first.n_cells, 0, ())
    assert len({first.weights_sha256, cells.weights_sha256, control.weights_sha256}) == 3


def test_an_oracle_that_errs_gives_other_annotations_and_leaves_the_seed_images(slides, simulated):
    config = replace(TINY, strategies=("random",), rounds=1, error_rate=1.0)
    start, point = slides.simulations.points(simulate.simulate(slides, config, Silent(), processes=1))
    right = curves(simulated, 1)  # of an oracle that does not
    same_start, other = right[0, "random", 0], right[0, "random", 1]
    assert (point.query, point.n_cells) == (other.query, other.n_cells)
    assert point.cells_by_class != other.cells_by_class
    assert replace(start, seconds=0.0) == same_start


def test_cells_are_not_asked_for_by_the_image(slides):
    config = replace(TINY, strategies=("cells_random",), unit="images")
    with pytest.raises(ScoringError, match=r"cells_random asks for cells.*--query 200cells"):
        simulate.simulate(slides, config, Silent())


def test_what_cannot_be_simulated_is_said_before_any_work(slides, project):
    with pytest.raises(ScoringError, match="8 seed images leave nothing to choose from: the project has 9"):
        simulate.simulate(slides, replace(TINY, seed_images=8), Silent())
    with pytest.raises(ScoringError, match="no strategy 'luck'"):
        simulate.simulate(slides, replace(TINY, strategies=("luck",)), Silent())
    with pytest.raises(ScoringError, match="no strategy 'cells_luck' over cells"):
        simulate.simulate(slides, replace(TINY, strategies=("cells_luck",)), Silent())
    with pytest.raises(ScoringError, match="rounds is at least 1"):
        replace(TINY, rounds=0)
    with pytest.raises(ScoringError, match="error rate is from 0 to 1"):
        replace(TINY, error_rate=1.5)
    with pytest.raises(ScoringError, match="less than 0 seconds"):
        replace(TINY, cell_costs=(3.0, -1.0, 4.0))
    assert slides.simulations.all() == []


def test_without_a_test_set_there_is_nothing_to_measure_on(project):
    add_image(project, 1, annotated=True)
    with pytest.raises(ScoringError, match="no test set with cells"):
        simulate.simulate(project, TINY, Silent())


def test_the_cost_of_cells_counts_the_whole_pool_and_that_of_the_control_none(slides):
    corpus = simulate.load_corpus(slides)
    seconds = runtime_estimate._Seconds(step=0, frozen_step=0, view=0, features=0, predict=1, detect=0)
    of = {
        name: runtime_estimate._of_round(seconds, corpus, replace(TINY, rounds=1), name, new_images=2)
        for name in ("random", "cells_random", "none")
    }
    assert of == {"random": 3 + 2 + 2, "cells_random": 9 - 2, "none": 0}  # images that are predicted


@pytest.mark.usefixtures("few_crops")
def test_the_cost_of_a_second_look_is_that_of_the_annotated_cells(slides, monkeypatch):
    """An untrained detector would have it look at hundreds of places."""
    corpus, numbers = simulate.load_corpus(slides), []
    features_of_boxes = Detector.features_of_boxes

    def counted(detector, image, boxes):
        numbers.append(len(boxes))
        return features_of_boxes(detector, image, boxes)

    monkeypatch.setattr(Detector, "features_of_boxes", counted)
    estimate_runtime(corpus, replace(TINY, second_look=True), processes=1)
    assert numbers == [max(len(corpus.truths[k]) for k in seed_model.seed_images(corpus, TINY, 0))]


def test_the_cost_counts_arms_and_rounds(slides):
    corpus = simulate.load_corpus(slides)
    estimate = estimate_runtime(corpus, replace(TINY, repeats=3), processes=2)
    assert (estimate.n_arms, estimate.n_rounds, estimate.processes) == (6, 12, 2)
    assert estimate.seconds > 0
    assert estimate.rounds_per_hour == pytest.approx(12 * 3600 / estimate.seconds)


@pytest.mark.crash
@pytest.mark.skipif(os.name != "posix", reason="process groups are of POSIX")
def test_no_process_outlives_a_simulation_that_is_killed(slides):
    script = (
        "import sys; from pathlib import Path\n"
        "from rbcal.config import SimulationConfig; from rbcal.store.project import Project\n"
        "from rbcal.jobs import simulate; from tests.jobs.test_pipeline import Silent\n"
        "class Printing(Silent):\n"
        "    def advance(self, step, loss=None): print('round', flush=True)\n"
        "if __name__ == '__main__':\n"
        "    with Project.open(Path(sys.argv[1])) as project:\n"
        f"        simulate.simulate(project, SimulationConfig(**{asdict(TINY)!r}), Printing(), 2)\n"
    )
    path = slides.path.with_name("race.py")
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ["PYTHONPATH"]])}
    race = subprocess.Popen(
        [sys.executable, path, slides.path], stdout=subprocess.PIPE, start_new_session=True, env=environment
    )
    assert race.stdout.readline() == b"round\n"
    race.kill()
    race.wait()
    deadline = time.monotonic() + 60
    while _group_lives(race.pid):
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.1)
    race.stdout.close()


def _group_lives(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True
