"""Learning curves side by side, by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from rbcal.errors import ScoringError
from rbcal.evaluation.learning_curves import (
    METRICS,
    SimulationPoint,
    arm_curves,
    class_metric,
    on_common_grid,
)
from rbcal.evaluation.metrics import Evaluation
from rbcal.evaluation.strategy_comparison import FEWEST_REPEATS, paired_difference, summaries

PRECISION = METRICS["Precision_all"]


def point(repeat, strategy, round_, n_cells, ap, *, rare=None, minutes=0.0):
    figures = Evaluation(ap, ap / 2, ap / 4, rare, (ap, None), (9, 0), 3)
    return SimulationPoint(
        repeat, strategy, round_, 12, n_cells, (n_cells, 0), 60 * minutes, figures, "0" * 64, (), 1.0
    )


def arm_of(repeat, strategy, values, *, step=100, seed=300):
    return [point(repeat, strategy, k, seed + step * k, ap, minutes=5.0 * k) for k, ap in enumerate(values)]


def two_by_two():
    """Two repeats of two strategies; the second gains twice as much in the first round."""
    return [
        *arm_of(0, "random", [0.2, 0.3, 0.4]),
        *arm_of(0, "balanced", [0.2, 0.4, 0.5]),
        *arm_of(1, "random", [0.4, 0.5, 0.6], seed=250),
        *arm_of(1, "balanced", [0.4, 0.6, 0.7], seed=250),
    ]


def many(shifts):
    """One repeat for each shift: by so much the strategy ends above random."""
    return [
        each
        for repeat, shift in enumerate(shifts)
        for each in (
            *arm_of(repeat, "random", [0.2, 0.4]),
            *arm_of(repeat, "balanced", [0.2, 0.4 + shift]),
        )
    ]


def by_cells(points, n_grid=3):
    return on_common_grid(arm_curves(points, PRECISION), n_grid)


def test_two_repeats_of_two_strategies():
    curves = by_cells(two_by_two())
    assert curves.grid.tolist() == [0, 100, 200]
    assert curves.start == 275
    assert curves.strategies == ["random", "balanced"]
    np.testing.assert_allclose(curves.mean("random"), [0.3, 0.4, 0.5])
    np.testing.assert_allclose(curves.deviation("random"), np.full(3, 0.02**0.5))  # of 0.2 and 0.4
    random, balanced = summaries(curves)
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
    curves = by_cells(two_by_two(), n_grid=5)
    np.testing.assert_allclose(curves.mean("random"), [0.3, 0.35, 0.4, 0.45, 0.5])


def test_the_control_stands_where_the_others_do_round_by_round():
    control = arm_of(0, "none", [0.2, 0.25, 0.3], step=0)  # it annotates nothing
    points = [*arm_of(0, "random", [0.2, 0.3, 0.4]), *arm_of(0, "bald", [0.2, 0.3, 0.4], step=120), *control]
    [of_control] = [arm for arm in arm_curves(points, PRECISION) if arm.strategy == "none"]
    assert of_control.x.tolist() == [0, 110, 220]
    assert of_control.y.tolist() == [0.2, 0.25, 0.3]
    by_minutes = {arm.strategy: arm.x.tolist() for arm in arm_curves(points, PRECISION, "minutes")}
    assert by_minutes["none"] == [0, 5, 10]
    assert by_cells(points).mean("none")[-1] == pytest.approx(0.25 + 0.05 * 90 / 110)  # at 200


def test_the_control_stands_still_where_the_arm_with_most_cells_ends_early():
    control = arm_of(0, "none", [0.2, 0.25, 0.3], step=0)
    points = [*arm_of(0, "random", [0.2, 0.4], step=500), *arm_of(0, "bald", [0.2, 0.3, 0.4], step=110)]
    [of_control] = [arm for arm in arm_curves([*points, *control], PRECISION) if arm.strategy == "none"]
    assert of_control.x.tolist() == sorted(set(of_control.x.tolist()))


def test_a_control_alone_has_no_curve():
    assert arm_curves(arm_of(0, "none", [0.2, 0.3], step=0), PRECISION) == []


def test_minutes_may_be_the_axis():
    curves = on_common_grid(arm_curves(two_by_two(), PRECISION, "minutes"), 3)
    assert curves.grid.tolist() == [0, 5, 10]


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


def test_an_arm_that_stops_early_shortens_the_range_of_all():
    points = [*arm_of(0, "random", [0.2, 0.3, 0.4]), *arm_of(0, "balanced", [0.2, 0.4])]
    curves = by_cells(points, n_grid=2)
    assert curves.grid.tolist() == [0, 100]
    assert curves.mean("random").tolist() == [0.2, 0.3]


def test_a_round_without_a_new_cell_takes_the_place_of_the_one_before():
    points = [point(0, "random", 0, 300, 0.2), point(0, "random", 1, 300, 0.3)]
    [arm] = arm_curves(points, PRECISION)
    assert (arm.x.tolist(), arm.y.tolist()) == ([0], [0.3])
    assert on_common_grid([arm]) is None


def test_a_metric_that_the_test_set_does_not_define_has_no_curve():
    assert arm_curves(two_by_two(), METRICS["Rare-class AP@0.5"]) == []
    assert arm_curves(two_by_two(), class_metric(1)) == []  # no such cell
    assert arm_curves(two_by_two(), class_metric(7)) == []  # a class that came later
    assert len(arm_curves(two_by_two(), class_metric(0))) == 4
    assert on_common_grid([]) is None


def test_a_value_that_is_no_number_is_never_drawn():
    points = [point(0, "random", 0, 300, 0.2, rare=float("nan")), point(0, "random", 1, 400, 0.3, rare=0.1)]
    with pytest.raises(ScoringError, match="Repeat 1 of random is no curve"):
        arm_curves(points, METRICS["Rare-class AP@0.5"])


def test_a_repeat_of_one_strategy_alone_is_not_compared():
    points = [*two_by_two(), *arm_of(2, "balanced", [0.9, 0.9, 0.9])]
    [_, balanced] = summaries(by_cells(points))
    assert balanced.n_repeats == 3
    assert balanced.difference.n_repeats == 2
    assert balanced.difference.end.new == pytest.approx(0.6)
    alone = summaries(by_cells(arm_of(2, "balanced", [0.9, 0.9, 0.9])))[0]
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
    before, after = (paired_difference(by_cells(each), "balanced") for each in (points, swapped))
    for name in ("mean", "low", "high"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert (before.area.low, before.area.high) == (after.area.low, after.area.high)
    assert before.end.new == pytest.approx(after.end.new)


def test_few_repeats_never_make_a_claim():
    for n in range(1, FEWEST_REPEATS):
        [_, balanced] = summaries(by_cells(many([0.3] * n)))
        assert balanced.verdict.startswith("Too few repeats")


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(ScoringError, match="'cells' or 'minutes'"):
        arm_curves(two_by_two(), PRECISION, "images")
