"""The confusion matrix as a table and a chart."""

from __future__ import annotations

from rbcal.charts.confusion import MISSED, NOTHING, confusion_chart, confusion_table
from rbcal.evaluation.confusion import Confusion
from rbcal.types import Annotations, Detections

NAMES = ("disc", "slit")
CELLS = Annotations([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 1])
PREDICTED = Detections([[0, 0, 10, 10], [60, 0, 70, 10]], [[0.1, 0.2, 0.7], [0.2, 0.7, 0.1]])
TABLE = confusion_table(Confusion.of([(CELLS, PREDICTED)], 2), NAMES)


def test_the_matrix_has_a_row_for_each_annotated_class_and_for_nothing():
    counted = {(row.Annotated, row.Found): row.Cells for row in TABLE.itertuples() if row.Cells}
    assert counted == {("disc", "slit"): 1, ("slit", MISSED): 1, (NOTHING, "disc"): 1}
    assert not ((TABLE.Annotated == NOTHING) & (TABLE.Found == MISSED)).any()
    assert TABLE[TABLE.Annotated == "disc"].Share.sum() == 1


def test_the_chart_draws_every_number_on_its_shade():
    chart = confusion_chart(TABLE, NAMES).to_dict()
    assert [each["mark"]["type"] for each in chart["layer"]] == ["rect", "rect", "text"]
    assert any(each["name"] == "cell" for each in chart["params"])


def test_what_is_right_has_another_colour_than_what_is_wrong_and_no_cell_has_none():
    chart = confusion_chart(TABLE, NAMES).to_dict()
    [rows] = chart["datasets"].values()
    shown = {(row["Annotated"], row["Found"]): (row["Verdict"], row["Shade"]) for row in rows}
    assert shown["disc", "slit"] == ("wrong", 1.0)
    assert shown["disc", "disc"] == ("right", 0.0)
    scale = chart["layer"][1]["encoding"]["color"]["scale"]
    assert scale["domain"] == ["right", "wrong"]
    assert len(set(scale["range"])) == 2
