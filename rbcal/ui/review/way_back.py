"""The way back from an image to the page that it was opened from, as that page was left."""

from __future__ import annotations

import time

import streamlit as st

from rbcal.ui.session import WayBack, session

_LATE = 5.0  # seconds within which a late edit comes


def remember_way_back(image_id: int, page: str, beginnings: tuple[str, ...]) -> None:
    """Keep the page that an image is opened from, with the widgets whose keys begin like that."""
    widgets = {str(key): st.session_state[key] for key in st.session_state if str(key).startswith(beginnings)}
    session.way_back = WayBack(image_id, page, widgets)


def way_back_from(image_id: int) -> WayBack | None:
    """Return the way back from an image, if it was opened from another page."""
    way = session.way_back
    return way if way is not None and way.image_id == image_id and way.ends is None else None


def go_back(image_id: int) -> None:
    """Leave an image for the page that it was opened from, at the next run of the page."""
    session.leaves = way_back_from(image_id) is not None


def leave_if_wanted() -> None:
    """Go back now, if that was asked for."""
    if session.leaves and session.way_back is not None:  # a late edit may win over the way: then once more
        st.switch_page(f"pages/{session.way_back.page}.py")


def restore_widgets(page: str) -> None:
    """Give the widgets of a page back what was chosen in them, when it is come back to.

    A late edit of the image may empty the page, and with it what they hold: for seconds they get it again.
    """
    way, now = session.way_back, time.monotonic()
    if way is None or way.page != page:
        return
    session.leaves = False
    if way.ends is not None and way.ends < now:
        session.way_back = None
        return
    session.way_back = way._replace(ends=way.ends or now + _LATE)
    for key, value in way.widgets.items():
        if way.ends is None or key not in st.session_state:
            st.session_state[key] = value
