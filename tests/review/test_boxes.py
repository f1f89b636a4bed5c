"""Boxes at work: to the log and back, and which one a click or an arrow key means."""

from __future__ import annotations

from dataclasses import replace

from rbcal.review.boxes import EditedBox, box_at, from_states, neighbour, same_cell, to_states

CELLS = tuple(
    EditedBox(k, (20.0 * k, 0.5, 20.0 * k + 15, 16.25), k % 3, detection_id=100 + k) for k in range(4)
)


def test_boxes_come_back_from_the_log_as_they_were():
    flagged = tuple(replace(each, flagged=each.id == 1) for each in CELLS)
    assert from_states(to_states(flagged), flagged={101}) == flagged


def test_a_click_finds_the_smallest_box_around_it():
    large = EditedBox(9, (0, 0, 100, 100), 0)
    assert box_at([*CELLS, large], 25, 5) == CELLS[1]
    assert box_at([*CELLS, large], 50, 50) == large
    assert box_at(CELLS, 500, 500) is None


def test_a_box_is_matched_by_one_of_the_same_cell():
    x1, y1, x2, y2 = CELLS[1].box
    assert same_cell(CELLS, (x1 + 1, y1, x2 + 1, y2)) == CELLS[1]
    assert same_cell(CELLS, (x2 + 100, y1, x2 + 110, y2)) is None
    assert same_cell([], CELLS[0].box) is None


def test_arrows_find_the_nearest_box_in_their_direction():
    places = [(10, 10), (50, 12), (90, 10), (12, 60), (55, 62)]
    grid = [EditedBox(k, (x, y, x + 9, y + 9), 0) for k, (x, y) in enumerate(places)]
    assert [neighbour(grid, grid[0], *to).id for to in ((1, 0), (0, 1))] == [1, 3]
    assert neighbour(grid, grid[4], 0, -1).id == 1
    assert neighbour(grid, grid[0], -1, 0) is None
    assert neighbour(grid, None, 1, 0).id == 0
    assert neighbour([], None, 1, 0) is None
