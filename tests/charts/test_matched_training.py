"""What longer training on the same cells brought, told apart from what cells brought."""

from __future__ import annotations

import pytest

from rbcal.charts import learning_curve, stop_advice
from rbcal.charts.matched_training import same_cells_words, trainings, without_longer_training
from rbcal.evaluation.forecast import forecast
from rbcal.evaluation.learning_curves import METRICS
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint
from rbcal.store.rankings import PoolState

PRECISION_ALL = METRICS["Precision_all"]


def point(model_id, n_cells, ap, same_cells_as=None, ancestors=(), n_steps=100):
    figures = Evaluation(ap, ap, ap, None, (ap,), (90,), 30)
    return CurvePoint(model_id, 5, n_cells, "2026", figures, same_cells_as, ancestors, n_steps)


# Model 2 goes on with the cells of model 1, and model 3 from model 2 with twice the cells.
FIRST, LONGER, MORE = (
    point(1, 100, 0.4),
    point(2, 100, 0.5, same_cells_as=1, ancestors=(1,), n_steps=200),
    point(3, 200, 0.62, ancestors=(2, 1), n_steps=300),
)
CURVE = [FIRST, LONGER, MORE]


def shown_by(chart, mark):
    """Return the rows that one kind of mark of a chart shows, and whether it is filled."""
    document = chart.to_dict()
    [rows] = document["datasets"].values()
    layers = [each for each in document["layer"] if each["mark"]["type"] == mark]
    keep = {
        "(datum.Training === 'new cells')": lambda row: row["Training"] == "new cells",
        "(datum.Training !== 'new cells')": lambda row: row["Training"] != "new cells",
    }
    return {
        each["mark"].get("filled"): [row for row in rows if keep[each["transform"][0]["filter"]](row)]
        for each in layers
    }


def test_a_training_on_the_same_cells_is_longer_only_if_its_weights_took_more_steps():
    again = point(2, 100, 0.41, same_cells_as=1, n_steps=100)
    assert trainings([FIRST, again]) == ["new cells", "same cells, trained again"]
    assert trainings(CURVE) == ["new cells", "same cells, trained longer", "new cells"]


@pytest.mark.parametrize(
    "chart",
    [
        learning_curve.learning_curve(CURVE),
        learning_curve.class_curve(CURVE, [CellClass(0, "disc", rare=False)]),
        learning_curve.flagged_curve([PoolState(k, 100, 9, 200.0, 150.0) for k in (1, 2, 3)], CURVE),
    ],
    ids=["metrics", "classes", "red cells"],
)
def test_the_line_goes_from_cells_to_more_cells_and_leaves_out_the_hollow_mark(chart):
    [line] = shown_by(chart, "line").values()
    points = shown_by(chart, "point")
    assert {row["Model"] for row in line} == {row["Model"] for row in points[True]} == {1, 3}
    assert {(row["Model"], row["Training"]) for row in points[False]} == {(2, "same cells, trained longer")}
    tooltip = chart.to_dict()["layer"][-1]["encoding"]["tooltip"]
    assert "Training" in {each["title"] for each in tooltip}


def test_a_curve_of_new_cells_alone_has_no_hollow_mark():
    assert list(shown_by(learning_curve.learning_curve([FIRST, MORE]), "point")) == [True]


def test_what_longer_training_brought_is_taken_off_what_cells_bought():
    pairs = without_longer_training(CURVE, PRECISION_ALL)
    assert pairs == [(100, pytest.approx(0.5)), (200, pytest.approx(0.62))]  # + 0.12 of + 0.22


def test_nothing_is_taken_off_a_model_that_began_anew():
    anew = point(3, 200, 0.62, n_steps=100)
    pairs = without_longer_training([FIRST, LONGER, anew], PRECISION_ALL)
    assert pairs == [(100, pytest.approx(0.4)), (200, pytest.approx(0.62))]


def test_two_longer_trainings_on_the_same_cells_are_taken_off_once():
    third = point(3, 100, 0.54, same_cells_as=2, ancestors=(2, 1), n_steps=300)
    last = point(4, 200, 0.62, ancestors=(3, 2, 1), n_steps=400)
    pairs = without_longer_training([FIRST, LONGER, third, last], PRECISION_ALL)
    assert pairs == [(100, pytest.approx(0.54)), (200, pytest.approx(0.62))]


def test_the_advice_when_to_stop_promises_no_gain_of_longer_training():
    curve = [*CURVE, point(4, 400, 0.7, ancestors=(3, 2, 1), n_steps=400)]
    cells_alone = forecast([100, 200, 400], [0.5, 0.62, 0.7], stop_advice.MORE)
    words = stop_advice.outlook_words(curve, "Precision_all")
    assert f"{cells_alone.gain:+.3f} (95 % interval {cells_alone.low:+.3f}" in words
    assert words.count("last 3 trainings") == 1
    few = stop_advice.outlook_words(CURVE, "Precision_all")
    assert few == "Too few trainings to say what the next 200 cells bring: 2 of at least 3 on new cells."


def test_a_gain_that_training_on_had_brought_before_is_named_with_its_figure():
    assert same_cells_words(CURVE, MORE) == (
        "Part of the gain since model 1 comes from training on: model 2 had +0.100 Precision_all more with "
        "the same cells."
    )
    no_better = point(3, 200, 0.48, ancestors=(2, 1), n_steps=300)
    assert same_cells_words([FIRST, LONGER, no_better], no_better).startswith("The gain since model 1 comes")


def test_nothing_is_said_of_training_on_where_no_matched_training_shows_it():
    worse = point(2, 100, 0.35, same_cells_as=1, ancestors=(1,), n_steps=200)
    for curve in ([FIRST, MORE], [FIRST, worse, MORE], [FIRST, LONGER, point(3, 200, 0.62)]):
        assert same_cells_words(curve, curve[-1]) == ""
    assert same_cells_words(CURVE, FIRST) == ""


def test_a_model_on_the_same_cells_says_so():
    assert same_cells_words(CURVE, LONGER) == (
        "Model 2 was trained longer on the same cells as model 1: what changed between them does not come "
        "from cells."
    )
