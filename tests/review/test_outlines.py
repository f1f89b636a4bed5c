"""Cells boxed by their outline: boxes that nobody named, until the expert names them."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal import synth
from rbcal.review import edits, navigation
from rbcal.review.cell_review import waiting
from rbcal.review.editor import Editor, Picture
from rbcal.review.opening import open_editor
from rbcal.review.view import View
from rbcal.types import iou
from tests.conftest import add_image


@pytest.fixture
def image_id(project):
    return add_image(project, 1)[0]


def opened(project, image_id, view: View | None = None) -> Editor:
    return open_editor(project, image_id, view or View(), Picture("", b""), lambda: True)


@pytest.fixture
def editor(project, image_id):
    """An image that no model has seen, its cells boxed."""
    editor = opened(project, image_id)
    edits.outline(editor)
    return editor


def test_each_cell_gets_a_box_that_waits_for_its_name(editor):
    _, truth = synth.draw(1, width=160, height=120, n_cells=8)
    boxes = np.array([each.box for each in editor.boxes], np.float32)
    assert len(boxes) == len(truth)
    assert all(iou(boxes, box).max() > 0.8 for box in truth.boxes)
    assert {each.review_status for each in editor.boxes} == {"open"}
    assert all(each.flagged and editor.is_hidden(each) for each in editor.boxes)
    assert editor.red_cells == list(editor.boxes)
    assert not editor.view.drawing


def test_cells_without_names_do_not_come_side_by_side(editor):
    navigation.toggle_cell_review(editor)
    edits.relabel(editor, 1)
    at = editor.selected
    navigation.toggle_batches(editor)
    assert (editor.selected, editor.cell_review.batch) == (at, [])
    assert "none yet" in editor.notice


def test_a_cell_that_a_person_named_keeps_its_name_when_it_is_left_unsure(editor, project):
    editor.select(0)
    edits.leave_unsure(editor)
    assert editor.is_hidden(editor.chosen)  # nobody had named it
    editor.select(1)
    edits.relabel(editor, 2)
    edits.leave_unsure(editor)
    assert not editor.is_hidden(editor.chosen)
    edits.keep(editor)
    assert (editor.chosen.label, editor.chosen.review_status) == (2, "kept")
    imported, _ = add_image(project, 5, annotated=True)
    other = opened(project, imported)
    other.select(0)
    edits.leave_unsure(other)
    assert not other.is_hidden(other.chosen)


def test_one_undo_takes_them_away(editor):
    edits.undo(editor)
    assert editor.boxes == ()


def test_no_act_names_them_but_a_class_key(editor):
    editor.select(0)
    edits.keep_and_go_on(editor)
    assert editor.notice == edits.NAMELESS
    edits.keep_rest(editor)
    edits.keep_green(editor)
    edits.nudge(editor, 1, 0, 1, 0)
    assert editor.n_unread == len(editor.boxes)
    edits.relabel(editor, editor.view.label)
    assert editor.chosen.review_status == "kept"
    editor.select(1)
    edits.relabel(editor, 2)
    assert (editor.chosen.label, editor.chosen.review_status) == (
        2,
        "kept",
    )  # what had no name is not changed
    assert editor.n_unread == len(editor.boxes) - 2


def test_the_walk_goes_from_one_to_the_next(editor):
    navigation.toggle_cell_review(editor)
    n = len(editor.boxes)
    for k in range(n):
        assert len(waiting(editor.cells)) == n - k
        edits.relabel(editor, k % 3)
    assert not editor.cell_review.is_open
    assert [each.label for each in editor.boxes] == [k % 3 for k in range(n)]


def test_what_was_not_named_teaches_no_class(editor, project, image_id):
    editor.select(0)
    edits.relabel(editor, 1)
    editor.save()
    truth = project.reviews.annotations(project.images.get(image_id).review_id)
    assert truth.read.tolist() == [True] + [False] * (len(editor.boxes) - 1)
    again = opened(project, image_id)
    assert [again.is_hidden(each) for each in again.boxes] == (~truth.read).tolist()
    assert {each.flagged for each in again.boxes if again.is_hidden(each)} == {True}


def test_the_next_images_open_with_their_boxes_and_nothing_is_stored_before_an_act(editor, project):
    second, truth = add_image(project, 2)
    begun = opened(project, second, editor.view)
    assert len(begun.boxes) == len(truth)
    assert not begun.view.drawing
    assert "boxed by outline" in begun.notice
    assert project.log.work(second).version == 0
    project.box_by_outline(box=False)
    assert len(opened(project, second).boxes) == 0
    begun.select(0)
    edits.relabel(begun, 1)
    assert len(opened(project, second).boxes) == len(truth)


def test_boxes_of_the_expert_stay_and_are_not_doubled(project, image_id):
    editor = opened(project, image_id)
    _, truth = synth.draw(1, width=160, height=120, n_cells=8)
    editor.change(editor.history.draw(tuple(truth.boxes[0].tolist()), 2))
    edits.outline(editor)
    assert len(editor.boxes) == len(truth)
    assert (editor.boxes[0].label, editor.boxes[0].review_status) == (2, "drawn")
    assert editor.n_unread == len(truth) - 1


def test_a_blank_image_says_that_nothing_stands_out(project):
    content = synth.encode(np.full((90, 120, 3), 220, np.uint8))
    image_id = project.images.add(
        content, name="blank.png", width=120, height=90, group="slide", split="work"
    )
    editor = opened(project, image_id)
    edits.outline(editor)
    assert editor.boxes == ()
    assert "No cell stands out" in editor.notice


def test_all_that_have_no_name_get_one_at_once_and_an_undo_takes_it_back(editor):
    editor.select(0)
    edits.relabel(editor, 2)
    edits.name_rest(editor, 1)
    assert [each.label for each in editor.boxes] == [2] + [1] * (len(editor.boxes) - 1)
    assert editor.n_unread == 0
    edits.undo(editor)
    assert editor.n_unread == len(editor.boxes) - 1
