"""The sheet of keys, and the keys of this project's classes."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from rbcal.errors import ProjectError
from rbcal.review.shortcuts import EVERYWHERE, IMAGE, MOUSE, WALK, Sheet, check_keys, class_keys
from rbcal.store.project import Project
from rbcal.ui.review.desk import Desk

SHEETS = (
    (("Everywhere", EVERYWHERE),),
    (("In the walk", WALK), ("Mouse", MOUSE)),
    (("On the whole image", IMAGE),),
)


@st.dialog("Keys", width="large")
def show_keys(desk: Desk) -> None:
    """Show what every key does, and let the user choose those of the classes."""
    columns = st.columns(3)
    for column, sheets in zip(columns, SHEETS, strict=True):
        column.html("".join(_table(heading, sheet) for heading, sheet in sheets))
    st.markdown("**Class keys of this project**")
    table = pd.DataFrame({"Class": desk.names, "Key": [key.upper() for key in desk.keys]}).loc[desk.choices]
    changed = st.data_editor(table, hide_index=True, disabled=["Class"], key="class_keys", width="content")
    if st.button("Use these keys", disabled=changed["Key"].tolist() == table["Key"].tolist()):
        try:
            typed = dict(zip(desk.choices, changed["Key"], strict=True))
            keys = check_keys([str(typed.get(each.label) or "") for each in desk.classes])
            with Project.open(desk.path) as project:
                project.classes.set_keys(keys)
                desk.classes = project.classes.all()
        except ProjectError as err:
            st.error(str(err))
            return
        desk.keys = class_keys(desk.classes)
        st.rerun()


def _table(heading: str, sheet: Sheet) -> str:
    rows = "".join(f"<tr><td><b>{key}</b></td><td>{meaning}</td></tr>" for key, meaning in sheet)
    return f"<div class='keys'><h4>{heading}</h4><table>{rows}</table></div>"
