"""The choices in the head of the wall."""

from __future__ import annotations

import pytest

from rbcal.store.cell_filters import CellFilter
from rbcal.store.project import Project
from tests.browser.driver import let_learn, plant
from tests.ui.conftest import APP
from tests.visitor import app_test


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A project of two images, whose names learn; one of them was read by Ada."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    path = tmp_path / "pool.rbcal"
    image_id, _ = plant(path, 2, width=160, height=120, n_cells=12, embedded=True)
    let_learn(path)
    with Project.open(path) as project:
        read_by(project, image_id, "Ada")
    return path


def read_by(project, image_id, who):
    """Keep the first cell of an image."""
    project.annotate_as(who)
    cells = project.rankings.cells(project.rankings.current().id, image_id)
    truth = project.reviews.annotations(1)
    boxes = type(truth)([each.box for each in cells], [each.label for each in cells])
    status = ["kept", *["open"] * (len(cells) - 1)]
    revision = project.reviews.revision(image_id)
    project.reviews.save(image_id, boxes, origin="expert", base_revision=revision, review_status=status)


def open_wall():
    at = app_test(APP, 60).run()
    at.switch_page("pages/review.py").run()
    if at.segmented_control(key="review_unit").value != "Cells":
        at.segmented_control(key="review_unit").set_value("Cells").run()
    assert not at.exception, at.exception
    return at


def titles(at):
    return {each.label for each in at.selectbox}


def test_unread_cells_are_chosen_by_class_and_slide_alone(path):
    assert titles(open_wall()) >= {"Show", "Order", "Class", "Slide"}
    assert not titles(open_wall()) & {"Answered by", "Test images", "They look like"}


def test_what_is_chosen_outlives_a_look_at_an_image(path):
    at = open_wall()
    at.selectbox(key="wall_kind").set_value("named cells").run()
    at.selectbox(key="wall_annotator").set_value("Ada").run()
    assert {cell.image for cell in at.session_state["wall"].screen} == {"000.png"}
    at.segmented_control(key="review_unit").set_value("Images").run()
    at.segmented_control(key="review_unit").set_value("Cells").run()
    assert at.session_state["wall"].chosen == CellFilter("named", annotator="Ada")
    assert at.selectbox(key="wall_annotator").value == "Ada"
    assert at.selectbox(key="wall_kind").value == "named cells"


def test_cells_of_test_images_can_be_chosen_where_there_are_some(path):
    at = open_wall()
    at.selectbox(key="wall_kind").set_value("named cells").run()
    assert "Test images" not in titles(at)
    with Project.open(path) as project:
        project.splits.grow(2)
        read_by(project, project.splits.draw(), "Bob")
    at.run()
    at.selectbox(key="wall_of_test").set_value("only these").run()
    [cell] = at.session_state["wall"].screen
    assert cell.is_test
    assert any("no model learns from them" in each.value for each in at.caption)
    at.selectbox(key="wall_annotator").set_value("Ada").run()
    assert at.session_state["wall"].screen == []
    assert any("No cell waits of these" in each.value for each in at.success)
    at.selectbox(key="wall_kind").set_value("answers to check").run()
    assert "Test images" not in titles(at)
    assert "They look like" in titles(at)
