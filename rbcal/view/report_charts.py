"""The charts of a report as SVG text that stands in the page, coloured by its style sheet."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from rbcal.store.classes import CellClass
from rbcal.view.charts import COLOURS

_WIDTH = 500  # pixels, of the plot; with a legend beside it as wide as a page of A4
_HEIGHT = 240
_SMALL = (148, 106)  # pixels, of one small plot; four of them side by side
_SIDE_BY_SIDE = 4
_NAME_SPACES = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')  # HTML knows them


def precision_recall_chart(precision: NDArray[np.float64], classes: Sequence[CellClass]) -> alt.FacetChart:
    """Return the chart of precision against recall at IoU 0.5, a small plot for each class of the test set.

    Parameters
    ----------
    precision : (C, 101) float64
        At recall 0, 0.01 ... 1; NaN for a class without a test cell.
    classes : C CellClasses
    """
    parts, titles = [], []
    for cell_class, curve in zip(classes, precision, strict=True):
        if np.isnan(curve).any():
            continue
        titles.append(f"{cell_class.name} ({curve.mean():.2f})")
        reached = max(1, int(np.count_nonzero(curve)))
        columns = {"Recall": np.linspace(0, 1, len(curve))[:reached], "Precision": curve[:reached]}
        parts.append(pd.DataFrame({"Class": titles[-1]} | columns))
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(values=[0, 0.5, 1], format=".1f")
    base = alt.Chart(pd.concat(parts)).encode(
        x=alt.X("Recall:Q", scale=scale, axis=axis), y=alt.Y("Precision:Q", scale=scale, axis=axis)
    )
    layers = [
        base.mark_area(color=COLOURS[0], opacity=0.14),
        base.mark_line(color=COLOURS[0], strokeWidth=2),
    ]
    header = alt.Header(
        labelFontSize=12,
        labelFontWeight="bold",
        labelLimit=_SMALL[0] + 10,
        labelPadding=4,
        labelBaseline="bottom",
    )
    return (
        alt.LayerChart(layer=layers)
        .properties(width=_SMALL[0], height=_SMALL[1])
        .facet(
            facet=alt.Facet("Class:N", sort=titles, title=None, header=header),
            columns=_SIDE_BY_SIDE,
            spacing={"row": 12, "column": 18},
        )
    )


def as_svg(chart: alt.LayerChart | alt.FacetChart) -> Markup:
    """Return a chart as SVG to stand in a page, without a background; the renderer escapes its texts."""
    if isinstance(chart, alt.LayerChart):
        chart = chart.properties(width=_WIDTH, height=_HEIGHT)
    plain = (
        chart.properties(background="transparent")
        .configure(font="Helvetica, Arial, sans-serif")
        .configure_axis(labelFontSize=11, titleFontSize=12, titleFontWeight="normal")
        .configure_legend(labelFontSize=12)
    )
    file = io.StringIO()
    plain.save(file, format="svg")
    tag, end, rest = file.getvalue().partition(">")
    return Markup(_NAME_SPACES.sub("", tag) + end + rest)  # noqa: S704  see above
