"""The reliability diagram on the Progress page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from rbcal.store.project import Project, ProjectFile
from rbcal.ui.downloads import offer_files, show_chart

if TYPE_CHECKING:
    from rbcal.charts.calibration import CalibrationCheck


def show_calibration(project: Project) -> None:
    """Show whether cells that were likely to be changed were changed."""
    from rbcal.charts import calibration as view  # late: it loads scipy

    st.subheader("Does the model know its doubts?")
    ranking = project.rankings.current()
    check = _checked(
        project.file,
        (project.reviews.count(), project.reviews.expert_seconds(), ranking and ranking.id),
    )
    words = view.reliability_words(check)
    if not check.n_cells:
        st.info(words, icon=":material/target:")
        return
    chart = view.reliability_chart(check.bins)
    left, right = st.columns([3, 2], gap="large")
    right.caption(words)
    with left:
        show_chart(project, chart)
        table = view.reliability_table(check.bins)
        offer_files(project, chart, table, "calibration", "Predicted and true changes")


@st.cache_data(max_entries=4, show_spinner=False)
def _checked(file: ProjectFile, state: object) -> CalibrationCheck:
    """Return how well reviews were foreseen; kept by their state, for many thousands take seconds."""
    from rbcal.charts.calibration import check_calibration

    with file.open() as project:
        return check_calibration(project.reviews.outcomes())
