"""Predicted changes against what is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rbcal.acquisition.calibration import Bin
from rbcal.charts import calibration as view
from rbcal.jobs.colours import ChangeEvidence
from tests.acquisition.test_change_model import cells


def evidence(n, *, n_read=0, audit=False):
    """Cells of five slides that a known model makes wrong; the last of them the expert has read."""
    features, changed, group, _ = cells(n)
    read = np.arange(n) >= n - n_read
    return ChangeEvidence(features, changed, group, group, np.zeros(n, bool), read, read & audit)


def test_of_too_few_cells_nothing_is_predicted():
    check = view.check_calibration(evidence(199, n_read=20))
    assert check == view.CalibrationCheck((), 0.0, 199, 20, None)
    assert "200 cells" in view.reliability_words(check)
    assert "199 so far" in view.reliability_words(check)


def test_what_was_predicted_comes_true_on_slides_like_the_others():
    check = view.check_calibration(evidence(3000))
    assert len(check.bins) == 10
    assert check.error < 0.03


def test_slides_that_are_all_wrong_make_the_gap_wide():
    known = evidence(3000)
    check = view.check_calibration(replace(known, changed=known.changed | (known.group == 1)))
    assert check.error > 0.08


def test_images_drawn_at_random_stand_for_the_pool():
    words = view.reliability_words(view.check_calibration(evidence(600, n_read=40, audit=True)))
    assert "In images drawn at random and read whole, which stand for all that wait" in words
    assert "40 cells)" in words


def test_the_words_say_where_the_truth_is_from():
    words = view.reliability_words(view.check_calibration(evidence(1600, n_read=40)))
    assert "1,560 of test images, 40 that you read since the training" in words
    assert "drawn at random" not in words


def test_the_diagram_has_a_point_with_its_interval_for_each_bin():
    table = view.reliability_table([Bin(0.1, 0.0, 10), Bin(0.6, 0.5, 10)])
    assert table["High"][0] == pytest.approx(0.278, abs=1e-3)  # Wilson's, as in rbcal.evaluation.metrics
    document = view.reliability_chart([Bin(0.1, 0.0, 10), Bin(0.6, 0.5, 10)]).to_dict()
    sets = [each for each in document["datasets"].values() if "Cells" in each[0]]
    assert [row["Predicted"] for row in sets[0]] == [0.1, 0.6]
