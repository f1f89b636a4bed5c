"""One entry makes a strategy: it is offered, explained, simulated and reported from there alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from rbcal import cli
from rbcal.acquisition.cell_strategies import CELL_STRATEGIES
from rbcal.acquisition.ranking import by_value
from rbcal.acquisition.strategies import STRATEGIES, Strategy
from rbcal.config import ScoringConfig
from rbcal.jobs import simulate
from rbcal.jobs.rank import rerank
from rbcal.report.collect import collect
from rbcal.report.methods import methods
from rbcal.review.explanations import brief, why
from rbcal.store.rankings import StoredRanking
from tests.conftest import add_image
from tests.jobs.conftest import ranked  # noqa: F401  a fixture
from tests.jobs.test_pipeline import Silent
from tests.jobs.test_simulate import TINY, slides  # noqa: F401  a fixture
from tests.report.test_collect import measured
from tests.ui.conftest import app  # noqa: F401  a fixture


@pytest.fixture(autouse=True)
def crowded(monkeypatch):
    entry = Strategy(
        "crowded",
        sentence="The most cells first.",
        function=lambda pool, context: by_value(pool.n_cells, {"cells": pool.n_cells}),
        explain=lambda score, names, rare_names: f"{score.terms['cells']:.0f} cells of {len(names)} classes",
        brief=lambda score: f"{score.n_cells} at once",
        method="by the number of their cells",
    )
    monkeypatch.setitem(STRATEGIES, entry.name, entry)


def test_the_train_page_offers_it(app, project):  # noqa: F811
    add_image(project, 1, annotated=True)
    [choice] = [each for each in app("train").selectbox if each.label == "Which images come first"]
    assert "crowded: The most cells first." in choice.options


def test_the_command_line_lists_it():
    assert "crowded              The most cells first." in CliRunner().invoke(cli.app, ["strategies"]).stdout


def test_the_command_line_lists_the_strategies_over_cells():
    lines = CliRunner().invoke(cli.app, ["strategies"]).stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("cells_")] == list(CELL_STRATEGIES)


def test_the_queue_gives_its_reasons(ranked):  # noqa: F811
    project, images, _ = ranked
    rerank(project, "crowded")
    first = project.queue.top()[0]
    assert first.image_id == images[0]
    assert why("crowded", first, project.classes.names()) == "3 cells of 3 classes"
    assert brief("crowded", first.score) == "3 at once"


def test_a_simulation_runs_it(slides):  # noqa: F811
    config = replace(TINY, strategies=("crowded",), rounds=1)
    simulation_id = simulate.simulate(slides, config, Silent(), processes=1)
    _, point = slides.simulations.points(simulation_id)
    assert point.strategy == "crowded"
    assert point.query


def test_the_methods_text_describes_it(project):
    ranking = StoredRanking(1, 1, ScoringConfig(), "2026-01-01", False, "crowded")
    data = collect(measured(project))
    text = methods(replace(data, pool=replace(data.pool, ranking=ranking)))[2]
    assert text.endswith("Images were offered for review by the number of their cells.")
