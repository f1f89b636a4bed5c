"""The boxes at work: undo is exact, drafts come back, and a click finds the cell that lies on top."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rbcal.review import history as shapes
from rbcal.review.history import History, Shape

CELLS = tuple(Shape(k, (20.0 * k, 0.5, 20.0 * k + 15, 16.25), k % 3, detection_id=100 + k) for k in range(4))
acts = st.lists(
    st.one_of(
        st.tuples(st.just("relabel"), st.integers(0, 4), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(0, 4)),
        st.tuples(st.just("keep"), st.integers(0, 4)),
        st.tuples(st.just("move"), st.integers(0, 4), st.just((1.0, 2.0, 9.0, 9.5))),
        st.tuples(st.just("draw"), st.just((1.0, 2.0, 9.0, 9.5)), st.integers(0, 2)),
        st.tuples(st.just("keep_green")),
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


def test_boxes_come_back_from_the_log_as_they_were():
    flagged = tuple(replace(each, flagged=each.id == 1) for each in CELLS)
    assert shapes.from_boxes(shapes.to_boxes(flagged), flagged={101}) == flagged


def test_a_click_finds_the_smallest_box_around_it():
    large = Shape(9, (0, 0, 100, 100), 0)
    assert shapes.shape_at([*CELLS, large], 25, 5) == CELLS[1]
    assert shapes.shape_at([*CELLS, large], 50, 50) == large
    assert shapes.shape_at(CELLS, 500, 500) is None


def test_a_box_is_found_by_one_of_the_same_cell():
    x1, y1, x2, y2 = CELLS[1].box
    assert shapes.shape_like(CELLS, (x1 + 1, y1, x2 + 1, y2)) == CELLS[1]
    assert shapes.shape_like(CELLS, (x2 + 100, y1, x2 + 110, y2)) is None
    assert shapes.shape_like([], CELLS[0].box) is None


def test_a_bulk_accept_takes_every_green_box_that_nobody_dealt_with_and_no_red_one():
    green, red, kept = CELLS[0], replace(CELLS[1], flagged=True), replace(CELLS[2], review_status="kept")
    history = History((green, red, kept)).keep_green()
    assert [each.review_status for each in history.present] == ["accepted_in_bulk", "open", "kept"]
    assert history.undo().present == (green, red, kept)


def test_looking_at_a_changed_box_again_does_not_hide_that_it_was_changed():
    history = History(CELLS).relabel(1, 0).keep(1).keep(2)
    assert [each.review_status for each in history.present] == ["open", "changed", "kept", "open"]
    assert history.keep(2) is history


def test_an_undo_knows_which_box_it_brought_back():
    history = History(CELLS).remove(2)
    assert history.undo().changed(history) == 2
    assert history.keep_green().changed(history) is None
    drawn = history.draw((1, 1, 9, 9), 0)
    assert drawn.changed(history) == 4
    assert drawn.find(4).review_status == "drawn"


def test_arrows_find_the_nearest_box_in_their_direction():
    places = [(10, 10), (50, 12), (90, 10), (12, 60), (55, 62)]
    grid = [Shape(k, (x, y, x + 9, y + 9), 0) for k, (x, y) in enumerate(places)]
    assert [shapes.neighbour(grid, grid[0], *to).id for to in ((1, 0), (0, 1))] == [1, 3]
    assert shapes.neighbour(grid, grid[4], 0, -1).id == 1
    assert shapes.neighbour(grid, grid[0], -1, 0) is None
    assert shapes.neighbour(grid, None, 1, 0).id == 0
    assert shapes.neighbour([], None, 1, 0) is None
