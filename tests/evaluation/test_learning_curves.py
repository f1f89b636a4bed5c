"""Learning curves side by side, by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from rbcal.errors import ScoringError
from rbcal.evaluation import learning_curves
from rbcal.evaluation.learning_curves import (
    METRICS,
    SimulationPoint,
    class_metric,
    on_common_grid,
    paired,
    runs,
    summaries,
)
from rbcal.evaluation.metrics import Evaluation

PRECISION = METRICS["Precision_all"]


def point(repeat, strategy, round_, n_cells, ap, *, rare=None, minutes=0.0):
    figures = Evaluation(ap, ap / 2, ap / 4, rare, (ap, None), (9, 0), 3)
    return SimulationPoint(
        repeat, strategy, round_, 12, n_cells, (n_cells, 0), 60 * minutes, figures, "0" * 64, (), 1.0
    )


def run_of(repeat, strategy, values, *, step=100, seed=300):
    return [point(repeat, strategy, k, seed + step * k, ap, minutes=5.0 * k) for k, ap in enumerate(values)]


def two_by_two():
    """Two repeats of two strategies; the second gains twice as much in the first round."""
    return [
        *run_of(0, "random", [0.2, 0.3, 0.4]),
        *run_of(0, "balanced", [0.2, 0.4, 0.5]),
        *run_of(1, "random", [0.4, 0.5, 0.6], seed=250),
        *run_of(1, "balanced", [0.4, 0.6, 0.7], seed=250),
    ]


def many(shifts):
    """One repeat for each shift: by so much the strategy ends above random."""
    return [
        each
        for repeat, shift in enumerate(shifts)
        for each in (
            *run_of(repeat, "random", [0.2, 0.4]),
            *run_of(repeat, "balanced", [0.2, 0.4 + shift]),
        )
    ]


def by_cells(points, n_grid=3):
    return on_common_grid(runs(points, PRECISION), n_grid)


def test_two_repeats_of_two_strategies():
    found = by_cells(two_by_two())
    assert found.grid.tolist() == [0, 100, 200]
    assert found.start == 275
    assert found.strategies == ["random", "balanced"]
    np.testing.assert_allclose(found.mean("random"), [0.3, 0.4, 0.5])
    np.testing.assert_allclose(found.deviation("random"), np.full(3, 0.02**0.5))  # of 0.2 and 0.4
    random, balanced = summaries(found)
    assert random.end == pytest.approx(0.5)
    assert random.area == pytest.approx(0.4)
    assert balanced.end == pytest.approx(0.6)
    assert balanced.area == pytest.approx((0.3 / 2 + 0.5 + 0.6 / 2) / 2)
    assert balanced.difference.end.low == pytest.approx(0.1)
    assert balanced.difference.area.high == pytest.approx(0.075)
    assert balanced.target == pytest.approx(0.5)  # what random had in the end, after 200 cells
    assert (balanced.reached, balanced.ratio) == (pytest.approx(100), pytest.approx(0.5))
    assert balanced.verdict == "Too few repeats to say (2; at least 5)"


def test_between_rounds_a_curve_is_a_line():
    found = by_cells(two_by_two(), n_grid=5)
    np.testing.assert_allclose(found.mean("random"), [0.3, 0.35, 0.4, 0.45, 0.5])


def test_minutes_may_be_the_axis():
    found = on_common_grid(runs(two_by_two(), PRECISION, "minutes"), 3)
    assert found.grid.tolist() == [0, 5, 10]


def test_an_interval_without_0_is_above_or_below_random_and_names_the_repeats():
    up = summaries(by_cells(many([0.1, 0.12, 0.08, 0.11, 0.09])))[1]
    assert up.difference.area.low > 0
    assert up.verdict == "Above random, on few repeats (5)"
    down = summaries(by_cells(many([-0.1, -0.12, -0.08, -0.11, -0.09] * 2)))[1]
    assert down.verdict == "Below random (10 repeats)"


def test_an_interval_with_0_is_no_significant_difference():
    unclear = summaries(by_cells(many([0.1, -0.12, 0.08, -0.11, 0.09])))[1]
    assert unclear.difference.area.low < 0 < unclear.difference.area.high
    assert unclear.verdict == "No significant difference (5 repeats)"


def test_equal_curves_differ_by_nothing():
    same = summaries(by_cells(many([0.0] * 5)))[1]
    assert (same.difference.end.low, same.difference.end.high) == (0, 0)
    assert same.verdict == "No significant difference (5 repeats)"


def test_a_run_that_stops_early_shortens_the_range_of_all():
    points = [*run_of(0, "random", [0.2, 0.3, 0.4]), *run_of(0, "balanced", [0.2, 0.4])]
    found = by_cells(points, n_grid=2)
    assert found.grid.tolist() == [0, 100]
    assert found.mean("random").tolist() == [0.2, 0.3]


def test_a_round_without_a_new_cell_takes_the_place_of_the_one_before():
    points = [point(0, "random", 0, 300, 0.2), point(0, "random", 1, 300, 0.3)]
    [run] = runs(points, PRECISION)
    assert (run.x.tolist(), run.y.tolist()) == ([0], [0.3])
    assert on_common_grid([run]) is None


def test_a_metric_that_the_test_set_does_not_define_has_no_curve():
    assert runs(two_by_two(), METRICS["Rare-class AP@0.5"]) == []
    assert runs(two_by_two(), class_metric(1)) == []  # no such cell
    assert runs(two_by_two(), class_metric(7)) == []  # a class that came later
    assert len(runs(two_by_two(), class_metric(0))) == 4
    assert on_common_grid([]) is None


def test_a_value_that_is_no_number_is_never_drawn():
    points = [point(0, "random", 0, 300, 0.2, rare=float("nan")), point(0, "random", 1, 400, 0.3, rare=0.1)]
    with pytest.raises(ScoringError, match="Repeat 1 of random is no curve"):
        runs(points, METRICS["Rare-class AP@0.5"])


def test_a_repeat_of_one_strategy_alone_is_not_compared():
    points = [*two_by_two(), *run_of(2, "balanced", [0.9, 0.9, 0.9])]
    [_, balanced] = summaries(by_cells(points))
    assert balanced.n_repeats == 3
    assert balanced.difference.n_repeats == 2
    assert balanced.difference.end.new == pytest.approx(0.6)
    alone = summaries(by_cells(run_of(2, "balanced", [0.9, 0.9, 0.9])))[0]
    assert (alone.difference, alone.end_deviation, alone.ratio) == (None, None, None)
    assert alone.verdict == "No repeat with random to compare with yet"


def test_a_target_of_the_user_may_never_be_reached():
    random, balanced = summaries(by_cells(two_by_two()), target=0.55)
    assert (random.reached, random.ratio) == (None, None)
    assert (balanced.reached, balanced.ratio) == (pytest.approx(150), None)
    random, balanced = summaries(by_cells(two_by_two()), target=0.1)
    assert (balanced.reached, balanced.ratio) == (0, None)  # both are there at once


@pytest.mark.parametrize("order", list(permutations(range(5)))[::17])
def test_swapping_repeats_changes_nothing(order):
    points = many([0.1, -0.12, 0.08, 0.11, 0.09])
    swapped = [replace(each, repeat=order[each.repeat]) for each in reversed(points)]
    before, after = (paired(by_cells(each), "balanced") for each in (points, swapped))
    for name in ("mean", "low", "high"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert (before.area.low, before.area.high) == (after.area.low, after.area.high)
    assert before.end.new == pytest.approx(after.end.new)


def test_few_repeats_never_make_a_claim():
    for n in range(1, learning_curves.FEWEST_REPEATS):
        [_, balanced] = summaries(by_cells(many([0.3] * n)))
        assert balanced.verdict.startswith("Too few repeats")


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(ScoringError, match="'cells' or 'minutes'"):
        runs(two_by_two(), PRECISION, "images")


def test_a_forecast_by_hand():
    # log2 n = 0, 1, 2 and y = .2, .35, .4: slope .1 a doubling; residuals -1/60, 2/60, -1/60, so with one
    # degree of freedom s^2 = 1/600, the slope's variance is half of it, and t is 12.706.
    found = learning_curves.forecast([100, 200, 400], [0.2, 0.35, 0.4], 400)
    assert found.gain == pytest.approx(0.1)
    assert found.high - found.gain == pytest.approx(12.706 * (1 / 1200) ** 0.5)
    assert found.gain - found.low == pytest.approx(12.706 * (1 / 1200) ** 0.5)
    assert found.n_points == 3


def test_fewer_than_three_trainings_or_one_number_of_cells_forecast_nothing():
    assert learning_curves.forecast([100, 200], [0.2, 0.3], 200) is None
    assert learning_curves.forecast([100, 100, 100], [0.2, 0.3, 0.2], 200) is None


def test_a_forecast_rests_on_the_last_trainings_alone():
    late = [100, 200, 300, 400, 500, 600], [0.30, 0.35, 0.36, 0.38, 0.40, 0.41]
    early = [10, *late[0]], [0.01, *late[1]]
    assert learning_curves.forecast(*early, 200) == learning_curves.forecast(*late, 200)


def test_a_forecast_never_leaves_what_a_metric_can_be():
    found = learning_curves.forecast([100, 200, 400], [0.5, 0.98, 0.97], 10_000)
    assert found.gain == pytest.approx(0.03)
    assert found.high == pytest.approx(0.03)
    assert found.low == pytest.approx(-0.97)
