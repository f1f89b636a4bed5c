"""What can be done with a project file as a whole: another name, a copy, into the trash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.jobs import project_files
from rbcal.ui.session import session
from rbcal.wording import literal

_RENAME, _DUPLICATE, _DELETE = "Rename", "Duplicate", "Delete"


def offer_acts(path: Path) -> None:
    """Offer the menu of a card."""
    chosen = st.menu_button(
        "", [_RENAME, _DUPLICATE, _DELETE], icon=":material/more_vert:", key=f"acts_{path.stem}", help="More"
    )
    match chosen:
        case "Rename":
            _ask_for_name(path)
        case "Duplicate":
            _ask_for_copy(path)
        case "Delete":
            _confirm_deletion(path)


def show_notice() -> None:
    """Say what was done last."""
    if session.notice is not None:
        st.success(session.notice)
        session.notice = None


@st.dialog("Rename the project")
def _ask_for_name(path: Path) -> None:
    st.caption("Its backups go with it. Whoever has it open is told so, and opens it again by its new name.")
    name = st.text_input("New name", path.stem, 80, key="rename_to")
    if st.button("Rename it", type="primary", disabled=not name.strip() or name.strip() == path.stem):
        _do(lambda: project_files.rename(path, name), path, f"{path.stem} is called {name.strip()} now.")


@st.dialog("Duplicate the project")
def _ask_for_copy(path: Path) -> None:
    megabytes = path.stat().st_size / 1e6
    st.caption(
        f"The copy has everything: images, cells, models. It takes {megabytes:,.0f} MB. What you do in one "
        "of the two does not change the other."
    )
    name = st.text_input("Name of the copy", f"{path.stem} copy", 80, key="copy_to")
    if st.button("Duplicate it", type="primary", disabled=not name.strip()):
        _do(lambda: project_files.duplicate(path, name), None, f"{name.strip()} is a copy of {path.stem}.")


@st.dialog("Move this project into the trash?")
def _confirm_deletion(path: Path) -> None:
    st.write(
        f"**{literal(path.stem)}** and its backups go into the trash. Nothing is erased: *Trash* on this "
        "page puts it back."
    )
    if st.button("Move it into the trash", type="primary"):
        _do(
            lambda: project_files.delete(path),
            path,
            f"{path.stem} is in the trash. You can put it back from there.",
        )


def _do(act: Callable[[], object], gone: Path | None, words: str) -> None:
    """Do an act on a file; say what was done, or why not."""
    try:
        act()
    except RbcalError as err:
        st.error(str(err), icon=":material/error:")
        return
    if gone is not None and session.project is not None and session.project.path == gone:
        session.project = session.editor = None  # this tab knows that it is not there any more
    session.notice = literal(words)
    st.rerun()
