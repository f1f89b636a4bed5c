"""The text for a bug report: offered below an error, and made once it is asked for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from rbcal.store.project import projects_folder
from rbcal.ui.session import session

if TYPE_CHECKING:
    from rbcal.doctor.collect import ErrorPlace


def offer_bug_report(err: BaseException | None = None) -> None:
    """Offer the text below an error; without one, of what failed elsewhere."""
    place = None
    if err is not None:
        from rbcal.doctor.collect import error_place  # late: pages without an error do not need it

        place = error_place(err)
    key = f"bug_report_{place}"
    with suppress(StreamlitAPIException):  # the same error stands on this page already, with its button
        st.button(
            "Text for a bug report", key=key, icon=":material/bug_report:", on_click=_ask, args=(place,)
        )
    if _is_part_alone():  # app.py does not run now, and its text could not come
        show_bug_report("part")


def show_bug_report(key: str = "page") -> None:
    """Show the text that was asked for, until it is closed."""
    if not session.bug_report_asked:
        return
    with st.expander("Text for a bug report", expanded=True, icon=":material/bug_report:"):
        if session.bug_report is None:
            session.bug_report = _make()
        st.caption(
            "It says how this PC and your projects are, as numbers: no name, no path and no image. Copy it "
            "with the button in its corner, and add what you did and what you expected."
        )
        st.code(session.bug_report, language=None, wrap_lines=True)
        st.button("Close", key=f"close_bug_report_{key}", on_click=_close)


def _make() -> str:
    from rbcal.doctor.collect import collect
    from rbcal.doctor.text import as_text

    opened = None if session.project is None else session.project.path
    with st.spinner("Versions, devices and disk are read. It takes some seconds."):
        return as_text(collect(projects_folder(), opened=opened, error=session.bug_report_error))


def _ask(place: ErrorPlace | None) -> None:
    session.bug_report_asked, session.bug_report_error, session.bug_report = True, place, None


def _close() -> None:
    session.bug_report_asked, session.bug_report_error, session.bug_report = False, None, None


def _is_part_alone() -> bool:
    context = get_script_run_ctx()
    return context is not None and bool(context.fragment_ids_this_run)
