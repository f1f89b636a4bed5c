"""The Review page whose names learn from what is saved."""

from __future__ import annotations

import threading

import pytest

from rbcal.jobs import live, live_thread
from rbcal.store.project import Project
from tests.browser.driver import let_learn, plant
from tests.ui.test_review import open_review, words

LEARNING = "Names learn from your answers as you work"


@pytest.fixture
def learning(tmp_path, monkeypatch):
    """A project whose model has a second look, and a ranked pool of three images."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    path = tmp_path / "pool.rbcal"
    images = plant(path, 3, width=160, height=120, n_cells=12, fewer=1, asks=True)
    let_learn(path)
    return path, images


def test_what_is_saved_names_the_images_that_are_opened_later(learning, monkeypatch):
    path, images = learning
    learn, shown_first = live.update, threading.Event()
    monkeypatch.setattr(live, "update", lambda *arguments: shown_first.wait(60) and learn(*arguments))
    at = open_review()
    file, n = at.session_state["project"], len(at.session_state["editor"].boxes)
    assert LEARNING not in words(at)
    at.button(key="save").click().run()
    at.button(key="save_all").click().run()
    assert at.session_state["editor"].image.id == images[1]  # at once, though names are learning
    shown_first.set()
    live_thread.join(file)
    shown_first.clear()
    at.button(key="save").click().run()
    at.button(key="save_all").click().run()
    assert at.session_state["editor"].image.id == images[2]
    assert f"{LEARNING} ({n} cells so far); not yet measured on the test set." in words(at)
    shown_first.set()
    live_thread.join(file)
    with Project.open(path) as project:
        ranking_id = project.rankings.current().id
        stored, named = (project.rankings.cells(ranking_id, images[2], live=each) for each in (False, True))
        assert project.live_heads.get(ranking_id).n_cells > n
    shown = at.session_state["editor"].predictions.cells
    assert any((shown[cell.detection_id].probs != cell.probs).any() for cell in stored)
    assert len(named) == len(shown)


def test_why_names_did_not_learn_is_said_and_the_save_counts(learning, monkeypatch):
    path, images = learning

    def fail(project, open_image):
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(live, "update", fail)
    at = open_review()
    at.button(key="save").click().run()
    at.button(key="save_all").click().run()
    live_thread.join(at.session_state["project"])
    at.run()
    assert "Names did not learn from your last answers: ZeroDivisionError" in words(at)
    with Project.open(path) as project:
        assert project.reviews.current(images[0]) is not None
