"""A project file that lies elsewhere: a copy of it joins the projects."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.jobs import project_files
from rbcal.store.project import SUFFIX
from rbcal.ui.browse import offer_to_browse, take_browsed
from rbcal.ui.session import session

_KEY = "file_to_open"


def show_open_file() -> None:
    """Ask for a project file on this PC, and open it."""
    take_browsed(_KEY)
    typed = st.text_input(
        f"Project file on this PC ({SUFFIX})",
        key=_KEY,
        placeholder=str(Path.home() / f"slides{SUFFIX}"),
        help="A copy of it joins your projects; the file itself stays as it is.",
    )
    st.caption("A copy joins your projects. The file itself stays as it is.")
    with st.container(horizontal=True):
        offer_to_browse(_KEY, [SUFFIX], wants_file=True)
        is_wanted = st.button("Open it", type="primary", disabled=not typed.strip())
    if not is_wanted:
        return
    try:
        opened = project_files.add(Path(typed.strip().strip('"')))
    except RbcalError as err:
        st.error(str(err), icon=":material/error:")
        return
    session.wanted_project = opened.stem
    st.switch_page("pages/project.py")
