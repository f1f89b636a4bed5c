"""The choices in the head of the wall, and those that are saved under a name."""

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


def save(at, name):
    at.text_input(key="wall_filter_name").set_value(name)
    next(each for each in at.button if each.label == "Save").click().run()


def test_unread_cells_are_chosen_by_class_and_slide_alone(path):
    assert titles(open_wall()) >= {"Show", "Order", "Class", "Slide"}
    assert not titles(open_wall()) & {"Answered by", "Test images", "They look like"}


def test_a_saved_filter_is_chosen_again_in_another_window_and_removed(path):
    at = open_wall()
    at.selectbox(key="wall_kind").set_value("named cells").run()
    at.selectbox(key="wall_answered_order").set_value("smallest first").run()
    at.selectbox(key="wall_label").set_value("slit").run()
    save(at, "small *slits*")
    wanted = CellFilter("named", 1, by_size="smallest")
    with Project.open(path) as project:
        assert project.cell_filters.all() == {"small *slits*": wanted}
    at.selectbox(key="wall_kind").set_value("unread cells").run()

    other = open_wall()
    assert other.session_state["wall"].chosen == CellFilter()
    other.button(key="filter small *slits*").click().run()
    assert other.session_state["wall"].chosen == wanted
    assert other.selectbox(key="wall_kind").value == "named cells"
    assert other.selectbox(key="wall_answered_order").value == "smallest first"
    assert other.selectbox(key="wall_label").value == "slit"
    other.button(key="remove small *slits*").click().run()
    assert other.session_state["wall"].chosen == wanted
    at.button(key="filter small *slits*").click().run()  # of another window: it is gone
    assert not at.exception
    assert at.session_state["wall"].chosen.kind is None


def test_a_filter_without_a_name_gets_one_that_says_what_it_chooses(path):
    at = open_wall()
    at.selectbox(key="wall_order").set_value("largest first").run()
    save(at, "")
    with Project.open(path) as project:
        assert project.cell_filters.all() == {"unread cells, largest first": CellFilter(by_size="largest")}


def test_a_filter_whose_slide_is_gone_shows_any_slide_and_says_so(path):
    with Project.open(path) as project:
        project.cell_filters.save("old", CellFilter("named", 0, "gone.png"))
        project.classes.merge(0, 1)
    at = open_wall()
    at.button(key="filter old").click().run()
    assert at.session_state["wall"].chosen == CellFilter("named", 1)
    assert any("the slide gone" in each.value for each in at.markdown)


def test_what_is_chosen_outlives_a_look_at_an_image(path):
    at = open_wall()
    at.selectbox(key="wall_kind").set_value("named cells").run()
    at.selectbox(key="wall_annotator_0").set_value("Ada").run()
    assert {cell.image for cell in at.session_state["wall"].screen} == {"000.png"}
    at.segmented_control(key="review_unit").set_value("Images").run()
    at.segmented_control(key="review_unit").set_value("Cells").run()
    assert at.session_state["wall"].chosen == CellFilter("named", annotator="Ada")
    assert at.selectbox(key="wall_annotator_0").value == "Ada"
    assert at.selectbox(key="wall_kind").value == "named cells"


def test_cells_of_test_images_can_be_chosen_where_there_are_some(path):
    at = open_wall()
    at.selectbox(key="wall_kind").set_value("named cells").run()
    assert "Test images" not in titles(at)
    with Project.open(path) as project:
        project.splits.grow(2)
        read_by(project, project.splits.draw(), "Bob")
    at.run()
    at.selectbox(key="wall_of_test_0").set_value("only these").run()
    [cell] = at.session_state["wall"].screen
    assert cell.is_test
    assert any("no model learns from them" in each.value for each in at.caption)
    at.selectbox(key="wall_annotator_0").set_value("Ada").run()
    assert at.session_state["wall"].screen == []
    assert any("No cell waits of these" in each.value for each in at.success)
    at.selectbox(key="wall_kind").set_value("answers to check").run()
    assert "Test images" not in titles(at)
    assert "They look like" in titles(at)
