"""How far the project is, what comes next, and who works on it."""

from __future__ import annotations

import streamlit as st

from rbcal.store.project import Project
from rbcal.ui.project.next_step import next_step


def show_counts(project: Project) -> None:
    """Show how far the project is and what comes next."""
    counts = project.images.counts()
    columns = st.columns(5)
    columns[0].metric("Images", f"{counts.images:,}")
    columns[1].metric("Annotated images", f"{counts.annotated_images:,}")
    columns[2].metric("Annotated cells", f"{counts.annotated_cells:,}")
    columns[3].metric("In the pool", f"{counts.pool_images:,}", help="Images that wait for annotation.")
    columns[4].metric(
        "Test images",
        f"{counts.test_images:,}",
        help="Drawn once, by group, and never trained on: every model is measured on them.",
    )
    step = next_step(counts, project.models.serving(), project.rankings.current())
    st.info(step.words, icon=":material/arrow_forward:")
    if step.page:
        st.page_link(f"pages/{step.page}.py", label=f"Go to {step.page.capitalize()}")


def show_expert(project: Project) -> None:
    """Ask who sits here: the name signs every edit from now on."""
    name = st.text_input(
        "Your name",
        value=project.expert,
        max_chars=80,
        placeholder="signs what you annotate",
        help="Kept with every box that you draw, change or accept, so that it can be asked later who did it.",
    )
    if name.strip() != project.expert:
        project.sign(name)
