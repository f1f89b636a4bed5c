"""Boxes that are probably no cell come after all other red cells."""

from __future__ import annotations

import numpy as np

from rbcal.review.explanations import Verdict
from rbcal.review.remnants import remnants_last
from rbcal.store.rankings import Cell

IMAGE = 100, 100
WHOLE, AT_BORDER, CUT, DOUBLE = (40, 40, 60, 60), (0, 10, 18, 30), (94, 70, 100, 90), (45, 42, 65, 62)


def judged(*boxes, flagged=True):
    cells = [
        Cell(number, np.float32(box), 1.0, 1.0, 0.0, np.float32([0.1 * number, 1 - 0.1 * number]))
        for number, box in enumerate(boxes)
    ]
    verdicts = [Verdict(number, flagged, ("70% likely",), "70%", 0.7) for number in range(len(boxes))]
    return remnants_last(verdicts, cells, *IMAGE)


def test_a_small_box_at_the_border_and_one_that_lies_in_a_surer_one_come_last_and_say_why():
    whole, border, cut, double = judged(WHOLE, AT_BORDER, CUT, DOUBLE)
    assert {whole.weight, border.weight} == {0.7}
    assert max(cut.weight, double.weight) < 0
    assert cut.reasons == ("70% likely", "maybe no cell: cut off at the border")
    assert (cut.brief, double.brief) == ("70% · cut off", "70% · double?")


def test_of_two_boxes_on_one_cell_the_less_sure_one_is_the_double():
    first, second = judged(WHOLE, WHOLE)
    assert (first.weight, second.brief) == (0.7, "70% · double?")


def test_green_cells_are_left_as_they_are():
    assert {each.weight for each in judged(WHOLE, CUT, DOUBLE, flagged=False)} == {0.7}
    assert remnants_last([], [], *IMAGE) == []
