"""The cell review: flagged cells first, spot checks once green boxes were accepted, look-alikes together."""

from __future__ import annotations

from dataclasses import replace

from rbcal.review.boxes import EditedBox
from rbcal.review.cell_review import CellReview, next_batch, waiting
from rbcal.review.history import History

CELLS = tuple(
    EditedBox(k, (20.0 * k, 0, 20.0 * k + 15, 16), 0, detection_id=100 + k, flagged=k < 3) for k in range(6)
)
REVIEW = CellReview(red=[102, 100, 101], spots=[104, 105])


def ids(cells):
    return [each.id for each in cells]


def test_flagged_cells_come_in_the_order_given_and_deleted_ones_do_not():
    assert ids(REVIEW.cells(CELLS)) == [2, 0, 1]
    assert ids(REVIEW.cells(History(CELLS).remove(0).present)) == [2, 1]


def test_a_batch_shows_cells_of_one_class_that_wait():
    cells = [replace(each, label=k % 2) for k, each in enumerate(CELLS)]
    assert ids(next_batch(cells)) == [0, 2, 4]
    kept = History(tuple(cells)).keep(0, 2)
    assert ids(next_batch(kept.present)) == [1, 3, 5]
    assert next_batch([]) == []
    many = [replace(CELLS[0], id=k) for k in range(30)]
    assert len(next_batch(many)) == 12


def test_spot_checks_come_once_the_green_boxes_were_accepted():
    accepted = History(CELLS).keep_green()
    assert ids(REVIEW.cells(accepted.present)) == [2, 0, 1, 4, 5]
    assert ids(waiting(REVIEW.cells(accepted.keep(0).relabel(4, 1).present))) == [2, 1, 5]


def test_the_next_cell_that_waits_comes_round_the_end_and_those_done_are_passed_over():
    boxes = History(CELLS).keep(0).present
    order = REVIEW.cells(boxes)
    assert REVIEW.next_waiting(order, 2, boxes) == 1
    assert REVIEW.next_waiting(order, 1, boxes) == 2
    assert REVIEW.place(boxes, 1) == (3, 3, 2)
