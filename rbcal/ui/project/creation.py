"""A new project: its name, and where its classes come from."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rbcal.errors import ProjectError
from rbcal.store.classes import RBC7, RBC7_RARE
from rbcal.store.project import Project, named_path
from rbcal.ui.session import session

OWN_CLASSES, PAPER_CLASSES, FILE_CLASSES = "My own", "The paper's seven", "From the first import"


def show_creation() -> None:
    """Ask for the name and the classes of a new project, create it, and go to its page."""
    name = st.text_input("Name", max_chars=80, placeholder="for example: anaemia-2026", key="new_name")
    refusal = st.container()  # beside the name, which it is about; below the button it would be out of sight
    source = st.segmented_control(
        "Classes",
        [FILE_CLASSES, PAPER_CLASSES, OWN_CLASSES],
        default=FILE_CLASSES,
        required=True,
        help="Subtypes of red blood cells. Rare ones are looked for with more effort. "
        "More classes can join later.",
    )
    classes: Sequence[str] = ()
    rare: Sequence[str] = ()
    if source == PAPER_CLASSES:
        classes, rare = RBC7, RBC7_RARE
        st.caption(f"{', '.join(RBC7)}; rare: {', '.join(RBC7_RARE)}")
    elif source == OWN_CLASSES:
        typed = st.text_area("One class a line", placeholder="discocyte\nstomatocyte\nechinocyte")
        classes = [line.strip() for line in typed.splitlines() if line.strip()]
        rare = st.multiselect("Rare among them", classes)
    if not st.button("Create project", type="primary", disabled=not name.strip(), key="create"):
        return
    try:
        with Project.create(named_path(name), classes=classes, rare=rare) as project:
            session.wanted_project = project.path.stem
    except ProjectError as err:
        refusal.error(str(err), icon=":material/error:")
        return
    st.switch_page("pages/project.py")
