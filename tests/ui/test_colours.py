"""What makes a cell green, chosen on the Review page."""

from __future__ import annotations

from rbcal.review import edits
from rbcal.store.project import Project
from tests.ui import test_live
from tests.ui.test_review import open_review, words

learning = test_live.learning  # a fixture


def test_the_open_image_gets_its_new_colours_and_keeps_what_was_done_to_it(learning):
    path, images = learning
    at = open_review()
    editor = at.session_state["editor"]
    assert not all(each.flagged for each in editor.boxes)  # by the paper
    first = editor.boxes[0]
    editor.select(first.id)
    edits.relabel(editor, (first.label + 1) % 3)
    [colours] = [each for each in at.segmented_control if each.label == "Colours"]
    colours.set_value("chance").run()
    assert not at.exception
    with Project.open(path) as project:
        assert project.colours.by == "chance"
    editor = at.session_state["editor"]
    assert editor.image.id == images[0]
    assert editor.boxes[0].label == (first.label + 1) % 3
    assert all(each.flagged for each in editor.boxes)  # there is no test set: nothing is known
    assert "Nothing is green yet" in words(at)
