"""From uncertainty to probabilities, and what an image costs."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.calibration import FEWEST, Bin, Calibration, expected_error, reliability
from rbcal.acquisition.cost_model import CostModel


def reviewed(n, seed=0):
    """Cells whose first feature alone decides, with noise, whether they were changed."""
    rng = np.random.default_rng(seed)
    uncertainty = rng.uniform(size=(n, 4))
    return uncertainty, rng.uniform(size=n) < uncertainty[:, 0] ** 2


def test_without_reviews_it_is_the_mean_of_the_quantiles():
    uncertainty = np.array([[0.1, 0.5], [0.2, 0.5], [0.3, 0.9]])
    assert Calibration()(uncertainty) == pytest.approx([(1 + 1.5) / 8, (2 + 1.5) / 8, (3 + 3) / 8])
    assert len(Calibration()(np.empty((0, 4)))) == 0


@pytest.mark.parametrize("changed", [np.zeros(500, bool), np.ones(500, bool)])
def test_it_learns_nothing_from_an_expert_who_always_does_the_same(changed):
    uncertainty, _ = reviewed(500)
    assert not Calibration.fit(uncertainty, changed).learnt


def test_it_learns_from_two_hundred_cells_on():
    assert not Calibration.fit(*reviewed(FEWEST - 1)).learnt
    assert Calibration.fit(*reviewed(FEWEST)).learnt


def test_what_it_learnt_holds_for_cells_that_it_has_not_seen():
    learnt = Calibration.fit(*reviewed(4000))
    uncertainty, changed = reviewed(4000, seed=1)
    bins = reliability(learnt(uncertainty), changed)
    assert expected_error(bins) < 0.03
    assert (
        expected_error(reliability(Calibration()(uncertainty), changed)) > 0.1
    )  # quantiles are no probabilities
    order = np.argsort(learnt(uncertainty))
    assert uncertainty[order[-500:], 0].mean() > 0.85 > 0.25 > uncertainty[order[:500], 0].mean()


def test_it_grows_with_uncertainty_and_stays_a_probability():
    learnt = Calibration.fit(*reviewed(1000))
    line = np.linspace(-1, 2, 50)[:, None] * np.array([1.0, 0, 0, 0]) + np.array([0, 0.5, 0.5, 0.5])
    risk = learnt(line)
    assert (np.diff(risk) >= 0).all()
    assert 0 <= risk.min() < 0.1 < 0.8 < risk.max() <= 1


def test_the_expected_error_is_the_mean_gap_by_cells():
    assert expected_error([Bin(0.1, 0.2, 30), Bin(0.8, 0.5, 10)]) == pytest.approx((30 * 0.1 + 10 * 0.3) / 40)


def test_times_are_assumed_until_there_are_ten_reviews():
    assert CostModel.fit([60] * 9, [20] * 9, [3] * 9) == CostModel()
    assert CostModel.fit([0] * 50, [20] * 50, [3] * 50) == CostModel()  # no time was measured


def test_times_are_learnt_from_reviews():
    rng = np.random.default_rng(0)
    n_cells, n_changes = rng.integers(5, 80, 300), rng.integers(0, 20, 300)
    learnt = CostModel.fit(12 + 2 * n_cells + 6 * n_changes, n_cells, n_changes)
    assert learnt.n_reviews == 300
    assert (learnt.image, learnt.cell, learnt.change) == pytest.approx((12, 2, 6), abs=1)


def test_a_review_over_lunch_does_not_count():
    rng = np.random.default_rng(0)
    n_cells = rng.integers(5, 80, 50)
    seconds = 5.0 + n_cells
    seconds[7] = 3600
    learnt = CostModel.fit(seconds, n_cells, np.zeros(50))
    assert learnt.n_reviews == 49
    assert (learnt.image, learnt.cell) == pytest.approx((5, 1), abs=0.2)
    assert min(learnt.image, learnt.cell, learnt.change) >= 0
