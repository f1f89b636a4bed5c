"""The test set: what is on either side of it, another draw while nothing was trained, and how it grows."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from rbcal.evaluation.metrics import FEWEST_TEST_CELLS
from rbcal.interchange.splits import redraw
from rbcal.store.project import Project
from rbcal.ui.session import session
from rbcal.wording import count, listed, literal

_EVERY = 4  # annotated images, of which one is a test image


def show_test_set(project: Project) -> None:
    """Show the test set, and let the user draw it anew or let it grow."""
    st.caption(
        "Test images measure every model and teach none. An image of the same slide as a test image is never "
        "learnt from, so a slide is on one side as a whole."
    )
    _show_sides(project)
    if not project.splits.is_frozen():
        _offer_redraw(project)
    else:
        st.caption("A training has begun, so the images that are annotated keep their side.")
    grows = st.toggle(
        f"Every {_EVERY}th image that you annotate becomes a test image",
        value=project.splits.every > 0,
        help="It is drawn at random among images of slides that nobody has begun, whatever the ranking says. "
        "Earlier models that still have their weights are measured on it, too.",
    )
    hide = st.toggle(
        "Hide the model's names in test images and spot checks",
        value=project.splits.names_are_hidden,
        help="Until you have named the cell. Who sees a name tends to agree with it, and then figures are "
        "too good.",
    )
    if grows != (project.splits.every > 0):
        project.splits.grow(_EVERY if grows else 0)
        st.rerun()
    if hide != project.splits.names_are_hidden:
        project.splits.hide_names(hide=hide)
        session.editor = None  # the open image is read anew
        st.rerun()


def _show_sides(project: Project) -> None:
    counts, classes = project.images.counts(), project.classes.own()
    if not counts.test_images and not counts.annotated_images:
        st.info("No image is annotated yet.")
        return
    work, test = (project.reviews.cells_per_class(side) for side in ("work", "test"))
    names = [each.name + (" (rare)" if each.rare else "") for each in classes]
    columns = {
        f"To learn from ({count(counts.annotated_images, 'image')})": [work.get(k.label, 0) for k in classes],
        f"Test ({count(counts.test_images, 'image')})": [test.get(k.label, 0) for k in classes],
    }
    st.dataframe(pd.DataFrame({"Cells of": names, **columns}), hide_index=True)
    few = [each.name for each in classes if test.get(each.label, 0) < FEWEST_TEST_CELLS]
    if few and counts.test_images:
        rough = literal(listed(few, most=8))
        st.caption(f"Fewer than {FEWEST_TEST_CELLS} test cells, so only a rough figure: {rough}.")


def _offer_redraw(project: Project) -> None:
    """Let the test set be drawn anew among the slides with annotations."""
    cells = project.splits.cells_by_group()
    if len(cells) < 2:
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    percent = left.slider("Part of the slides", 10, 50, 25, 5, format="%d %%", key="test_share")
    has_some = bool(project.images.counts().test_images)
    if right.button("Draw again" if has_some else "Draw a test set", icon=":material/casino:"):
        session.test_draws += 1
        redraw(project, percent / 100, seed=session.test_draws)
        st.rerun()
    st.caption(
        "Of many draws the one is taken that leaves classes, the rare ones above all, with "
        f"{FEWEST_TEST_CELLS} test cells or half of theirs. You can draw again until the first training."
    )
