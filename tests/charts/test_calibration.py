"""Predicted changes against what the expert did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rbcal.acquisition.calibration import Bin
from rbcal.charts import calibration as view
from rbcal.store.outcomes import Outcomes


def reviewed(n_images, n_cells=20, *, seed=0, audit=()):
    """Cells whose mutual information alone decides, with noise, whether they were changed."""
    rng = np.random.default_rng(seed)
    n = n_images * n_cells
    bald = rng.uniform(size=n).astype(np.float32)
    image = np.repeat(np.arange(n_images), n_cells)
    return Outcomes(
        image=image,
        probs=np.tile(np.float32([0.1, 0.9]), (n, 1)),
        bald=bald,
        agreement=np.full(n, 0.9, np.float32),
        rate=np.ones(n, np.float32),
        label=np.zeros(n, np.int64),
        changed=rng.uniform(size=n) < bald**2,
        read=np.ones(n, bool),
        audit=np.isin(image, audit),
    )


def test_the_first_reviews_are_trained_on_alone():
    assert view.check_calibration(Outcomes.none()) == view.CalibrationCheck((), 0.0, 0, 0, None)
    assert view.check_calibration(reviewed(10)).n_cells == 0  # 200 cells, and no image after them
    check = view.check_calibration(reviewed(11))
    assert (check.n_cells, check.n_read) == (20, 220)


def test_what_was_predicted_comes_true_where_the_future_is_like_the_past():
    check = view.check_calibration(reviewed(150))
    assert check.n_cells == 2800
    assert len(check.bins) == 10
    assert check.error < 0.05


def test_a_cell_is_never_predicted_from_its_own_image_or_a_later_one():
    before = reviewed(30)
    turned = before.changed.copy()
    turned[-20:] = ~turned[-20:]  # the last image says the contrary
    now, then = (
        view._predict_ahead(before.uncertainty, changed, before.image) for changed in (turned, before.changed)
    )
    np.testing.assert_array_equal(now[1], then[1])


def test_cells_that_nobody_read_are_left_out():
    outcomes = reviewed(30)
    read = np.arange(600) % 2 == 0
    assert view.check_calibration(replace(outcomes, read=read)).n_read == 300


def test_without_a_changed_cell_nothing_is_predicted():
    assert view.check_calibration(replace(reviewed(30), changed=np.zeros(600, bool))).n_cells == 0


def test_images_drawn_at_random_stand_for_the_pool():
    check = view.check_calibration(reviewed(30, audit=(3, 20, 25)))
    assert check.audit.n_cells == 40  # image 3 was trained on alone
    assert "In images drawn at random" in view.reliability_words(check)
    assert "images that were chosen" in view.reliability_words(view.check_calibration(reviewed(30)))


def test_the_words_say_what_the_diagram_rests_on_and_what_is_lacking():
    assert "earlier reviews only, never from its own image" in view.reliability_words(
        view.check_calibration(reviewed(30))
    )
    assert "120 so far" in view.reliability_words(view.check_calibration(reviewed(6)))


def test_the_diagram_has_a_point_with_its_interval_for_each_bin():
    table = view.reliability_table([Bin(0.1, 0.0, 10), Bin(0.6, 0.5, 10)])
    assert table["High"][0] == pytest.approx(0.278, abs=1e-3)  # Wilson's, as in rbcal.evaluation.metrics
    document = view.reliability_chart([Bin(0.1, 0.0, 10), Bin(0.6, 0.5, 10)]).to_dict()
    sets = [each for each in document["datasets"].values() if "Cells" in each[0]]
    assert [row["Predicted"] for row in sets[0]] == [0.1, 0.6]
