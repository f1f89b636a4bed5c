"""Charts on a page and as files; those of synthetic slides say so."""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from rbcal.charts import chart_files
from rbcal.charts.synthetic_mark import MARK, marked_chart, marked_table
from rbcal.store.project import Project


def show_chart(project: Project, chart: alt.LayerChart) -> None:
    """Show a chart as wide as its place."""
    st.altair_chart(marked_chart(chart) if project.is_synthetic else chart, width="stretch")


def offer_files(
    project: Project,
    chart: alt.LayerChart,
    table: pd.DataFrame,
    stem: str,
    metric: str,
    points: pd.DataFrame | None = None,
) -> None:
    """Offer a chart as files; a picture is made when it is asked for."""
    row = st.container(horizontal=True)
    title = f"{stem.replace('-', ' ').capitalize()}: {metric}"
    tables = {"CSV": (table, stem)}
    if points is not None:
        tables["CSV of every point"] = (points, f"{stem}-points")
    if project.is_synthetic:
        title = f"{MARK}. {title}"
        tables = {label: (marked_table(each), name) for label, (each, name) in tables.items()}
    files = {
        "PNG": (partial(chart_files.as_picture, chart, "png", title), f"{stem}.png", "image/png"),
        "SVG": (partial(chart_files.as_picture, chart, "svg", title), f"{stem}.svg", "image/svg+xml"),
    }
    files |= {
        label: (partial(chart_files.as_csv, each), f"{name}.csv", "text/csv")
        for label, (each, name) in tables.items()
    }
    for label, (content, name, kind) in files.items():
        row.download_button(
            label,
            content,
            name,
            kind,
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            key=name,
        )
