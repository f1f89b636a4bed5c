"""The Review page whose names learn from what is saved."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rbcal.jobs import live, live_thread
from rbcal.live_head import LastLayer
from rbcal.store.project import Project
from rbcal.types import CROP_EMBEDDING_SIZE
from tests.browser.driver import plant
from tests.ui.test_review import open_review, words

LEARNING = "Names learn from your answers as you work"


@pytest.fixture
def learning(tmp_path, monkeypatch):
    """A project whose model has a second look, and a ranked pool of three images."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    path = tmp_path / "pool.rbcal"
    images = plant(path, 3, width=160, height=120, n_cells=12, fewer=1, asks=True)
    rng = np.random.default_rng(0)
    with Project.open(path) as project, project.transaction():
        nothing = LastLayer(np.zeros((3, CROP_EMBEDDING_SIZE), np.float32), np.zeros(3, np.float32))
        project.live_heads.begin(project.rankings.current().id, nothing)
        for (detection,) in project._database.tuples("SELECT id FROM detection"):
            embedding = rng.uniform(size=CROP_EMBEDDING_SIZE).astype("<f2").tobytes()
            project._database.write(
                "UPDATE detection SET bald = 0.1, agreement = 0.9, rate = 1.0, embedding = ? WHERE id = ?",
                (embedding, detection),
            )
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
