"""Open a project, let the user choose a page, and turn an error into words: ``streamlit run app.py``."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import streamlit as st

from rbcal.errors import DamagedError, ProjectError, RbcalError, ReplacedError
from rbcal.store.project import SUFFIX, ProjectFile, projects_folder
from rbcal.store.project_cards import note_opened
from rbcal.ui import door
from rbcal.ui.annotator import keep_annotator, recall_annotator
from rbcal.ui.bug_report import offer_bug_report, show_bug_report
from rbcal.ui.empty_page import reopen_if_emptied
from rbcal.ui.keyboard import help_keyboard
from rbcal.ui.project.backups import show_backups
from rbcal.ui.running_work import show_running_work
from rbcal.ui.session import session
from rbcal.wording import literal

# Lies on every page, at the edge, and takes no room: the slides of this project are drawn.
SYNTHETIC = """<style>
  .stElementContainer:has(> .stHtml .synthetic) {
    position: fixed; top: 0; left: 50%; transform: translateX(-50%); z-index: 999991; width: auto;
    pointer-events: none; }
  .synthetic { font-size: .75rem; line-height: 1; white-space: nowrap; padding: .25rem .8rem; color: #1c1c1c;
    background: #f5c542; border-radius: 0 0 6px 6px; }
</style>
<div class="synthetic" role="note"><b>Synthetic slides</b>: drawn by rbcal, no patient's cells</div>"""


def choose_project() -> Path | None:
    """Return the project that a page, the user or the address bar names, or None."""
    names = sorted(path.stem for path in projects_folder().glob(f"*{SUFFIX}"))
    chosen, wanted = session.project_name, session.wanted_project
    session.wanted_project = None
    wanted = wanted or chosen or st.query_params.get("project")
    if wanted is None and session.project is not None:  # the choice does not outlive a visit to Home
        wanted = session.project.path.stem
    if wanted is None and len(names) == 1:
        wanted = names[0]
    listed = wanted if wanted in names else None
    if listed != chosen:  # else the choice is the browser's own, and is left to it
        session.project_name = listed
    if names:
        none = None if listed is None else 0  # an index of None would offer to close the project
        st.sidebar.selectbox("Project", names, none, key="project_name", placeholder="Choose a project")
    if wanted is None:
        return None
    st.query_params["project"] = wanted
    path = projects_folder() / f"{wanted}{SUFFIX}"
    if listed or (session.project and session.project.path == path):  # it was, and opening it says more
        return path
    st.error(f"There is no project {literal(wanted)} in {literal(str(projects_folder()))}. Choose another.")
    return None


def is_wanted_at_once() -> bool:
    """Return whether the visitor comes for a project: the address names one, or there is no other."""
    has_come, session.has_arrived = session.has_arrived, True
    if has_come:
        return False
    named = st.query_params.get("project")
    if named is None:
        names = [path.stem for path in projects_folder().glob(f"*{SUFFIX}")]
        named = names[0] if len(names) == 1 else None
    session.wanted_project = session.wanted_project or named
    return session.wanted_project is not None


def open_project(path: Path) -> ProjectFile:
    """Open a project for the page, and return it; the one that was open must still be the same."""
    last = session.project
    file = last if last and last.path == path else ProjectFile(path)
    recall_annotator()
    file = replace(file, annotator=session.annotator)
    with file.open() as project:  # a file that cannot be opened is refused here, before any page
        if project.is_synthetic:
            st.html(SYNTHETIC)
    keep_annotator()
    if last is None or last.path != path:
        note_opened(path)
    session.project = project.file
    return project.file


def offer_to_leave() -> None:
    """Offer to go on without the project that was open: with another one in its place, or with none."""
    is_there = session.project is not None and session.project.path.exists()
    if st.button("Open the one that is there now" if is_there else "Close it"):
        session.project = session.project_name = None
        if not is_there:
            st.query_params.clear()
        st.rerun()


def say(err: Exception) -> bool:
    """Say what a callback, or a part of a page that runs by itself, ran into; return whether that is all."""
    if isinstance(err, RbcalError):
        st.error(str(err), icon=":material/error:")
    offer_bug_report(err)
    return isinstance(err, RbcalError)


def main() -> None:
    """Show the page that the user chose, of the project that the user chose."""
    st.set_page_config(page_title="rbcal", page_icon="🔴", layout="wide")
    # Streamlit's own CSV files hold names as they are, and a spreadsheet takes "=cmd()" for a formula.
    st.html('<style>[aria-label="Download as CSV"] { display: none; }</style>')
    home = st.Page("pages/home.py", title="Home", icon=":material/home:", default=True)
    project = st.Page("pages/project.py", title="Project", icon=":material/folder_open:")
    others = [
        st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        st.Page("pages/review.py", title="Review", icon=":material/rate_review:"),
        st.Page("pages/progress.py", title="Progress", icon=":material/show_chart:"),
    ]
    page = st.navigation([home, project, *others])
    reopen_if_emptied(page, [home, project, *others])
    help_keyboard()

    show_bug_report()
    path: Path | None = None
    try:
        if is_wanted_at_once() and page == home:
            st.switch_page(project)
        if page == home:
            if session.project is not None:
                with suppress(ProjectError):  # the pages of the project say what is wrong with it
                    show_running_work(session.project, page)
            page.run()
            return
        path = choose_project()
        if path is None:
            session.project = None
            st.info("Create or choose a project first.")
            st.page_link(home)
        else:
            show_running_work(open_project(path), page)
            page.run()
    except RbcalError as err:
        st.error(str(err), icon=":material/error:")
        if isinstance(err, ReplacedError):
            offer_to_leave()
        if isinstance(err, DamagedError) and path is not None:
            show_backups(ProjectFile(path))
        offer_bug_report(err)


if __name__ == "__main__":  # for each visitor, at each act
    main()
else:  # for the server, once
    app = st.App(__file__, middleware=door.MIDDLEWARE, lifespan=door.announce, on_script_error=say)
