"""The line in the sidebar of every page: what a worker does for the open project, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st
from streamlit.navigation.page import Page
from streamlit.runtime.scriptrunner import get_script_run_ctx

from rbcal.jobs import launcher
from rbcal.store.jobs import Job
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.session import session
from rbcal.wording import duration, literal

DONE = {"done": "finished", "failed": "failed", "cancelled": "was cancelled"}
NAMES = {
    "train": "Training",
    "score": "Sorting the images",
    "evaluate": "Measuring",
    "rank": "Changing the order",
    "simulate": "The experiment",
}
REVIEW = "Review"  # the page whose canvas a rerun of all would draw anew
_TRAIN = "Train"  # the page that shows the job itself
_TICK = 1.0  # seconds between two looks at a job
_PAGES = {
    "review": ("Review the ranked cells", ":material/rate_review:"),
    "train": ("Go to Train", ":material/model_training:"),
    "progress": ("See the progress", ":material/show_chart:"),
}
# With the sidebar closed, as on Review, the line is shown at the edge of the window instead. Style sheets
# hold wherever they stand; a toast of a part of the page would take the place of those of the page.
_EDGE = """<style>
  .stApp:has([data-testid="stSidebar"][data-collapsed="true"])::after {{ content: "{words}"; position: fixed;
    bottom: 2px; left: 8px; z-index: 999990; pointer-events: none; font-size: .75rem; line-height: 1;
    max-width: calc(50vw - 210px); overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
    padding: .3rem .6rem; border-radius: 6px; background: {colour}; color: #fff; {fading} }}
  @keyframes rbcal-fade {{ to {{ opacity: 0; }} }}
</style><span hidden>.</span>"""
_BLUE, _GREEN, _ORANGE = "#1f6feb", "#1a7f37", "#b35900"
_FADING = "animation: rbcal-fade 2s 60s forwards;"


@dataclass(frozen=True)
class Ending:
    """How a job ended, in words, and the page that comes next."""

    words: str
    page: str


def show_running_work(file: ProjectFile, page: Page) -> None:
    """Show in the sidebar what runs, how far it is, and *Cancel*; once it ends, how, and what comes next.

    While a job is under way this looks again every second, and reruns nothing else of the page. The Train
    page shows by itself what runs.
    """
    with file.open() as project:
        job = launcher.watch(project)
    is_active = job is not None and job.active
    if job is None or session.running_job != (file.path, job.id):
        session.running_job = None  # it was that of another project
    if job is not None and job.active:
        session.running_job = file.path, job.id
    with st.sidebar, st.container(key="running_work"):
        st.fragment(_show_line, run_every=_TICK if is_active else None)(file, page, _page_of_run())


def _page_of_run() -> str:
    """Return which page Streamlit believes to run."""
    context = get_script_run_ctx()
    return "" if context is None else context.page_script_hash


def words_of(job: Job) -> str:
    """Say what a job does now, how far it is, and how long that still takes."""
    words = job.stage
    if job.steps:
        words += f": {job.step:,} of {job.steps:,}"
    left = job.seconds_left(datetime.now(UTC))
    return words if left is None else f"{words}, about {duration(left)} left"


def ending_of(project: Project, job: Job) -> Ending:
    """Say how a job ended, and what comes next."""
    name = NAMES[job.kind]
    if job.state == "failed":
        return Ending(f"{name} failed. {job.reason or ''}".strip(), "train")
    if job.state == "cancelled":
        return Ending(f"{name} was cancelled.", "train")
    if job.kind == "simulate":
        return Ending("The experiment is finished.", "progress")
    if job.kind != "train":
        done = {"score": "The images are sorted.", "rank": "The images have their new order."}
        return Ending(done.get(job.kind, "The model is measured."), _next_page(project))
    models = project.models.all()
    point = next(
        (each for each in project.evaluations.curve() if models and each.model_id == models[-1].id), None
    )
    measured = "" if point is None else f": Precision {point.evaluation.precision_all:.2f}"
    if project.models.question() is not None:
        return Ending(f"Training is done{measured}, worse than before. Say which shall serve.", "train")
    return Ending(f"Training is done{measured}.", _next_page(project))


def _next_page(project: Project) -> str:
    ranking = project.rankings.current()
    if not project.images.counts().pool_images:
        return "progress"
    return "train" if ranking is None or ranking.stale else "review"


def _show_line(file: ProjectFile, page: Page, shown: str) -> None:
    if _page_of_run() != shown:
        # A look that the browser asked for on the page before came after st.switch_page. Streamlit then
        # empties the page that is open, for the sake of the one before. So open it again.
        st.switch_page(page)
    with file.open() as project:
        job = launcher.watch(project)
        if job is None:
            return
        this = file.path, job.id
        if job.active:
            if page.title != _TRAIN:
                _show_progress(project, job)
            return
        if session.running_job == this:
            session.running_job, session.ended_job = None, this
            if page.title != REVIEW:
                st.rerun(scope="app")  # the page shows what came of it
        if session.ended_job == this:
            _show_ending(job, ending_of(project, job), page)
            if page.title != REVIEW and session.announced_job != this:
                st.toast(literal(ending_of(project, job).words), duration="long")
            session.announced_job = this


def _show_progress(project: Project, job: Job) -> None:
    words = words_of(job)
    st.progress(min(1.0, job.step / job.steps) if job.steps else 0.0, words)
    st.html(_EDGE.format(words=_escaped(words), colour=_BLUE, fading=""))
    if job.cancel_requested:
        st.caption("Stopping.")
    else:
        st.button(
            "Cancel",
            icon=":material/stop:",
            key="cancel_running_work",
            width="stretch",
            on_click=_cancel,
            args=(project.file,),
        )


def _cancel(file: ProjectFile) -> None:
    with file.open() as project:
        launcher.cancel(project)


def _show_ending(job: Job, ending: Ending, page: Page) -> None:
    label, icon = _PAGES[ending.page]
    show = {"failed": st.error, "cancelled": st.warning}.get(job.state, st.success)
    show(literal(ending.words))
    if ending.page == "train" and page.title == _TRAIN:  # the user is there
        return
    st.page_link(f"pages/{ending.page}.py", label=label, icon=icon)
    colour = _GREEN if job.state == "done" else _ORANGE
    st.html(_EDGE.format(words=_escaped(f"{ending.words} Next: {label}."), colour=colour, fading=_FADING))


def _escaped(words: str) -> str:
    r"""Return words as CSS has them between quotes.

    >>> _escaped('Training: 3 of "60"')
    'Training\\3a  3 of \\22 60\\22 '
    """
    return "".join(each if each.isalnum() or each in " ,." else f"\\{ord(each):x} " for each in words)
