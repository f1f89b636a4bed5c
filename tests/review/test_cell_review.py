"""The walk: flagged cells first, spot checks once green boxes were accepted, and what the checks said."""

from __future__ import annotations

from dataclasses import replace

from rbcal.review.cell_review import is_spot_check, sheet, spot_checks, waiting, walk
from rbcal.review.history import History, Shape

CELLS = tuple(
    Shape(k, (20.0 * k, 0, 20.0 * k + 15, 16), 0, detection_id=100 + k, flagged=k < 3) for k in range(6)
)
REDS, SPOTS = [102, 100, 101], [104, 105]


def ids(cells):
    return [each.id for each in cells]


def test_flagged_cells_come_in_the_order_given_and_deleted_ones_do_not():
    assert ids(walk(CELLS, REDS, SPOTS)) == [2, 0, 1]
    assert ids(walk(History(CELLS).remove(0).present, REDS, SPOTS)) == [2, 1]


def test_a_sheet_shows_cells_of_one_class_that_wait():
    cells = [replace(each, label=k % 2) for k, each in enumerate(CELLS)]
    assert ids(sheet(cells)) == [0, 2, 4]
    kept = History(tuple(cells)).keep_all([0, 2])
    assert ids(sheet(kept.present)) == [1, 3, 5]
    assert sheet([]) == []
    many = [replace(CELLS[0], id=k) for k in range(30)]
    assert len(sheet(many)) == 12


def test_spot_checks_come_once_the_green_boxes_were_accepted():
    accepted = History(CELLS).keep_green()
    assert ids(walk(accepted.present, REDS, SPOTS)) == [2, 0, 1, 4, 5]
    assert ids(waiting(walk(accepted.keep(0).relabel(4, 1).present, REDS, SPOTS))) == [2, 1, 5]


def test_a_spot_check_was_wrong_if_the_box_is_another_one_or_gone():
    accepted = History(CELLS).keep_green()
    assert spot_checks(accepted.keep(4).relabel(5, 1).present, CELLS, SPOTS) == {104: False, 105: True}
    assert spot_checks(accepted.keep(4).remove(5).present, CELLS, SPOTS) == {104: False, 105: True}
    slip = accepted.keep(4).relabel(5, 1).relabel(5, 0)
    assert spot_checks(slip.present, CELLS, SPOTS) == {104: False, 105: False}


def test_wrong_spot_checks_do_not_count_more_easily_than_right_ones():
    corrected = History(CELLS).relabel(5, 1)  # on the whole image, and no other green box was vouched for
    assert spot_checks(corrected.present, CELLS, SPOTS) == {}
    assert (
        spot_checks(corrected.keep_green().present, CELLS, SPOTS) == {}
    )  # box 4 came back, and was not looked at
    assert spot_checks(corrected.keep_green().keep(4).present, CELLS, SPOTS) == {104: False, 105: True}


def test_a_twentieth_of_the_boxes_is_drawn_and_always_the_same_ones():
    drawn = [is_spot_check(1, detection) for detection in range(20_000)]
    assert 0.045 < sum(drawn) / len(drawn) < 0.055
    assert drawn == [is_spot_check(1, detection) for detection in range(20_000)]
    assert drawn != [is_spot_check(2, detection) for detection in range(20_000)]
