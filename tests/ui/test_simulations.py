"""Experiments on the Progress page, without a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rbcal.config import SimulationConfig, TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.job_requests import SimulateJob, TrainJob
from tests.conftest import add_image
from tests.evaluation.test_learning_curves import many, two_by_two
from tests.ui.test_pages import button, words

SHOWN = "shown_('random', 'balanced')"
CONFIG = SimulationConfig(strategies=("random", "balanced"), repeats=2, rounds=2)


def plant(project, points, config=CONFIG, *, finished=True):
    simulation_id = project.simulations.begin(config, "ab" * 32)
    project.simulations.add(simulation_id, points)
    if finished:
        project.simulations.finish(simulation_id)
    return simulation_id


def ready(project):
    """Enough annotated images to simulate with, and a test set."""
    for seed in range(8):
        add_image(project, seed, group=str(seed), annotated=True)
    add_image(project, 8, group="test", split="test", annotated=True)
    return project


@pytest.fixture
def started(monkeypatch):
    requests = []
    monkeypatch.setattr("rbcal.jobs.launcher.start", lambda *arguments: requests.append(arguments[1:]))
    return requests


def test_without_a_simulation_the_page_says_what_one_is_and_starts_it(app, project, started):
    ready(project)
    at = app("progress")
    assert "What would another order of review have brought?" in words(at)
    next(each for each in at.number_input if each.label == "Repeats").set_value(7)
    button(at, "Simulate").click().run()
    [(request,)] = started
    asked = request.config
    assert (asked.repeats, asked.seed_images, asked.query) == (7, 2, 200)
    assert asked.strategies == SimulationConfig.strategies
    assert not at.exception


def test_a_simulation_waits_for_annotated_images_and_a_test_set(app, project):
    add_image(project, 1, annotated=True)
    at = app("progress")
    assert "measured on the test set, and this project has none" in words(at)
    assert button(at, "Simulate").disabled
    add_image(project, 2, group="test", split="test", annotated=True)
    at = app("progress")
    assert "at least 6 annotated images" in words(at)
    assert button(at, "Simulate").disabled


def test_another_job_goes_first(app, project):
    ready(project).jobs.add(TrainJob(TrainConfig()))
    assert button(app("progress"), "Simulate").disabled


def test_a_simulation_is_shown_with_its_settings_figures_and_repeats(app, project):
    plant(ready(project), two_by_two())
    at = app("progress")
    assert "Simulation 1: finished, 2 repeats." in words(at)
    table = at.dataframe[0].value.set_index("Strategy")
    assert table.loc["balanced", "Verdict"] == "Too few repeats to say (2; at least 5)"
    assert table.loc["balanced", "Cells to the target"] == "100 (0.50 × random)"
    assert [each.label for each in at.get("download_button")] == [
        "Report",
        *("PNG", "SVG", "CSV", "CSV of every point"),
        *("PNG", "SVG", "CSV"),
    ]


def test_metric_axis_target_and_strategies_are_the_users_choice(app, project):
    plant(ready(project), two_by_two())
    at = app("progress")
    at.selectbox(key="metric").select("AP@0.5 of disc").run()
    at.segmented_control(key="axis").set_value("Expert minutes").run()
    at.number_input(key="curve_target").set_value(0.99).run()
    at.toggle(key="every_run").set_value(True).run()
    at.pills(key=SHOWN).set_value(["balanced"]).run()
    assert not at.exception, at.exception
    assert "assumed times" in words(at)
    table = at.dataframe[0].value
    assert table["Minutes to the target"].tolist() == ["not reached", "not reached"]


def test_a_metric_without_a_test_cell_says_so(app, project):
    plant(ready(project), two_by_two())
    at = app("progress")
    at.selectbox(key="metric").select("Rare-class AP@0.5").run()
    assert "The test set has no such cell" in words(at)


def test_a_curve_can_be_of_macro_f1(app, project):
    counted = [
        replace(each, evaluation=replace(each.evaluation, n_named=(9, 0), n_correct=(each.round, 0)))
        for each in two_by_two()
    ]
    plant(ready(project), counted)
    at = app("progress")
    at.selectbox(key="metric").select("Macro F1").run()
    table = at.dataframe[0].value.set_index("Strategy")
    assert table.loc["balanced", "Macro F1 at the end"].startswith("0.222")  # 2 of 9 cells, 2 of 9 boxes


def test_a_simulation_that_is_older_than_a_figure_says_so(app, project):
    plant(ready(project), two_by_two())
    at = app("progress")
    at.selectbox(key="metric").select("Macro F1").run()
    assert "the simulation is older than this figure" in words(at)


def test_a_stopped_simulation_goes_on_with_what_it_has(app, project, started):
    plant(ready(project), many([0.1]), SimulationConfig(("random", "balanced"), repeats=3), finished=False)
    at = app("progress")
    assert "stopped, 1 of 3 repeats done so far" in words(at)
    button(at, "Go on with it").click().run()
    assert started[0][0].config.repeats == 3


def test_a_simulation_under_way_shows_how_far_it_is_and_can_be_cancelled(app, project):
    timed = replace(CONFIG, cost_model=(9.0, 0.5, 3.0), repeats=3)  # as the worker widened it
    plant(ready(project), many([0.1]), timed, finished=False)
    job_id = project.jobs.add(SimulateJob(CONFIG))
    at = app("progress")
    assert "under way, 1 of 3 repeats done so far" in words(at)
    button(at, "Cancel").click().run()
    assert project.jobs.get(job_id).cancel_requested


def test_a_simulation_that_failed_says_why(app, project):
    job_id = ready(project).jobs.add(SimulateJob(CONFIG))
    project.jobs.end(job_id, "failed", "Out of paper.")
    at = app("progress")
    assert "The simulation failed. Out of paper." in words(at)
    assert not button(at, "Simulate").disabled


def test_a_strategy_that_is_done_later_joins_the_charts(app, project):
    points = two_by_two()
    simulation_id = plant(
        ready(project), [each for each in points if each.strategy == "random"], finished=False
    )
    at = app("progress")
    assert len(at.get("vega_lite_chart")) == 1  # nothing to compare yet
    project.simulations.add(simulation_id, [each for each in points if each.strategy != "random"])
    at.run()
    assert at.pills(key=SHOWN).value == ["random", "balanced"]
    assert len(at.get("vega_lite_chart")) == 2
    at.pills(key=SHOWN).set_value(["random"]).run()
    assert len(at.get("vega_lite_chart")) == 1
    at.pills(key=SHOWN).set_value([]).run()
    assert len(at.get("vega_lite_chart")) == 2  # none chosen: all


def test_one_of_several_simulations_is_chosen(app, project):
    plant(ready(project), two_by_two())
    plant(project, many([0.1]), SimulationConfig(("random", "balanced"), repeats=1))
    at = app("progress")
    assert "Simulation 2: finished, 1 repeat." in words(at)
    at.selectbox(key="simulation").select(1).run()
    assert "Simulation 1: finished, 2 repeats." in words(at)


def test_the_projects_own_curve_may_have_the_simulated_ones_behind_it(app, measured):
    plant(measured, two_by_two())
    at = app("progress", "Details")
    at.toggle[0].set_value(True).run()
    assert "compare the shapes, not the heights" in words(at)
    at.selectbox(key="live_metric").select("Rare-class AP@0.5").run()
    assert "no curve of this metric yet" in words(at)
    assert not at.exception


def test_names_that_are_code_stay_names(app, project):
    project.classes.add(["<img src=x onerror=alert(1)>", "**b**"])
    figures = Evaluation(0.5, 0.5, 0.2, None, (0.5, None, None, 0.3, 0.2), (9, 0, 0, 3, 3), 3)
    points = [each.__class__(**{**vars(each), "evaluation": figures}) for each in two_by_two()]
    plant(ready(project), points)
    at = app("progress")
    at.selectbox(key="metric").select("AP@0.5 of <img src=x onerror=alert(1)>").run()
    assert not at.exception, at.exception
