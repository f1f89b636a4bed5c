"""The first answer of the Progress page: whether the last training helped."""

from __future__ import annotations

import pytest

from rbcal.charts.answer import answer_table, answer_words, score_intervals
from rbcal.charts.learning_curve import score_curve
from rbcal.evaluation.metrics import Comparison, Difference, Evaluation
from rbcal.store.evaluations import CurvePoint
from rbcal.store.models import StoredComparison


def point(model_id, n_cells, ap, same_cells_as=None, n_images=30):
    return CurvePoint(
        model_id, 5, n_cells, "2026", Evaluation(ap, ap, ap, None, (ap,), (90,), n_images), same_cells_as
    )


def compared(low, high, *, n_images=30, serving_id=1):
    return {2: StoredComparison(serving_id, Comparison(Difference(0.5, 0.6, low, high), (None,), n_images))}


CURVE = [point(1, 600, 0.5), point(2, 1004, 0.6)]


@pytest.mark.parametrize(
    ("low", "high", "verdict", "reason"),
    [
        (0.05, 0.15, "Yes.", "the gain is more than chance explains (95 % interval: +0.05 to +0.15)."),
        (-0.02, 0.2, "Not sure yet.", "the difference may be chance (95 % interval: -0.02 to +0.20)."),
        (-0.3, -0.1, "No.", "the loss is more than chance explains (95 % interval: -0.30 to -0.10)."),
    ],
)
def test_the_answer_goes_with_the_interval_of_the_comparison(low, high, verdict, reason):
    assert answer_words(CURVE, CURVE[1], compared(low, high)) == (
        f"**{verdict}** Model 2 (1,004 annotated cells) scores 0.600 on 30 test images, model 1 (600) 0.500: "
        f"{reason}"
    )


def test_a_gain_on_the_same_cells_is_not_one_of_cells():
    again = point(2, 600, 0.6, same_cells_as=1)
    words = answer_words([CURVE[0], again], again, compared(0.05, 0.15))
    assert words.startswith("**Better, but not through new cells.**")
    assert words.endswith("The model before was not trained out: train once more, now or with new cells.")


@pytest.mark.parametrize(
    ("gain", "low", "high", "verdict"),
    [
        (0.002, -0.02, 0.03, "Trained out."),
        (-0.01, -0.03, 0.01, "Trained out."),
        (0.05, -0.01, 0.11, "Not sure yet."),  # it may well help
        (-0.1, -0.2, -0.05, "No."),
    ],
)
def test_a_model_is_trained_out_where_the_same_cells_bring_nothing_more(gain, low, high, verdict):
    again = point(2, 600, 0.5 + gain, same_cells_as=1)
    of_both = Comparison(Difference(0.5, 0.5 + gain, low, high), (None,), 30)
    words = answer_words([CURVE[0], again], again, {2: StoredComparison(1, of_both)})
    assert words.startswith(f"**{verdict}**")
    assert ("What helps now is new cells." in words) == (verdict == "Trained out.")


@pytest.mark.parametrize(
    ("comparisons", "reason"),
    [
        ({}, "was not measured"),
        (compared(0.05, 0.15, n_images=20), "the test set has changed"),
        (compared(-1, 1, serving_id=9), "was not measured"),
    ],
)
def test_without_a_comparison_of_now_nothing_is_sure(comparisons, reason):
    words = answer_words(CURVE, CURVE[1], comparisons)
    assert words.startswith("**Not sure yet.**")
    assert reason in words
    if comparisons != compared(-1, 1, serving_id=9):
        assert score_intervals(CURVE, comparisons) == {}


def test_four_test_images_are_too_few():
    curve = [point(1, 600, 0.5, n_images=4), point(2, 1004, 0.6, n_images=4)]
    assert "too few images" in answer_words(curve, curve[1], compared(-1, 1, n_images=4))
    assert score_intervals(curve, compared(-1, 1, n_images=4)) == {}


def test_the_first_model_waits_for_the_next():
    assert answer_words(CURVE[:1], CURVE[0], {}) == (
        "Model 1 (600 annotated cells) scores 0.500 on 30 test images. Whether more cells help is seen after "
        "the next training."
    )
    assert "no later model has taken its place" in answer_words(CURVE, CURVE[0], {})


def test_the_interval_lies_around_the_score_and_the_chart_has_it():
    intervals = score_intervals(CURVE, compared(0.05, 0.15))
    assert intervals == {2: pytest.approx((0.55, 0.65))}
    document = score_curve(CURVE, intervals).to_dict()
    [rows] = document["datasets"].values()
    assert [(row["Score"], row["Low"], row["95 % within"]) for row in rows] == [
        (0.5, None, ""),
        (0.6, pytest.approx(0.55), "0.55–0.65"),
    ]
    assert document["layer"][-1]["mark"]["type"] == "rule"
    assert document["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0.5, 0.7]
    one = score_curve(CURVE[:1], {}).to_dict()
    assert one["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0.4, 0.6]


def test_the_table_has_the_newest_model_first_and_what_it_gained():
    table = answer_table(CURVE, compared(0.05, 0.15), 1)
    assert table[["Model", "State", "Precision_all", "Gain (95 %)"]].to_numpy().tolist() == [
        [2, "", 0.6, "+0.100 on model 1 (+0.05 to +0.15)"],
        [1, "in use", 0.5, ""],
    ]
