"""Who annotates here: asked once, before the first act, and kept by the browser."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, unquote

import streamlit as st

from rbcal.store.project import LONGEST_PERSON, Project
from rbcal.ui.session import session

COOKIE = "rbcal_annotator"
_MARK = "name:"  # before the name: an empty one is an answer, too
_YEARS = 60 * 60 * 24 * 365 * 3  # seconds


def recall_annotator() -> None:
    """Take the name that this browser keeps, unless one was given in this session."""
    if session.annotator is not None:
        return
    kept = unquote(st.context.cookies.get(COOKIE, ""))
    if kept.startswith(_MARK):
        session.annotator = kept.removeprefix(_MARK)[:LONGEST_PERSON]


def keep_annotator() -> None:
    """Let the browser keep the name that was given; it holds for every project and address of this PC."""
    if session.annotator is None:
        return
    value = quote(_MARK + session.annotator, safe="")  # letters, digits and % alone: it cannot end the text
    if st.context.cookies.get(COOKIE) not in (value, unquote(value)):
        cookie = f"{COOKIE}={value}; path=/; max-age={_YEARS}; samesite=lax"
        with st.container(key="annotator_cookie", height=1, border=False):
            st.html(f"<script>document.cookie = '{cookie}'</script>", unsafe_allow_javascript=True)


def set_annotator(project: Project, name: str) -> None:
    """Let a name sign what is done in this browser; the first one is that of the project, too."""
    session.annotator = name.strip()
    session.project = replace(project.file, annotator=session.annotator)
    if session.annotator and not project.expert:
        project.sign(session.annotator)


def ask_annotator(project: Project) -> None:
    """Ask who annotates, before the first act."""
    st.subheader("Who annotates?")
    with st.form("who_annotates", border=False):
        name = st.text_input(
            "Your name or initials",
            value=project.expert,
            max_chars=LONGEST_PERSON,
            help="Kept with every box that you draw, change or keep, so that it can be asked later who did "
            "it. This browser remembers it.",
        )
        with st.container(horizontal=True):
            is_given = st.form_submit_button("Begin", type="primary")
            is_declined = st.form_submit_button("Begin without a name")
    if is_given or is_declined:
        set_annotator(project, name if is_given else "")
        st.rerun()
