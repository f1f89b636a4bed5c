"""The help for the keys, and the keys of this project's classes."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from rbcal.errors import ProjectError
from rbcal.review.editor import Editor
from rbcal.review.shortcuts import SHORTCUTS, Mode, check_keys
from rbcal.store.project import ProjectFile

COLUMNS: tuple[tuple[tuple[str, Mode], ...], ...] = (
    (("Everywhere", "everywhere"),),
    (("In the walk", "cells"), ("Mouse", "mouse")),
    (("On the whole image", "image"),),
)


@st.dialog("Keys", width="large")
def show_keys(editor: Editor) -> None:
    """Show what every key does, and let the user choose those of the classes."""
    for column, tables in zip(st.columns(3), COLUMNS, strict=True):
        column.html("".join(_table(heading, mode) for heading, mode in tables))
    with editor.log.file.open() as project:
        asks = project.ask_unread
    st.checkbox(
        "Ask before saving boxes that were not read",
        asks,
        key=f"ask_unread_{asks}",
        on_change=_ask_of_unread,
        args=(editor.log.file, not asks),
    )
    st.markdown("**Class keys of this project**")
    table = pd.DataFrame({"Class": editor.names, "Key": [key.upper() for key in editor.keys]}).loc[
        editor.choices
    ]
    changed = st.data_editor(table, hide_index=True, disabled=["Class"], key="class_keys", width="content")
    if st.button("Use these keys", disabled=changed["Key"].tolist() == table["Key"].tolist()):
        try:
            typed = dict(zip(editor.choices, changed["Key"], strict=True))
            keys = check_keys([str(typed.get(each.label) or "") for each in editor.classes])
            with editor.log.file.open() as project:
                project.classes.set_keys(keys)
                editor.classes = project.classes.all()
        except ProjectError as err:
            st.error(str(err))
            return
        st.rerun()


def _ask_of_unread(file: ProjectFile, ask: bool) -> None:
    with file.open() as project:
        project.ask_of_unread(ask=ask)


def _table(heading: str, mode: Mode) -> str:
    rows = "".join(
        f"<tr><td><b>{each.printed}</b></td><td>{each.help}</td></tr>"
        for each in SHORTCUTS
        if each.mode == mode
    )
    return f"<div class='keys'><h4>{heading}</h4><table>{rows}</table></div>"
