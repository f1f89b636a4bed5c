"""The report on the Progress page: made when it is asked for, in a few seconds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from rbcal.store.project import Project


def offer_report(path: Path) -> None:
    """Offer the report of a project as a file."""
    st.download_button(
        "Report",
        partial(_report, path),
        f"{path.stem}-report.html",
        "text/html",
        on_click="ignore",
        icon=":material/description:",
        width="stretch",
        help="One file to pass on: what was annotated, curves, errors, uncertain cells, settings, and a "
        "methods paragraph. It opens in any browser and prints on A4. It takes a few seconds.",
    )


def _report(path: Path) -> bytes:
    from rbcal.report.collect import collect
    from rbcal.report.html import as_html  # late: it loads the maker of pictures and that of figures

    with Project.open(path) as project:
        return as_html(collect(project)).encode()
