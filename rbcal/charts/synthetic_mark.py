"""The mark on whatever is made from synthetic slides: nobody shall take it for a result on patients."""

from __future__ import annotations

from typing import TypeVar

import altair as alt
import pandas as pd

MARK = "Synthetic slides"
_Chart = TypeVar("_Chart", alt.LayerChart, alt.FacetChart)


def marked_chart(chart: _Chart) -> _Chart:
    """Return a chart that says above it that its slides are synthetic."""
    return chart.properties(title=alt.TitleParams(MARK, anchor="start", fontSize=12))


def marked_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a first column more, which says in every row that the slides are synthetic."""
    copy = table.copy()
    copy.insert(0, "Slides", "synthetic")
    return copy
