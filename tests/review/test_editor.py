"""The open image without a page: what an edit does to its boxes, and where the expert is then."""

from __future__ import annotations

import pytest

from rbcal.review import edits, navigation
from rbcal.review.editor import Editor, Picture
from rbcal.review.opening import open_editor
from rbcal.review.view import View
from rbcal.store.project import Project
from tests.browser.driver import plant


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "pool.rbcal"
    plant(path, 1, width=160, height=120, n_cells=12)
    with Project.open(path) as project:
        yield project


@pytest.fixture
def editor(project) -> Editor:
    """The ranked image, open."""
    return opened(project, project.queue.order()[0][0])


def opened(project, image_id):
    return open_editor(project, image_id, View(), Picture("", b""), lambda: True)


def test_a_class_key_while_drawing_touches_no_box_of_before(project):
    [seed] = project.images.annotated()
    editor = opened(project, seed.id)
    before = editor.boxes
    navigation.toggle_drawing(editor)
    edits.relabel(editor, 2)
    assert editor.boxes == before
    assert editor.view.label == 2
    edits.insert(editor, 100, 100)
    edits.relabel(editor, 1)
    assert [each.label for each in editor.boxes[len(before) :]] == [1]


def test_a_box_keeps_the_class_that_it_was_drawn_with(editor):
    navigation.toggle_drawing(editor)
    drawn = {"type": "LabeledRect", "fillRule": "nonzero", "left": 9, "top": 9, "width": 99, "height": 99}
    raw = {"objects": [*editor.canvas.drawing["objects"], {**drawn, "strokeWidth": 2}]}
    editor.take_drawing(raw)
    assert (editor.boxes[-1].review_status, editor.boxes[-1].label) == ("drawn", 0)
    navigation.let_go(editor)
    edits.relabel(editor, 2)  # no cell is chosen: the class of those to come
    editor.take_drawing(editor.canvas.drawing)
    assert (editor.boxes[-1].review_status, editor.boxes[-1].label) == ("drawn", 0)


def test_a_box_that_was_changed_and_changed_back_is_kept(project, editor):
    editor.select(1)
    label = editor.boxes[1].label
    edits.relabel(editor, (label + 1) % 3)
    edits.relabel(editor, label)
    editor.save()
    assert project.reviews.current(editor.image.id).review_status[:3] == ("open", "kept", "open")


def test_a_box_that_was_changed_stays_so_when_its_image_is_saved_again(project, editor):
    editor.select(1)
    edits.relabel(editor, (editor.boxes[1].label + 1) % 3)
    editor.save()
    again = opened(project, editor.image.id)
    again.select(2)
    edits.keep(again)
    again.save()
    assert project.reviews.current(editor.image.id).review_status[:3] == ("open", "changed", "kept")


def test_enter_keeps_the_cell_and_goes_on_to_the_next_red_one(editor):
    red = [each.id for each in editor.red_cells]
    edits.keep_and_go_on(editor)  # nothing is chosen yet
    assert editor.selected == red[0]
    for _ in red:
        edits.keep_and_go_on(editor)
    assert {each.id for each in editor.boxes if each.review_status == "kept"} == set(red)
    assert editor.notice.startswith("No red cell waits")


def test_enter_comes_back_to_a_red_cell_that_was_looked_at_and_left_open(editor):
    red = [each.id for each in editor.red_cells]
    editor.visited = set(red)
    edits.keep_and_go_on(editor)
    assert editor.selected == red[0]


def test_the_rest_is_kept_in_one_act_that_an_undo_takes_back(editor):
    n_unread = editor.n_unread
    edits.relabel(editor, 0)
    edits.keep_rest(editor)
    assert editor.n_unread == 0
    edits.undo(editor)
    assert editor.n_unread == n_unread > 1


def test_only_a_cell_of_the_batch_can_be_chosen(editor):
    navigation.toggle_cell_review(editor)
    navigation.toggle_batches(editor)
    assert len(editor.cell_review.batch) > 0
    other = next(each.id for each in editor.boxes if each.id not in editor.cell_review.batch)
    navigation.choose(editor, other)
    assert editor.selected is None
    navigation.choose(editor, editor.cell_review.batch[0])
    assert editor.selected == editor.cell_review.batch[0]


def test_the_undo_of_a_bulk_accept_leaves_no_cell_that_the_cell_review_does_not_have(editor):
    editor.cell_review.spots = [next(each.detection_id for each in editor.boxes if not each.flagged)]
    edits.keep_green(editor)
    assert editor.cell_review.is_open
    assert [each.id for each in editor.cells].count(editor.selected) == 1
    edits.undo(editor)
    assert editor.selected in [each.id for each in editor.cells]


def test_a_drawing_of_before_is_not_taken_for_the_one_on_the_canvas(editor):
    before = editor.canvas.drawing
    editor.redraw()
    assert not editor.canvas.accept(before)
    assert not editor.loaded
    assert editor.canvas.accept(editor.canvas.drawing)
    assert editor.loaded


def test_a_cell_is_pinned_for_its_class_and_let_go(project, editor):
    editor.select(0)
    edits.keep(editor)
    edits.pin(editor)
    assert project.references.is_pinned(editor.image.id, editor.chosen.box)
    assert editor.notice == "Pinned: its class shows it, once the image is saved."
    editor.save()
    assert project.references.of_class(editor.chosen.label)[0][0] == editor.image.id
    edits.pin(editor)
    assert project.references.pinned() == []
