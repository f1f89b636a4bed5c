"""The setting of the Train page that lets trainings follow without a click."""

from __future__ import annotations

import pytest

from rbcal.jobs import launcher, live_thread
from rbcal.store.job_requests import TrainJob
from rbcal.store.project import Project
from tests.browser.driver import plant
from tests.ui.test_review import open_review, words


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A project with a ranked pool of two images."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    plant(tmp_path / "pool.rbcal", 2, width=160, height=120, n_cells=12, asks=True)
    return tmp_path / "pool.rbcal"


def test_it_is_off_and_a_click_switches_it_on_and_off(path):
    at = open_review()
    at.switch_page("pages/train.py").run()
    assert at.toggle[0].label == "Train by itself after every 200 new cells"
    assert at.toggle[0].value is False
    at.toggle[0].set_value(True).run()
    assert not at.exception
    assert "0 new cells since the last training" in words(at)
    with Project.open(path) as project:
        assert project.train_after == 200
    at.toggle[0].set_value(False).run()
    with Project.open(path) as project:
        assert project.train_after is None


def test_a_save_starts_the_training_that_is_due(path, monkeypatch):
    requests = []
    monkeypatch.setattr(launcher, "start", lambda file, request: requests.append(request) or 1)
    with Project.open(path) as project:
        project.train_by_itself(5)
    at = open_review()
    at.button(key="save").click().run()
    at.button(key="save_all").click().run()
    live_thread.join(at.session_state["project"])
    assert [type(each) for each in requests] == [TrainJob]
    assert live_thread.last_error(at.session_state["project"]) is None
