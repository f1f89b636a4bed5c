"""The boxes at work: undo is exact, drafts come back, and a click finds the cell that lies on top."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rbcal.view import shapes
from rbcal.view.shapes import History, Shape

CELLS = tuple(Shape(k, (20.0 * k, 0.5, 20.0 * k + 15, 16.25), k % 3, detection_id=100 + k) for k in range(4))
acts = st.lists(
    st.one_of(
        st.tuples(st.just("relabel"), st.integers(0, 4), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(0, 4)),
        st.tuples(st.just("undo")),
        st.tuples(st.just("redo")),
    ),
    max_size=40,
)


@given(acts)
def test_undo_walks_back_through_exactly_the_states_that_were(moves):
    history, states, place = History(CELLS), [CELLS], 0
    for name, *arguments in moves:
        before = history
        history = getattr(history, name)(*arguments)
        if name == "undo":
            place = max(0, place - 1)
        elif name == "redo":
            place = min(len(states) - 1, place + 1)
        elif history is not before:
            states = [*states[: place + 1], history.present]
            place += 1
        assert history.present == states[place]
    for state in reversed(states[:place]):
        history = history.undo()
        assert history.present == state
    assert history.undo() is history


def test_a_class_that_is_the_same_is_no_change():
    history = History(CELLS)
    assert history.relabel(1, CELLS[1].label) is history


def test_boxes_come_back_from_a_draft_as_they_were():
    assert shapes.from_json(json.loads(json.dumps(shapes.to_json(CELLS)))) == CELLS


def test_a_click_finds_the_smallest_box_around_it():
    large = Shape(9, (0, 0, 100, 100), 0)
    assert shapes.shape_at([*CELLS, large], 25, 5) == CELLS[1]
    assert shapes.shape_at([*CELLS, large], 50, 50) == large
    assert shapes.shape_at(CELLS, 500, 500) is None


def test_annotations_keep_the_detection_that_each_box_came_from():
    drawn = Shape(4, (1, 2, 3, 4), 2, touched=True)
    annotations, detection_ids = shapes.to_annotations([*CELLS, drawn])
    np.testing.assert_array_equal(annotations.boxes[4], [1, 2, 3, 4])
    assert annotations.labels.tolist() == [0, 1, 2, 0, 2]
    assert detection_ids == [100, 101, 102, 103, None]
    assert len(shapes.to_annotations([])[0]) == 0
