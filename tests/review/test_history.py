"""The history of the boxes: undo is exact, and knows what it brought back."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rbcal.review.boxes import EditedBox
from rbcal.review.history import History

CELLS = tuple(
    EditedBox(k, (20.0 * k, 0.5, 20.0 * k + 15, 16.25), k % 3, detection_id=100 + k) for k in range(4)
)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("relabel"), st.integers(0, 4), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(0, 4)),
        st.tuples(st.just("keep"), st.integers(0, 4)),
        st.tuples(st.just("move"), st.integers(0, 4), st.just((1.0, 2.0, 9.0, 9.5))),
        st.tuples(st.just("draw"), st.just((1.0, 2.0, 9.0, 9.5)), st.integers(0, 2)),
        st.tuples(st.just("leave_unsure"), st.integers(0, 4)),
        st.tuples(st.just("note"), st.integers(0, 4), st.sampled_from(["", "pale"])),
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


def test_of_an_unsure_box_the_name_that_it_has_is_an_answer_too_and_moving_it_is_none():
    unsure = History(CELLS).leave_unsure(1)
    assert unsure.find(1).review_status == "unsure"
    assert not unsure.find(1).waits
    assert unsure.move(1, (1.0, 2.0, 9.0, 9.5)).find(1).review_status == "unsure"
    assert unsure.relabel(1, CELLS[1].label).find(1).review_status == "kept"
    assert unsure.relabel(1, 2).find(1).review_status == "changed"
    assert unsure.undo().present == CELLS
