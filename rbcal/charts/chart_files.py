"""Charts and tables as files: PNG, SVG, CSV."""

from __future__ import annotations

import io
from typing import Literal

import altair as alt
import pandas as pd

from rbcal.formats.names import cell_text


def as_csv(table: pd.DataFrame) -> bytes:
    """Return a table as a CSV file, UTF-8, in which no spreadsheet finds a formula."""
    safe = table.rename(columns=cell_text)
    for column in safe.select_dtypes(include=["object", "string"]):
        safe[column] = [cell_text(each) if isinstance(each, str) else each for each in safe[column]]
    return safe.to_csv(index=False).encode()


def as_picture(chart: alt.LayerChart, kind: Literal["png", "svg"], title: str = "") -> bytes:
    """Return a chart as a picture file, dark on white, wide enough for a page; it needs no network."""
    wide = chart.properties(width=640, title=title) if title else chart.properties(width=640)
    if kind == "png":
        file = io.BytesIO()
        wide.save(file, format="png", scale_factor=3)
        return file.getvalue()
    text = io.StringIO()
    wide.save(text, format="svg")
    return text.getvalue().encode()
