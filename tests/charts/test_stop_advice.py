"""When to stop, in words."""

from __future__ import annotations

from rbcal.charts import stop_advice
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint


def point(model_id, n_cells, ap, rare=None):
    return CurvePoint(model_id, 5, n_cells, "2026", Evaluation(ap, ap, ap / 2, rare, (ap,), (9,), 30))


CURVE = [point(1, 100, 0.2), point(2, 200, 0.31), point(3, 400, 0.4), point(4, 800, 0.5)]


def test_fewer_than_three_trainings_are_too_few_to_say():
    words = stop_advice.outlook_words(CURVE[:2], "Precision_all")
    assert words == "Too few trainings to say what the next 200 cells bring: 2 of at least 3."
    assert "0 of at least 3" in stop_advice.outlook_words(
        CURVE, "Rare-class AP@0.5"
    )  # no rare cell in the test


def test_the_next_cells_are_named_with_their_uncertainty():
    words = stop_advice.outlook_words(CURVE, "Precision_all")
    assert words.startswith("The next 200 cells are expected to bring +0.032 (95 % interval +0.0")
    assert words.endswith("last 4 trainings.")


def test_a_forecast_that_holds_nothing_says_so():
    flat = [point(1, 100, 0.40), point(2, 200, 0.41), point(3, 400, 0.40), point(4, 800, 0.41)]
    assert stop_advice.outlook_words(flat, "Precision_all").endswith("It may also be nothing.")
    wild = [point(1, 100, 0.2), point(2, 200, 0.6), point(3, 400, 0.3)]
    assert stop_advice.outlook_words(wild, "Precision_all").endswith("too uncertain to decide on.")
    same = [point(k, 100, 0.4) for k in range(3)]
    assert "All trainings had 100 cells" in stop_advice.outlook_words(same, "Precision_all")


def test_a_forecast_beyond_what_was_measured_is_called_a_guess():
    short = [point(1, 30, 0.40), point(2, 60, 0.45), point(3, 90, 0.48), point(4, 120, 0.5)]
    assert "a guess beyond what was measured" in stop_advice.outlook_words(short, "Precision_all")
    assert "guess" not in stop_advice.outlook_words(CURVE, "Precision_all")


def test_a_target_is_reached_by_the_model_that_serves():
    last = CURVE[-1].evaluation
    standings = stop_advice.standings(CURVE, last, {"precision_all": 0.5})
    assert stop_advice.all_reached(standings)
    assert "0.500, at least the wanted 0.50 (on 30 test images)" in stop_advice.verdict_words(standings, 30)
    assert not stop_advice.all_reached(stop_advice.standings(CURVE, last, {"precision_all": 0.51}))
    assert not stop_advice.all_reached(stop_advice.standings(CURVE, last, {}))


def test_a_target_that_cannot_be_measured_is_not_reached():
    targets = {"precision_all": 0.1, "rare_ap_50": 0.1}
    standings = stop_advice.standings(CURVE, CURVE[-1].evaluation, targets)
    assert not stop_advice.all_reached(standings)
    assert "Rare-class AP@0.5 cannot be measured" in stop_advice.verdict_words(standings, 30)


def test_nothing_is_said_of_rare_classes_that_have_few_test_cells():
    rare = [CellClass(0, "S.D", rare=True)]
    curve = [point(k, 100 * k, 0.1 * k, rare=0.1 * k) for k in (1, 2, 3)]
    standings = stop_advice.standings(curve, curve[-1].evaluation, {"rare_ap_50": 0.1}, rare)
    assert not stop_advice.all_reached(standings)
    words = stop_advice.verdict_words(standings, 30)
    assert words == "Rare-class AP@0.5 cannot be told yet: it would rest on 9 test cells (on 30 test images)."
    assert standings["rare_ap_50"].outlook.endswith("has 9 cells of S.D, and it takes 20 of a class.")
    assert stop_advice.all_reached(stop_advice.standings(curve, curve[-1].evaluation, {"rare_ap_50": 0.1}))


def test_flagged_cells_are_counted_in_words():
    assert stop_advice.flagged_words(1) == "1 red cell is left in the images that wait."
    assert stop_advice.flagged_words(1234) == "1,234 red cells are left in the images that wait."
    assert "not sorted yet" in stop_advice.flagged_words(None)
