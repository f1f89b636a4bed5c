"""The report on the Progress page: made when it is asked for, in a few seconds."""

from __future__ import annotations

from functools import partial

import streamlit as st

from rbcal.store.project import ProjectFile


def offer_report(file: ProjectFile) -> None:
    """Offer the report of a project as a file."""
    st.download_button(
        "Report",
        partial(_report, file),
        f"{file.path.stem}-report.html",
        "text/html",
        on_click="ignore",
        icon=":material/description:",
        width="stretch",
        help="One file to pass on: what was annotated, curves, errors, uncertain cells, settings, and a "
        "methods paragraph. It opens in any browser and prints on A4. It takes a few seconds.",
    )


def _report(file: ProjectFile) -> bytes:
    from rbcal.report.collect import collect
    from rbcal.report.html import as_html  # late: it loads the maker of pictures and that of figures

    with file.open() as project:
        return as_html(collect(project)).encode()
