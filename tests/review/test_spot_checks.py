"""Spot checks: which green boxes are drawn, and what the checks said."""

from __future__ import annotations

from rbcal.review.boxes import EditedBox
from rbcal.review.history import History
from rbcal.review.spot_checks import check_outcomes, is_spot_check

CELLS = tuple(
    EditedBox(k, (20.0 * k, 0, 20.0 * k + 15, 16), 0, detection_id=100 + k, flagged=k < 3) for k in range(6)
)
SPOTS = [104, 105]


def test_a_spot_check_was_wrong_if_the_box_is_another_one_or_gone():
    accepted = History(CELLS).keep_green()
    assert check_outcomes(accepted.keep(4).relabel(5, 1).present, CELLS, SPOTS) == {104: False, 105: True}
    assert check_outcomes(accepted.keep(4).remove(5).present, CELLS, SPOTS) == {104: False, 105: True}
    slip = accepted.keep(4).relabel(5, 1).relabel(5, 0)
    assert check_outcomes(slip.present, CELLS, SPOTS) == {104: False, 105: False}


def test_wrong_spot_checks_do_not_count_more_easily_than_right_ones():
    corrected = History(CELLS).relabel(5, 1)  # on the whole image, and no other green box was vouched for
    assert check_outcomes(corrected.present, CELLS, SPOTS) == {}
    assert (
        check_outcomes(corrected.keep_green().present, CELLS, SPOTS) == {}
    )  # box 4 came back, and was not looked at
    assert check_outcomes(corrected.keep_green().keep(4).present, CELLS, SPOTS) == {104: False, 105: True}


def test_a_twentieth_of_the_boxes_is_drawn_and_always_the_same_ones():
    drawn = [is_spot_check(1, detection) for detection in range(20_000)]
    assert 0.045 < sum(drawn) / len(drawn) < 0.055
    assert drawn == [is_spot_check(1, detection) for detection in range(20_000)]
    assert drawn != [is_spot_check(2, detection) for detection in range(20_000)]
