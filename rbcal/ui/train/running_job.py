"""Jobs on the Train page: how far the one that runs is, and how the last ones ended."""

from __future__ import annotations

import streamlit as st

from rbcal.charts.learning_curve import loss_curve
from rbcal.jobs import launcher
from rbcal.store.jobs import Job
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.bug_report import offer_bug_report
from rbcal.ui.downloads import show_chart
from rbcal.ui.running_work import DONE, NAMES, words_of
from rbcal.wording import duration


def show_job(file: ProjectFile) -> None:
    """Show the job that runs: how far it is, its loss, the tail of its log, and *Cancel*."""
    with file.open() as project:
        job = launcher.watch(project)
        if job is None or not job.active:
            st.rerun(scope="app")  # the button and the models come back
        show_progress(project, job)
        _show_loss(project, job)
        st.code("\n".join(project.jobs.log_tail(job.id)) or "No log yet.", language=None)


def show_last_jobs(project: Project) -> None:
    """Show how the last training and the last experiment ended, and what was sorted since the training."""
    training, experiment = project.jobs.last_training(), project.jobs.last_of("simulate")
    other = project.jobs.last_of("score", "evaluate", "rank")
    if training is not None:
        st.subheader("Last training")
        show_end(training)
        _show_loss(project, training)
        _show_log(project, training)
    if other is not None and (training is None or other.id > training.id):
        st.subheader("Last measuring" if other.kind == "evaluate" else "Last sorting of the images")
        show_end(other)
        _show_log(project, other)
    if experiment is not None:
        st.subheader("Last experiment")
        show_end(experiment)
        _show_log(project, experiment)


def _show_loss(project: Project, job: Job) -> None:
    if losses := project.jobs.losses(job.id):
        show_chart(project, loss_curve(losses))


def _show_log(project: Project, job: Job) -> None:
    if lines := project.jobs.log_tail(job.id):
        with st.expander(f"Log of job {job.id}", icon=":material/notes:"):
            st.code("\n".join(lines), language=None)


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
    """Say how a job ended, and where its result is."""
    words = f"{NAMES[job.kind]} {DONE[job.state]}"
    if job.started_at and job.finished_at:
        words += f" after {duration((job.finished_at - job.started_at).total_seconds())}"
    if job.state == "failed":
        st.error(f"{words}. {job.reason}", icon=":material/error:")
        offer_bug_report()
    elif job.state == "cancelled":
        st.warning(f"{words}.")  # where it can go on stands above, beside *Resume*
    else:
        st.success(f"{words}.")
    if job.kind == "simulate":
        st.page_link("pages/progress.py", label="What it found: Progress, Details", icon=":material/science:")
    elif job.state == "done":
        st.page_link("pages/review.py", label="Review the images at the top", icon=":material/rate_review:")
