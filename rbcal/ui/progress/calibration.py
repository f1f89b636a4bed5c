"""The reliability diagram on the Progress page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from rbcal.errors import ProjectError
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.downloads import offer_files, show_chart

if TYPE_CHECKING:
    from rbcal.charts.calibration import CalibrationCheck


def show_calibration(project: Project) -> None:
    """Show whether cells that were likely to be changed were changed."""
    from rbcal.charts import calibration as view  # late: it loads scipy

    st.subheader("Does the model know where it is wrong?")
    ranking = project.rankings.current()
    if ranking is None:
        st.info(
            "Known once the images that wait are sorted: press *Train* on the Train page.",
            icon=":material/target:",
        )
        return
    measured = project.evaluations.n_predicted(ranking.model_id)
    state = (project.reviews.count(), project.reviews.expert_seconds(), ranking.id, measured)
    check = _checked(project.file, state)
    words = view.reliability_words(check)
    if not check.bins:
        st.info(words, icon=":material/target:")
        return
    chart = view.reliability_chart(check.bins)
    left, right = st.columns([3, 2], gap="large")
    right.caption(words)
    with left:
        show_chart(project, chart)
        table = view.reliability_table(check.bins)
        offer_files(project, chart, table, "calibration", "Predicted and true changes")


@st.cache_data(max_entries=4, show_spinner="Comparing what was predicted with what was changed")
def _checked(file: ProjectFile, state: object) -> CalibrationCheck:
    """Return how well errors are foreseen; kept, for many cells take a second."""
    from rbcal.charts.calibration import check_calibration
    from rbcal.jobs.colours import read_evidence

    with file.open() as project:
        ranking = project.rankings.current()
        if ranking is None:
            raise ProjectError("The ranking is gone. Open the page again.")
        return check_calibration(read_evidence(project, ranking))
