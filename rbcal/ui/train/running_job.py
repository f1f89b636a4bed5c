"""The last job of the project on the Train page: how far it is, its loss and its log, or how it ended."""

from __future__ import annotations

import streamlit as st

from rbcal.charts.learning_curve import loss_curve
from rbcal.jobs import launcher
from rbcal.store.jobs import Job
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.bug_report import offer_bug_report
from rbcal.ui.downloads import show_chart
from rbcal.ui.running_work import DONE, NAMES, words_of
from rbcal.ui.session import session
from rbcal.wording import duration


def show_job(file: ProjectFile) -> None:
    """Show the job's row: how far it is, its loss, the tail of its log, and *Cancel*."""
    with file.open() as project:
        job = launcher.watch(project)
        if job is None:
            return
        if not job.active and session.watched_job == job.id:
            session.watched_job = None
            st.rerun(scope="app")  # the form and the models come back
        if job.active:
            session.watched_job = job.id
            show_progress(project, job)
        else:
            show_end(job)
        if losses := project.jobs.losses(job.id):
            show_chart(project, loss_curve(losses))
        st.code("\n".join(project.jobs.log_tail(job.id)) or "No log yet.", language=None)


def show_progress(project: Project, job: Job) -> None:
    """Show how far an active job is, and let the expert cancel it."""
    bar, button = st.columns([5, 1], vertical_alignment="bottom")
    bar.progress(job.step / job.steps if job.steps else 0.0, words_of(job))
    if button.button("Cancel", icon=":material/stop:", width="stretch", disabled=job.cancel_requested):
        launcher.cancel(project)
        st.rerun(scope="fragment")
    if job.cancel_requested:
        st.caption("Stopping.")
    st.caption("You may close the browser: the work goes on.")


def show_end(job: Job) -> None:
    """Say how the last job ended."""
    words = f"{NAMES[job.kind]} {DONE[job.state]}"
    if job.started_at and job.finished_at:
        words += f" after {duration((job.finished_at - job.started_at).total_seconds())}"
    if job.state == "failed":
        st.error(f"{words}. {job.reason}", icon=":material/error:")
        offer_bug_report()
    elif job.state == "cancelled":
        st.warning(f"{words}. {job.reason or ''}")
    else:
        st.success(f"{words}.")
        st.page_link("pages/review.py", label="Review the images at the top", icon=":material/rate_review:")
