"""The test set in the app: it grows with what is annotated, and is drawn anew while nothing was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rbcal.interchange.splits import redraw
from rbcal.review import edits
from rbcal.store.evaluations import CurvePoint
from rbcal.store.project import Project
from rbcal.ui.progress.headline import on_fewer_images
from tests.browser.driver import plant
from tests.conftest import add_image
from tests.store.conftest import FIGURES
from tests.visitor import app_test

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    return tmp_path / "pool.rbcal"


def opened(page=""):
    at = app_test(APP, 60).run()
    if page:
        at.switch_page(f"pages/{page}.py").run()
    assert not at.exception, at.exception
    return at


def test_the_fourth_image_is_a_test_image_and_comes_again_in_another_session(path):
    plant(path, 8, width=160, height=120, n_cells=12, fewer=0, blind=True)  # one is annotated already
    at = opened("review")
    for _ in range(2):
        edits.keep_rest(at.session_state["editor"])
        at.button(key="save").click().run()
    with Project.open(path) as project:
        [drawn] = project.splits.waiting()
        assert project.images.get(drawn).split == "test"
    words = " ".join(each.value for each in at.markdown)
    assert "Test image, drawn at random" in words
    assert at.session_state["editor"].image.id == drawn
    assert opened("review").session_state["editor"].image.id == drawn
    at.button(key="save").click().run()
    with Project.open(path) as project:
        assert project.images.test() == []  # nobody read its boxes, so nothing is measured on it
        assert project.splits.waiting() == [drawn]  # and it comes again
    assert at.session_state["editor"].image.split == "work"


def test_the_test_set_is_drawn_anew_until_the_first_training(path):
    with Project.create(path, classes=["disc", "slit", "spiky"], rare=["spiky"]) as project:
        for seed in range(1, 9):
            add_image(project, seed, group=f"slide {seed}", annotated=True)
    at = opened()
    next(each for each in at.button if each.label == "Draw a test set").click().run()
    assert not at.exception
    with Project.open(path) as project:
        assert len(project.images.test()) == 2
        assert project.splits.every == 0
    assert any(each.label == "Draw again" for each in at.button)


def test_a_redraw_leaves_slides_without_annotations_where_they_are(path):
    with Project.create(path, classes=["disc", "slit", "spiky"]) as project:
        for seed in range(1, 5):
            add_image(project, seed, group=f"slide {seed}", annotated=True)
        bare, _ = add_image(project, 5, group="bare")
        for seed in range(6):
            redraw(project, 0.5, seed)
            assert len(project.images.test()) == len(project.images.annotated()) == 2
            assert project.images.get(bare).split == "work"


def test_models_that_were_measured_on_fewer_test_images_are_named():
    def point(model_id, n_images):
        return CurvePoint(model_id, 1, 1, "", replace(FIGURES, n_images=n_images))

    assert on_fewer_images([point(1, 2), point(2, 3), point(3, 3)]) == [1]
    assert on_fewer_images([]) == []
