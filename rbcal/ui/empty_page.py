"""A page that Streamlit has emptied is opened again.

What a part of a page asks of the server (an edit of the canvas, a look at a running job) can come just after
the user went to another page. Streamlit 1.67 then runs nothing, but takes the request's page for the open one
and removes what is drawn. Nobody else notices, so the browser looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from rbcal.ui.session import session

_watch = st.components.v2.component(
    "rbcal.empty_page", js=(Path(__file__).parent / "js" / "empty_page.js").read_text("utf-8")
)


def reopen_if_emptied(page: Page, pages: Sequence[Page]) -> None:
    """Open the page that was shown last, if the browser says that it was emptied; else note this one."""
    emptied, session.emptied = session.emptied, False
    if emptied and session.shown_page not in (None, page.title):
        st.switch_page(next(each for each in pages if each.title == session.shown_page))
    session.shown_page = page.title
    with st.sidebar:
        _watch(key="empty_page", data={}, height=0, on_emptied_change=_note)


def _note() -> None:
    session.emptied = True
