"""Charts: what is on them, point by point."""

from __future__ import annotations

import warnings
from dataclasses import replace

from rbcal.charts import learning_curve
from rbcal.evaluation.metrics import ClassIntervals, Evaluation
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint
from rbcal.store.rankings import PoolState

CLASSES = (CellClass(0, "disc", False), CellClass(1, "E.1", True), CellClass(2, "a[b]: c", False))


def point(model_id: int, n_cells: int, ap: float) -> CurvePoint:
    evaluation = Evaluation(ap, ap / 2, ap / 4, None, (ap, None, 0.1), (10, 0, 3), 5)
    return CurvePoint(model_id, 2, n_cells, "2026-01-01", evaluation)


CURVE = [point(1, 100, 0.4), point(2, 150, 0.6)]


def rows(chart) -> list[dict]:
    """Return the rows that a chart carries to the browser."""
    document = chart.to_dict()
    [dataset] = document["datasets"].values()
    return dataset


def test_each_metric_has_a_point_for_each_model():
    points = {
        (row["Metric"], row["Annotated cells"]): row["Value"]
        for row in rows(learning_curve.learning_curve(CURVE))
    }
    assert points == {
        ("Precision_all", 100): 0.4,
        ("Precision_all", 150): 0.6,
        ("mAP@0.5", 100): 0.2,
        ("mAP@0.5", 150): 0.3,
        ("mAP@[.5:.95]", 100): 0.1,
        ("mAP@[.5:.95]", 150): 0.15,
    }  # and no rare class: the test set has none, which is not an AP of 0


def test_a_class_without_a_test_cell_has_no_point():
    points = rows(learning_curve.class_curve(CURVE, CLASSES))
    assert [(row["Class"], row["AP@0.5"]) for row in points] == [
        ("disc", 0.4),
        ("a[b]: c", 0.1),
        ("disc", 0.6),
        ("a[b]: c", 0.1),
    ]


def test_macro_f1_has_a_point_where_names_were_counted():
    counted = replace(CURVE[1].evaluation, n_named=(5, 0, 3), n_correct=(5, 0, 0))
    chart = learning_curve.learning_curve([CURVE[0], replace(CURVE[1], evaluation=counted)])
    points = [(row["Model"], row["Value"]) for row in rows(chart) if row["Metric"] == "Macro F1"]
    assert points == [(2, (2 / 3 + 0) / 2)]


def test_each_class_has_its_figures_as_named_beside_its_ap():
    counted = replace(CURVE[1].evaluation, n_named=(5, 2, 0), n_correct=(5, 0, 0))
    table = learning_curve.class_table([CURVE[0], replace(CURVE[1], evaluation=counted)], CLASSES)
    words = table[["AP@0.5", "Recall", "Precision", "F1"]].astype(object).fillna("–").to_numpy().tolist()
    assert words == [
        [0.4, "–", "–", "–"],
        [0.1, "–", "–", "–"],
        [0.6, 0.5, 1, 2 / 3],
        [0.1, 0, "–", 0],  # never named: no precision, and F1 is 0
    ]


def test_a_field_with_brackets_or_dots_is_no_path():
    encoding = learning_curve.class_curve(CURVE, CLASSES).to_dict()["layer"][0]["encoding"]
    assert encoding["y"]["field"] == "AP@0\\.5"


def test_the_flagged_cells_fall_as_the_pool_is_reviewed():
    history = [PoolState(1, 100, 9, 200.0, 150.0), PoolState(2, 150, 8, 180.0, 90.0)]
    points = rows(learning_curve.flagged_curve(history, CURVE))
    assert [(row["Annotated cells"], row["Cells"]) for row in points] == [(100, 150.0), (150, 90.0)]


def test_charts_of_one_model_and_one_step_are_charts():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for chart in (learning_curve.learning_curve(CURVE[:1]), learning_curve.loss_curve([(1, 2.5)])):
            assert chart.to_dict()


FEW = Evaluation(
    *(0.6, 0.5, 0.3, 0.7, (0.5, 0.7, 0.2), (400, 7, 3), 30),
    n_named=(400, 6, 0),
    n_correct=(390, 5, 0),
    intervals=(None, ClassIntervals((0.3, 0.95), (0.4, 0.9), (0.4, 1), (0.4, 0.9)), None),
)


def test_a_class_with_few_test_cells_is_faint_and_has_its_interval():
    chart = learning_curve.class_curve([CurvePoint(1, 2, 100, "2026", FEW)], CLASSES)
    document = chart.to_dict()
    *lines, ranges = document["layer"]
    assert {row["Class"]: (row["Few"], row["95 % within"]) for row in rows(chart)} == {
        "disc": (False, ""),
        "E.1": (True, "AP 0.30–0.95, recall 0.40–0.90, precision 0.40–1.00, F1 0.40–0.90"),
        "a[b]: c": (True, "not worked out: measure again"),
    }
    assert [each["encoding"]["opacity"]["scale"]["range"] for each in lines] == [[1, 0.35]] * 2
    assert ranges["mark"]["type"] == "rule"
    assert [ranges["encoding"][side]["field"] for side in ("y", "y2")] == ["Low", "High"]
    assert [(row["Low"], row["High"]) for row in rows(chart) if row["Low"] is not None] == [(0.3, 0.95)]


def test_rare_class_ap_is_faint_while_no_rare_class_has_enough_test_cells():
    enough = replace(FEW, n_cells=(400, 20, 3))
    curve = [CurvePoint(1, 2, 100, "2026", FEW), CurvePoint(2, 2, 200, "2026", enough)]
    faint = {
        (row["Metric"], row["Model"])
        for row in rows(learning_curve.learning_curve(curve, CLASSES))
        if row["Few"]
    }
    assert faint == {("Rare-class AP@0.5", 1)}
