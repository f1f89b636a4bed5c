"""The Review page without a browser: what it stores, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

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
        project.reviews.save(image_id, Annotations.empty(), origin="expert", base_revision=0)
        project.reviews.save_draft(image_id, Draft([], 1.0))
    at.button(key="save").click().run()
    assert "saved elsewhere" in words(at)
    assert "Saved 000" not in words(at)
    with Project.open(path) as project:
        assert project.reviews.draft(image_id) is not None
        assert project.reviews.current(image_id).revision == 1


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
