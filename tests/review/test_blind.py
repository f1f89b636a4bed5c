"""Images that are read blind: what the model calls a cell is hidden until the expert has named it."""

from __future__ import annotations

import pytest

from rbcal.review import edits, navigation
from rbcal.review.opening import open_editor
from rbcal.review.view import View
from rbcal.store.project import Project
from tests.browser.driver import plant
from tests.review.test_editor import opened


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "pool.rbcal"
    plant(path, 2, width=160, height=120, n_cells=12, blind=True)
    with Project.open(path) as project:
        yield project


@pytest.fixture
def editor(project):
    """A test image that was drawn in the ranked pool, open."""
    return opened(project, project.splits.draw())


def test_no_box_shows_the_name_that_the_model_gives(editor):
    assert all(map(editor.is_hidden, editor.boxes))
    assert {each.flagged for each in editor.boxes} == {True}  # nor whether it is sure


def test_a_hidden_cell_is_named_and_never_kept_unseen(editor):
    editor.select(1)
    edits.keep_and_go_on(editor)
    assert editor.n_unread == len(editor.boxes)
    assert editor.notice == edits.NAME_IT
    edits.keep_rest(editor)
    edits.keep_green(editor)
    assert editor.n_unread == len(editor.boxes)


def test_the_class_that_the_model_had_is_an_answer_too(editor):
    editor.select(1)
    label = editor.chosen.label
    edits.relabel(editor, label)
    assert editor.chosen.review_status == "kept"
    assert not editor.is_hidden(editor.chosen)
    edits.undo(editor)
    assert editor.is_hidden(editor.chosen)


def test_cells_of_a_test_image_come_one_by_one(project):
    view = View(cell_review=True, batches=True)
    editor = open_editor(project, project.splits.draw(), view, opened(project, 1).picture, lambda: True)
    assert editor.cell_review.is_open
    assert not editor.cell_review.batch  # side by side are cells of one class
    edits.relabel(editor, 0)
    assert len({each.id for each in editor.boxes if each.review_status != "open"}) == 1


def test_a_filter_by_class_does_not_tell_the_class(editor):
    navigation.show_only(editor, 0)
    assert len(editor.visible) == len(editor.boxes)


def test_a_spot_check_is_named_before_the_models_name_is_shown(project):
    editor = opened(project, project.queue.order()[0][0])
    green = next(each for each in editor.boxes if not each.flagged)
    assert not editor.is_hidden(green)
    editor.cell_review.spots = [green.detection_id]
    edits.keep_green(editor)
    assert editor.is_hidden(editor.history.find(green.id))
    editor.selected = green.id
    edits.keep(editor)
    assert editor.chosen.review_status == "accepted_in_bulk"
    edits.relabel(editor, green.label)
    assert editor.history.find(green.id).review_status == "kept"


def test_names_are_shown_where_the_project_says_so(project):
    project.splits.hide_names(hide=False)
    editor = opened(project, project.splits.draw())
    assert not any(map(editor.is_hidden, editor.boxes))


def test_a_hidden_cell_that_was_moved_still_has_no_name(editor):
    editor.select(1)
    left = editor.chosen.box[0]
    edits.nudge(editor, 1, 0, 1, 0)
    assert editor.chosen.box[0] == left + 1
    assert editor.is_hidden(editor.chosen)
    assert editor.n_unread == len(editor.boxes)


def test_an_answer_comes_back_when_starting_over_is_undone(editor):
    editor.select(1)
    label = editor.chosen.label
    edits.relabel(editor, (label + 1) % 3)
    edits.relabel(editor, label)  # it was the model's class after all
    answered = editor.chosen
    edits.start_over(editor)
    edits.undo(editor)
    assert editor.history.find(answered.id) == answered
    assert not editor.is_hidden(answered)
