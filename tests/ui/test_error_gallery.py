"""The error gallery of the Progress page, without a browser."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.config import TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.review import edits
from rbcal.types import Detections
from tests.conftest import add_image
from tests.ui.test_pages import words


def seen(truth, calls):
    """Return detections at the annotated boxes that say what `calls` has, None: not found."""
    probs = np.full((len(truth), 4), 0.02, np.float32)
    for row, call in zip(probs, calls, strict=True):
        row[0 if call is None else call + 1] = 0.94
    return Detections(truth.boxes, probs)


def plant(project):
    """Add a model that calls one test cell another class and misses one; it contradicts one annotation."""
    image_id, result = add_image(project, 1, annotated=True)
    test_id, tested = add_image(project, 2, group="test", split="test", annotated=True)
    model_id = project.models.add(TrainConfig(), b"w", {"train": [project.images.get(image_id)]}, 1.0)
    project.models.promote(model_id, "gate")
    project.evaluations.save(model_id, Evaluation(0.5, 0.5, 0.4, None, (0.5, 0.5, None), (4, 3, 0), 1))
    called = tested.labels.tolist()
    called[0], called[1] = (called[0] + 1) % 3, None
    project.evaluations.save_detections(model_id, test_id, seen(tested, called))
    called = result.labels.tolist()
    called[0] = (called[0] + 1) % 3
    project.evaluations.save_detections(model_id, image_id, seen(result, called))
    return test_id, image_id


@pytest.fixture
def wrong(project):
    return plant(project)


def crops(at):
    return [each for each in at.button if (each.key or "").startswith("error_")]


def test_each_mistake_on_the_test_set_is_a_crop(app, project, wrong):
    at = app("progress", "Classes")
    assert "What the model still gets wrong" in " ".join(each.value for each in at.subheader)
    assert [each.label for each in crops(at)] == ["002.png"]
    assert "the model sees no cell" not in words(at)
    at.segmented_control(key="errors_kind_test").set_value("Missed").run()
    assert [each.label for each in crops(at)] == ["002.png"]
    assert "the model sees no cell" in words(at)


def test_an_annotation_that_the_model_contradicts_is_a_crop(app, project, wrong):
    at = app("progress", "Classes")
    at.segmented_control(key="errors_where").set_value("In your annotations").run()
    assert [each.label for each in crops(at)] == ["001.png"]


def test_a_correction_takes_the_mistake_away(app, project, wrong):
    _, image_id = wrong
    model_id = project.models.serving().id
    found = project.evaluations.detections(model_id, "work")[image_id]
    truth = project.reviews.annotations(project.images.get(image_id).review_id)
    corrected = type(truth)(truth.boxes, found.labels)
    project.reviews.save(image_id, corrected, origin="expert", base_revision=1)
    at = app("progress", "Classes")
    at.segmented_control(key="errors_where").set_value("In your annotations").run()
    assert crops(at) == []
    assert "No mistake of this kind" in words(at)


def test_what_the_model_found_meanwhile_is_shown_at_the_next_look(app, project, wrong):
    model_id = project.models.serving().id
    at = app("progress", "Classes")
    at.segmented_control(key="errors_where").set_value("In your annotations").run()
    assert {each.label for each in crops(at)} == {"001.png"}
    other_id, truth = add_image(project, 3, annotated=True)
    called = [(label + 1) % 3 for label in truth.labels.tolist()]
    project.evaluations.save_detections(model_id, other_id, seen(truth, called))
    at.run()
    assert {each.label for each in crops(at)} == {"001.png", "003.png"}


def test_a_crop_opens_its_cell_on_the_review_page(app, project, wrong):
    at = app("progress", "Classes")
    crops(at)[0].click().run()
    assert not at.exception, at.exception
    editor = at.session_state["editor"]
    assert (editor.image.id, editor.selected) == (wrong[0], 0)
    assert "no model learns from it" in words(at)


def test_a_cell_that_nobody_annotated_is_shown_by_its_place(app, project, wrong):
    test_id, _ = wrong
    beyond = Detections([[90, 60, 99, 69]], [[0.1, 0.7, 0.1, 0.1]])
    project.evaluations.save_detections(project.models.serving().id, test_id, beyond)
    at = app("progress", "Classes")
    at.segmented_control(key="errors_kind_test").set_value("Nothing annotated").run()
    crops(at)[0].click().run()
    editor = at.session_state["editor"]
    assert (editor.selected, editor.place) == (None, (90, 60, 99, 69))
    assert "a cell that has no box of its own" in words(at)


def test_a_corrected_test_image_is_the_truth_from_then_on(app, project, wrong):
    test_id, _ = wrong
    at = app("progress", "Classes")
    crops(at)[0].click().run()
    editor = at.session_state["editor"]
    editor.selected, right = 0, (editor.boxes[0].label + 1) % 3
    edits.relabel(editor, right)
    editor.save()
    image = next(each for each in project.images.test() if each.id == test_id)
    assert project.reviews.annotations(image.review_id).labels[0] == right
    at = app("progress", "Classes")
    assert crops(at) == []


def test_a_model_that_has_not_looked_again_says_so(app, project, wrong):
    project._database.write("DELETE FROM model_detection")
    at = app("progress", "Classes")
    assert "has not looked at the test set yet" in words(at)
