"""What the next cells may bring, by hand."""

from __future__ import annotations

import pytest

from rbcal.evaluation.forecast import forecast

T = 12.70620473617  # Student's t at 97.5 %, one degree of freedom: tan(0.475 pi)


def test_a_forecast_by_hand():
    # log2 n = 0, 1, 2 and y = .2, .35, .4: slope .1 a doubling; residuals -1/60, 2/60, -1/60, so with one
    # degree of freedom s^2 = 1/600, the slope's variance is half of it, and t is T.
    expected = forecast([100, 200, 400], [0.2, 0.35, 0.4], 400)
    assert expected.gain == pytest.approx(0.1)
    assert expected.high - expected.gain == pytest.approx(T * (1 / 1200) ** 0.5)
    assert expected.gain - expected.low == pytest.approx(T * (1 / 1200) ** 0.5)
    assert expected.n_points == 3


def test_fewer_than_three_trainings_or_one_number_of_cells_forecast_nothing():
    assert forecast([100, 200], [0.2, 0.3], 200) is None
    assert forecast([100, 100, 100], [0.2, 0.3, 0.2], 200) is None


def test_a_forecast_rests_on_the_last_trainings_alone():
    late = [100, 200, 300, 400, 500, 600], [0.30, 0.35, 0.36, 0.38, 0.40, 0.41]
    early = [10, *late[0]], [0.01, *late[1]]
    assert forecast(*early, 200) == forecast(*late, 200)


def test_a_forecast_never_leaves_what_a_metric_can_be():
    expected = forecast([100, 200, 400], [0.5, 0.98, 0.97], 10_000)
    assert expected.gain == pytest.approx(0.03)
    assert expected.high == pytest.approx(0.03)
    assert expected.low == pytest.approx(-0.97)
