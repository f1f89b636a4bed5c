"""How far the project is, what comes next, and who works on it."""

from __future__ import annotations

import streamlit as st

from rbcal.store.project import LONGEST_PERSON, Project
from rbcal.ui.annotator import set_annotator
from rbcal.ui.project.next_step import next_step
from rbcal.ui.session import session
from rbcal.wording import count


def show_counts(project: Project) -> None:
    """Show how far the project is and what comes next."""
    counts = project.images.counts()
    columns = st.columns(5)
    columns[0].metric("Images", f"{counts.images:,}")
    columns[1].metric("Annotated images", f"{counts.annotated_images:,}")
    unsure = f" {count(counts.unsure_cells, 'more cell')} left unsure." if counts.unsure_cells else ""
    columns[2].metric(
        "Annotated cells",
        f"{counts.annotated_cells:,}",
        help=f"Cells that a person named, and that teach.{unsure}",
    )
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


def show_annotator(project: Project) -> None:
    """Show who works here, and let it be another one: the name signs every edit from now on."""
    before = project.expert if session.annotator is None else session.annotator
    name = st.text_input(
        "Your name",
        value=before,
        max_chars=LONGEST_PERSON,
        placeholder="signs what you annotate",
        help="Kept with every box that you draw, change or keep, so that it can be asked later who did it. "
        "This browser remembers it.",
    )
    if name.strip() != before:
        set_annotator(project, name)
        st.rerun()
