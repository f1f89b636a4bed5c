"""The charts of a report as SVG text that stands in the page, coloured by its style sheet."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from rbcal.charts.colours import COLOURS
from rbcal.store.classes import CellClass
from rbcal.wording import count

_WIDTH = 500  # pixels, of the plot; with a legend beside it as wide as a page of A4
_HEIGHT = 240
_SMALL = (148, 106)  # pixels, of one small plot; four of them side by side
_SIDE_BY_SIDE = 4
_ON_A_PAGE = 16
_NAME_SPACES = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')  # HTML knows them


def precision_recall_charts(
    precision: NDArray[np.float64], classes: Sequence[CellClass], few: Mapping[int, int] | None = None
) -> list[alt.FacetChart]:
    """Return charts of precision against recall, a small plot for each class of the test set.

    They are more than one where the classes are too many for a page.

    Parameters
    ----------
    precision : (C, 101) float64
        At recall 0, 0.01 ... 1; NaN for a class without a test cell.
    classes : C CellClasses
    few : mapping of label to int, optional
        Test cells of classes that have few: their plots say so.
    """
    cells = {label: f", {count(n, 'cell')}" for label, n in (few or {}).items()}
    tested = [
        (f"{cell_class.name} ({curve.mean():.2f}{cells.get(cell_class.label, '')})", curve)
        for cell_class, curve in zip(classes, precision, strict=True)
        if not np.isnan(curve).any()
    ]
    pages = [tested[first : first + _ON_A_PAGE] for first in range(0, len(tested), _ON_A_PAGE)]
    return [_small_plots(page) for page in pages]


def _small_plots(titled: Sequence[tuple[str, NDArray[np.float64]]]) -> alt.FacetChart:
    parts = []
    for title, curve in titled:
        reached = max(1, int(np.count_nonzero(curve)))
        columns = {"Recall": np.linspace(0, 1, len(curve))[:reached], "Precision": curve[:reached]}
        parts.append(pd.DataFrame({"Class": title} | columns))
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(values=[0, 0.5, 1], format=".1f")
    base = alt.Chart(pd.concat(parts)).encode(
        x=alt.X("Recall:Q", scale=scale, axis=axis), y=alt.Y("Precision:Q", scale=scale, axis=axis)
    )
    layers = [
        base.mark_area(color=COLOURS[0], opacity=0.14),
        base.mark_line(color=COLOURS[0], strokeWidth=2),
    ]
    width, height = _SMALL
    titles = [title for title, _ in titled]
    header = alt.Header(labelFontSize=12, labelFontWeight="bold", labelLimit=width + 10, labelPadding=4)
    return (
        alt.LayerChart(layer=layers)
        .properties(width=width, height=height)
        .facet(
            facet=alt.Facet("Class:N", sort=titles, title=None, header=header),
            columns=_SIDE_BY_SIDE,
            spacing={"row": 34, "column": 18},
            bounds="flush",
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
