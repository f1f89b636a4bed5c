"""A project to try things out on, drawn while the newcomer waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import streamlit as st

from rbcal.jobs import launcher
from rbcal.store.project import SUFFIX, ProjectFile, projects_folder
from rbcal.ui.session import session

NAME = "demo"


def show_demo() -> None:
    """Offer a project of synthetic slides, and draw it; one that is there already is opened."""
    path = projects_folder() / f"{NAME}{SUFFIX}"
    with st.container(border=True):
        st.markdown(
            "**No slides at hand?** 120 synthetic images of the paper's seven subtypes, drawn on this PC in "
            "seconds: 10 are annotated, 30 are the test set, 80 wait for you. A first training begins by "
            "itself; after some minutes the cells that are worth your time come first."
        )
        is_there = path.exists()
        label = "Open the demo" if is_there else "Try the demo"
        if not st.button(label, icon=":material/science:", key="demo"):
            return
        if not is_there:
            from rbcal.interchange import synthetic_dataset  # late: they load scipy
            from rbcal.simulation import demo_loop

            bar = st.progress(0.0, "Drawing the slides")

            def track(numbers: Sequence[int]) -> Iterator[int]:
                for number in numbers:
                    bar.progress(number / len(numbers), f"Drawing image {number} of {len(numbers)}")
                    yield number
                bar.progress(1.0, "Putting them into the project")

            synthetic_dataset.create_demo(path, track=track)
            launcher.start(ProjectFile(path), demo_loop.first_request())
        session.wanted_project = NAME
        st.switch_page("pages/project.py")
