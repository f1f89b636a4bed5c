"""The Review page without a browser: what it stores, and what it says when it cannot."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages._desk import Desk
from rbcal.boxes import Annotations
from rbcal.config import ScoringConfig
from rbcal.store.project import Project
from rbcal.store.rankings import Score
from rbcal.store.reviews import Draft
from rbcal.view import shapes
from tests.browser.driver import plant

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A project with a ranked pool of two images, and their ids in the order of the queue."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    path = tmp_path / "pool.rbcal"
    return path, plant(path, 2, width=160, height=120, n_cells=12)


def open_review():
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.switch_page("pages/review.py").run()
    assert not at.exception, at.exception
    return at


def words(at):
    kinds = (at.info, at.error, at.success, at.markdown, at.caption)
    return " ".join(element.value for kind in kinds for element in kind)


def test_save_stores_the_boxes_with_the_detections_that_they_came_from(pool):
    path, (image_id, _) = pool
    at = open_review()
    at.button(key="save").click().run()
    assert "Saved 000" in words(at)
    with Project.open(path) as project:
        review = project.reviews.current(image_id)
        cells = project.rankings.cells(project.rankings.current().id, image_id)
    assert review.detection_ids == tuple(cell.detection_id for cell in cells)
    assert review.origin == "expert"


def test_a_save_elsewhere_is_told_and_the_draft_kept(pool):
    path, (image_id, _) = pool
    at = open_review()
    with Project.open(path) as project:
        project.reviews.save_draft(image_id, Draft([], 1.0))
        project.reviews.save(
            image_id, Annotations.empty(), origin="expert", base_revision=0
        )  # drops the draft
    at.button(key="save").click().run()
    assert "saved elsewhere" in words(at)
    assert "Saved 000" not in words(at)
    with Project.open(path) as project:
        mine = shapes.from_json(project.reviews.draft(image_id).boxes)
        assert mine == at.session_state["desk"].present
        assert project.reviews.current(image_id).revision == 1
    at.button(key="mine").click().run()
    at.button(key="save").click().run()
    with Project.open(path) as project:
        assert len(project.reviews.current(image_id).annotations) == len(mine)
        assert project.reviews.current(image_id).revision == 2


def test_a_draft_goes_before_the_boxes_of_the_model(pool):
    path, (image_id, _) = pool
    mine = (shapes.Shape(0, (10, 10, 30, 30), 2, how="drawn"),)
    with Project.open(path) as project:
        project.reviews.save_draft(image_id, Draft(shapes.to_json(mine), 50.0))
    at = open_review()
    assert "1 cell, 1 changed" in words(at)
    at.button(key="save").click().run()
    with Project.open(path) as project:
        review = project.reviews.current(image_id)
    assert review.annotations.labels.tolist() == [2]
    assert review.seconds >= 50


def test_a_draft_outlives_the_ranking_that_it_began_with(pool):
    path, images = pool
    with Project.open(path) as project:
        model_id, config = project.models.serving().id, ScoringConfig()
        old = project.rankings.cells(project.rankings.current().id, images[0])[0]
        mine = (shapes.Shape(0, tuple(old.box.tolist()), old.label, old.detection_id, how="changed"),)
        project.reviews.save_draft(images[0], Draft(shapes.to_json(mine), 1.0))
        newer = project.rankings.begin(model_id, config)
        for image_id in images:
            project.rankings.add(newer, image_id, Score(0, 0, 0, 0, 0, 0), [])
        project.rankings.finish(newer)
    at = open_review()
    at.button(key="save").click().run()
    assert not at.exception
    with Project.open(path) as project:
        assert project.reviews.current(images[0]).detection_ids == (None,)


def test_an_image_in_which_nothing_was_found_has_its_own_words(pool):
    path, images = pool
    with Project.open(path) as project:
        ranking_id = project.rankings.begin(project.models.serving().id, ScoringConfig())
        for image_id in images:
            project.rankings.add(ranking_id, image_id, Score(0, 0, 0, 0, 0, 0), [])
        project.rankings.finish(ranking_id)
    assert "The model found nothing here" in words(open_review())


def test_relabelling_and_undo_are_drafted_at_once(pool):
    path, (image_id, _) = pool
    at = open_review()
    desk = at.session_state["desk"]
    desk.select(0)
    label = (desk.present[0].label + 1) % 3
    at.button(key=f"class_{label}").click().run()
    with Project.open(path) as project:
        assert shapes.from_json(project.reviews.draft(image_id).boxes)[0].label == label
    at.button(key="undo").click().run()
    with Project.open(path) as project:
        assert shapes.from_json(project.reviews.draft(image_id).boxes) == desk.start


def reopen(at, image_id):
    at.session_state["wanted_image"] = image_id
    at.run()
    assert not at.exception, at.exception
    assert at.session_state["desk"].image.id == image_id
    return at.session_state["desk"]


def test_an_imported_image_is_reopened_and_what_nobody_looked_at_is_not_called_kept(pool):
    path, _ = pool
    with Project.open(path) as project:
        [seed] = project.images.annotated()
    at = open_review()
    desk = reopen(at, seed.id)
    assert "reviewed 1 time before" in words(at)
    desk.select(0)
    at.button(key=f"class_{(desk.present[0].label + 1) % 3}").click().run()
    at.button(key="save").click().run()
    with Project.open(path) as project:
        review = project.reviews.current(seed.id)
    assert review.revision == 2
    assert review.how == ("changed", *[None] * (len(review.how) - 1))


def test_a_class_key_while_drawing_touches_no_box_of_before(pool):
    path, _ = pool
    with Project.open(path) as project:
        [seed] = project.images.annotated()
    desk = reopen(open_review(), seed.id)
    before = desk.present
    desk.do("draw")
    desk.do("label", 2)
    assert desk.present == before
    assert desk.view.label == 2
    desk.do("insert", [100, 100])
    desk.do("label", 1)
    assert [each.label for each in desk.present[len(before) :]] == [1]


def test_a_box_that_was_changed_and_changed_back_is_kept(pool):
    path, (image_id, _) = pool
    at = open_review()
    desk = at.session_state["desk"]
    desk.select(1)
    label = desk.present[1].label
    desk.do("label", (label + 1) % 3)
    desk.do("label", label)
    desk.save()
    with Project.open(path) as project:
        assert project.reviews.current(image_id).how[:3] == ("open", "kept", "open")


def test_the_companion_is_told_to_choose_only_what_a_sheet_shows(pool):
    desk = open_review().session_state["desk"]
    desk.do("walk")
    desk.do("sheet")
    assert len(desk.sheet) > 0
    other = next(each.id for each in desk.present if each.id not in desk.sheet)
    desk.do("choose", other)
    assert desk.selected is None
    desk.do("choose", desk.sheet[0])
    assert desk.selected == desk.sheet[0]


def test_the_undo_of_a_bulk_accept_leaves_no_cell_that_the_walk_does_not_have(pool):
    desk = open_review().session_state["desk"]
    desk.spots = [next(each.detection_id for each in desk.present if not each.flagged)]
    desk.do("green")
    assert desk.walking
    assert [each.id for each in desk.walk_cells()].count(desk.selected) == 1
    desk.do("undo")
    assert desk.selected in [each.id for each in desk.walk_cells()]


def test_another_project_begins_anew(pool):
    path, _ = pool
    plant(path.with_name("other.rbcal"), 1, width=160, height=120, n_cells=12)
    at = AppTest.from_file(APP, default_timeout=60)
    at.query_params["project"] = "pool"
    at.run().switch_page("pages/review.py").run()
    assert at.session_state["desk"].path == path
    at.session_state["view"].queue_label = 2
    at.session_state["view"].ticket = 7
    at.button(key="skip").click().run()
    at.session_state["project"] = str(path.with_name("other.rbcal"))  # as app.py does
    at.run()
    assert not at.exception, at.exception
    assert at.session_state["desk"].path.name == "other.rbcal"
    assert "1 of 1" in words(at)
    view = at.session_state["view"]
    assert (view.queue_label, view.ticket) == (None, 7)


def test_when_all_is_reviewed_an_image_can_be_reopened(pool):
    path, images = pool
    at = open_review()
    for _ in images:
        at.button(key="save").click().run()
    assert "Every image is reviewed" in words(at)
    assert "Reopen an image" in [each.label for each in at.button]
    reopen(at, images[0])
    at.button(key="skip").click().run()  # nothing else waits, so it is left as it is
    assert "Every image is reviewed" in words(at)
    with Project.open(path) as project:
        assert project.reviews.current(images[0]).revision == 1


def test_a_desk_that_was_left_is_forgotten(pool):
    path, _ = pool
    at = open_review()
    at.button(key="walk").click().run()
    at.button(key="walk").click().run()
    for _ in range(6):
        at.button(key="skip").click().run()
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) is Desk and each.path == path]
    assert len(alive) <= 2  # of seven; the run before is still around
