"""Progress: what each annotated cell bought, on the frozen test set."""

import streamlit as st

from rbcal.charts.learning_curve import class_curve, flagged_curve
from rbcal.store.evaluations import CurvePoint
from rbcal.store.project import Project
from rbcal.ui.downloads import show_chart
from rbcal.ui.progress.calibration import show_calibration
from rbcal.ui.progress.error_gallery import show_errors
from rbcal.ui.progress.headline import (
    show_classes,
    show_figures,
    show_headline,
    show_no_curve,
    show_same_cells,
    show_what_was_measured,
)
from rbcal.ui.progress.report import offer_report
from rbcal.ui.progress.simulations import show_curve, show_experiments
from rbcal.ui.progress.stop_advice import show_stopping
from rbcal.ui.session import open_project, session

FILE = open_project()  # before all else: on a fresh server it draws the whole page
# Never st.stop() in a page: Streamlit then keeps the fragments of the page before, and a late edit would draw
# that page's canvas into this one, which breaks both.


def show_progress(project: Project, curve: list[CurvePoint]) -> None:
    """Show the figures of the model in use, and every chart."""
    flagged = project.queue.flagged_in_pool()
    shown = show_headline(project, curve, flagged)

    st.subheader("What each annotated cell bought")
    show_curve(project, curve)
    show_same_cells(curve, shown)
    show_what_was_measured(project, shown)
    show_stopping(project, curve, shown.evaluation, flagged)
    show_experiments(project)

    st.subheader("Each class")
    show_chart(project, class_curve(curve, project.classes.all()))
    show_classes(project, shown)
    show_errors(FILE, shown.model_id)

    st.subheader("Flagged cells in the pool")
    if history := project.rankings.history():
        show_chart(project, flagged_curve(history, curve))
        st.caption("Cells of the pool that the model of that time was unsure about, or that may be rare.")
    else:
        is_coming = session.running_job is not None
        st.info(
            "The model ranks the pool now."
            if is_coming
            else "Rank the pool on the Train page to see how many cells are flagged."
        )

    show_calibration(project)
    show_figures(curve)


heading, action = st.columns([4, 1], vertical_alignment="bottom")
heading.title("Progress")
with action:
    offer_report(FILE)
with FILE.open() as project:
    curve = project.evaluations.curve()
    counts = project.images.counts()
    if curve:
        show_progress(project, curve)
    else:
        show_no_curve(counts)
        if counts.annotated_images:
            show_experiments(project)
