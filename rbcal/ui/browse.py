"""A folder or a file of this PC, chosen with the mouse; where the app runs on the user's own PC alone."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import streamlit as st
from streamlit import config

from rbcal.errors import FormatError
from rbcal.formats import folders
from rbcal.ui import door
from rbcal.ui.session import session
from rbcal.wording import count, literal


def offer_to_browse(key: str, endings: Collection[str], *, wants_file: bool = False) -> None:
    """Offer to choose what the text field of that key holds; nothing where others could look about here."""
    if not door.is_local(config.get_option("server.address")):
        return
    if st.button("Browse", icon=":material/folder_open:", key=f"browse_{key}"):
        typed = Path(st.session_state.get(key) or Path.home())
        session.browsed_folder = next(
            (each for each in (typed, *typed.parents) if each.is_dir()), Path.home()
        )
        _browse(key, tuple(endings), wants_file)


@st.dialog("Browse this PC", width="large")
def _browse(key: str, endings: tuple[str, ...], wants_file: bool) -> None:
    here = session.browsed_folder or Path.home()
    with st.container(horizontal=True):
        for name, place in folders.places().items():
            st.button(name, key=f"place_{name}", on_click=_enter, args=(place,))
    st.button(
        "Up",
        icon=":material/arrow_upward:",
        disabled=here.parent == here,
        on_click=_enter,
        args=(here.parent,),
        key="folder_above",
    )
    try:
        inside = folders.listing(here, endings)
    except FormatError as err:
        st.error(str(err), icon=":material/error:")
        return
    st.markdown(f"**{literal(str(here))}**")
    chosen: Path | None = None
    with st.container(height=300):
        for number, each in enumerate(inside.folders):
            st.button(
                literal(each.name),
                icon=":material/folder:",
                type="tertiary",
                key=f"folder_{number}",
                on_click=_enter,
                args=(each,),
            )
        for number, each in enumerate(inside.files if wants_file else ()):
            if st.button(
                literal(each.name), icon=":material/database:", type="tertiary", key=f"file_{number}"
            ):
                chosen = each
        if not inside.folders and not (wants_file and inside.files):
            st.caption("There is no folder in here.")
    if inside.is_cut:
        st.caption("There are more. Type the path instead.")
    if not wants_file:
        st.caption(f"{count(inside.n_files, 'picture')} in this folder; those in its subfolders come along.")
        if st.button("Choose this folder", type="primary"):
            chosen = here
    if chosen is not None:
        session.browsed = key, str(chosen)
        st.rerun()


def take_browsed(key: str) -> None:
    """Write what was chosen into its text field: before the field is drawn."""
    if session.browsed is not None and session.browsed[0] == key:
        st.session_state[key] = session.browsed[1]
        session.browsed = None


def _enter(folder: Path) -> None:
    session.browsed_folder = folder
