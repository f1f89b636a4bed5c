"""How far the project is, what comes next, and who works on it."""

from __future__ import annotations

import streamlit as st

from rbcal.jobs import launcher
from rbcal.store.images import Counts
from rbcal.store.project import LONGEST_PERSON, Project
from rbcal.ui.annotator import set_annotator
from rbcal.ui.project.next_step import next_step
from rbcal.ui.session import session
from rbcal.wording import count


def show_next_step(project: Project, counts: Counts) -> None:
    """Show what comes next, with the one button that leads there."""
    job = launcher.watch(project)
    is_training = job is not None and job.active and job.kind in ("train", "score")
    step = next_step(counts, project.models.serving(), project.rankings.current(), is_training=is_training)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="next_step"):
        st.markdown(f"**Next** · {step.words}", width="stretch")
        if step.page and st.button(
            step.button or "", type="primary", icon=":material/arrow_forward:", key="next_step_button"
        ):
            st.switch_page(f"pages/{step.page}.py")


def count_words(counts: Counts) -> str:
    """Say how far the project is."""
    unsure = f" {count(counts.unsure_cells, 'cell')} left unsure." if counts.unsure_cells else ""
    return (
        f"{count(counts.images, 'image')}: {counts.annotated_images:,} annotated with "
        f"{count(counts.annotated_cells, 'cell')}, {counts.pool_images:,} waiting, "
        f"{counts.test_images:,} test.{unsure}"
    )


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
