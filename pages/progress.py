"""Progress: whether the annotated cells helped, on the frozen test set; then each class, then all else."""

import streamlit as st

from rbcal.charts.learning_curve import class_curve, flagged_curve
from rbcal.store.evaluations import CurvePoint
from rbcal.store.project import Project
from rbcal.ui.downloads import show_chart
from rbcal.ui.progress.answer import show_answer
from rbcal.ui.progress.calibration import show_calibration
from rbcal.ui.progress.error_gallery import show_errors
from rbcal.ui.progress.headline import (
    point_in_use,
    show_classes,
    show_headline,
    show_no_curve,
    show_same_cells,
    show_what_was_measured,
)
from rbcal.ui.progress.report import offer_report
from rbcal.ui.progress.simulations import show_curve, show_experiments
from rbcal.ui.progress.stop_advice import show_stopping
from rbcal.ui.review.way_back import restore_widgets
from rbcal.ui.session import open_project, session

FILE = open_project()  # before all else: on a fresh server it draws the whole page
restore_widgets("progress")
# Never st.stop() in a page: Streamlit then keeps the fragments of the page before, and a late edit would draw
# that page's canvas into this one, which breaks both.


def show_progress(project: Project, curve: list[CurvePoint]) -> None:
    """Show one of three tabs; the others cost nothing."""
    shown = point_in_use(project, curve)
    names = ["Did it help?", "Classes", "Details"]
    answer, classes, details = st.tabs(names, key="progress_tab", on_change="rerun")
    if answer.open:
        with answer:
            show_answer(project, curve, shown)
            show_same_cells(curve, shown)
    if classes.open:
        with classes:
            show_chart(project, class_curve(curve, project.classes.all()))
            show_classes(project, shown)
            show_errors(FILE, shown.model_id)
    if details.open:
        with details:
            show_details(project, curve, shown)


def show_details(project: Project, curve: list[CurvePoint], shown: CurvePoint) -> None:
    """Show every figure of the model in use, when to stop, and what was tried."""
    flagged = project.queue.flagged_in_pool()
    show_headline(project, curve, shown, flagged)
    show_curve(project, curve)
    show_what_was_measured(project, shown)
    show_stopping(project, curve, shown.evaluation, flagged)

    st.subheader("Red cells left")
    if history := project.rankings.history():
        show_chart(project, flagged_curve(history, curve))
        st.caption(
            "Cells in the images that wait: the model of that time was unsure of them, or they may be rare."
        )
    else:
        is_coming = session.running_job is not None
        st.info(
            "The images are being sorted now; then red cells are counted."
            if is_coming
            else "Red cells are counted when the images are sorted: press *Train* on the Train page."
        )

    show_experiments(project)
    show_calibration(project)  # the slowest of all


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
