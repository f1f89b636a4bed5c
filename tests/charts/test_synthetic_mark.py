"""What is made from synthetic slides says so."""

from __future__ import annotations

import pandas as pd

from rbcal.charts.chart_files import as_csv
from rbcal.charts.learning_curve import loss_curve
from rbcal.charts.synthetic_mark import MARK, marked_chart, marked_table

CHART = loss_curve([(1, 2.0), (2, 1.5)])


def test_a_marked_chart_says_so_above_it():
    assert marked_chart(CHART).to_dict()["title"]["text"] == MARK
    assert "title" not in CHART.to_dict()


def test_every_row_of_a_marked_table_says_so():
    table = pd.DataFrame({"x": [1, 2]})
    assert as_csv(marked_table(table)).decode().splitlines() == ["Slides,x", "synthetic,1", "synthetic,2"]
    assert list(table) == ["x"]
