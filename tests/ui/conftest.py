"""What the tests of the pages share: the app, as a server runs it, and a measured project."""

from __future__ import annotations

import runpy
from functools import partialmethod
from pathlib import Path

import pytest
from streamlit.runtime.scriptrunner import script_runner

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.rankings import Score
from tests.conftest import add_image
from tests.visitor import app_test

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def app(tmp_path, monkeypatch):
    """The app over an empty projects folder, with the page that a test switches to."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    # AppTest takes the folder pages/ for Streamlit's first way of paging at every run; a server does so
    # only until app.py has run once.
    monkeypatch.setattr(script_runner, "_mpa_v1", lambda main: runpy.run_path(main, run_name="__main__"))

    # Nor does it ask the app what to say when a part of a page runs into something.
    say = runpy.run_path(str(APP), run_name="app")["say"]
    served = partialmethod(script_runner.ScriptRunner.__init__, on_script_error=say)
    monkeypatch.setattr(script_runner.ScriptRunner, "__init__", served)

    def run(page=None, tab=None):
        at = app_test(APP, 60).run()
        if tab:
            at.session_state["progress_tab"] = tab
        if page:
            at.switch_page(f"pages/{page}.py").run()
        assert not at.exception, at.exception
        return at

    return run


@pytest.fixture
def measured(project):
    """Two models, the second better, and a ranking."""
    add_image(project, 1, annotated=True)
    pool_id, _ = add_image(project, 2)
    add_image(project, 3, group="test", split="test", annotated=True)
    images = project.images.annotated()
    for ap in (0.25, 0.5):
        model_id = project.models.add(TrainConfig(), b"weights", {"train": images}, 60)
        project.models.promote(model_id, "gate")
        figures = Evaluation(ap, ap, ap / 2, None, (ap, None, None), (9, 0, 0), 1)
        project.evaluations.save(model_id, figures)
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    project.rankings.add(ranking_id, pool_id, Score(3, 5, 3, 1, 2, 0), [])
    project.rankings.finish(ranking_id)
    return project
