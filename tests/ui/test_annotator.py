"""Who annotates: asked once, before the first act."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from rbcal.store.project import Project
from tests.browser.driver import plant
from tests.conftest import add_image

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def pool(tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    monkeypatch.setattr(ContextProxy, "cookies", {})  # a mock without end in AppTest
    path = tmp_path / "pool.rbcal"
    return path, plant(path, 2, width=160, height=120, n_cells=12)


def newcomer():
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.switch_page("pages/review.py").run()
    assert not at.exception, at.exception
    return at


def test_the_name_is_asked_before_the_first_image_and_signs_what_is_saved(pool):
    path, (image_id, _) = pool
    at = newcomer()
    assert not [each for each in at.button if each.key == "save"]
    at.text_input[-1].set_value(" Ann ")
    next(each for each in at.button if each.label == "Begin").click().run()
    at.button(key="save").click().run()
    with Project.open(path) as project:
        assert project.reviews.versions(image_id)[0].who == "Ann"
        assert project.expert == "Ann"  # the first one is that of the project


def test_no_name_is_a_choice(pool):
    path, (image_id, _) = pool
    with Project.open(path) as project:
        project.sign("Bob")  # who began the project is not who works here
    at = newcomer()
    next(each for each in at.button if each.label == "Begin without a name").click().run()
    at.button(key="save").click().run()
    with Project.open(path) as project:
        assert project.reviews.versions(image_id)[0].who == ""
        assert project.log.annotators() == []
        assert project.expert == "Bob"


def test_a_project_without_classes_lets_the_first_be_named_on_the_review_page(tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    monkeypatch.setattr(ContextProxy, "cookies", {})
    path = tmp_path / "bare.rbcal"
    with Project.create(path) as project:
        add_image(project, 1)
    at = newcomer()
    at.text_area[0].set_value("disc\nspiky")
    next(each for each in at.button if each.label == "Add").click().run()
    with Project.open(path) as project:
        assert project.classes.names() == ("disc", "spiky")
    assert "Who annotates?" in [each.value for each in at.subheader]  # no other page between
