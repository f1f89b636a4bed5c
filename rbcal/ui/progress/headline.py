"""The figures of the Progress page: of the model in use, and of each class."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rbcal.charts.few_cells import few_rare_cells, few_words, rare_words
from rbcal.charts.learning_curve import INTERVAL, class_table
from rbcal.charts.matched_training import HOLLOW_WORDS, on_new_cells, same_cells_words, trainings
from rbcal.store.evaluations import CurvePoint
from rbcal.store.images import Counts
from rbcal.store.project import Project
from rbcal.ui.session import session
from rbcal.wording import count, duration, listed, literal

_AS_NAMED = """
- **Recall**: of 100 true cells of this class, how many were found and named so (0.80: 80 of them).
- **Precision**: of 100 boxes with this name, how many are right. A second box on a cell, and a box where no
  cell is, count as wrong. –: no box has this name.
- **F1**: the harmonic mean of the two, high only if both are.
- **AP** (average precision) asks only whether the true cells of a class stand before the others when all are
  sorted by how probable the class is. So it can be high for a class that no cell is ever named: another class
  was more probable each time.
"""
_FIGURES = ["AP@0.5", "Recall", "Precision", "F1"]
FIGURE = st.column_config.NumberColumn(format="%.3f")
NUMBER = st.column_config.NumberColumn(format="%,d")


def show_no_curve(counts: Counts) -> None:
    """Say how the first point of the curve comes about."""
    if session.running_job is not None and counts.test_images:
        st.info(
            "The first model is in training. When it is measured on the test images, a point appears here.",
            icon=":material/show_chart:",
        )
        return
    st.info(
        "After each training the model is measured on the frozen test set, and a point appears here. "
        + (
            "Train the first model."
            if counts.test_images
            else "There is no test image yet. Every fourth image that you annotate becomes one; or draw "
            "a test set from imported boxes, on the Project page under *Test set*."
        ),
        icon=":material/show_chart:",
    )
    st.page_link("pages/train.py" if counts.test_images else "pages/project.py", label="Go there")


def point_in_use(project: Project, curve: Sequence[CurvePoint]) -> CurvePoint:
    """Return the point of the model in use, else that of the newest model."""
    serving = project.models.serving()
    return next((point for point in curve if serving and point.model_id == serving.id), curve[-1])


def show_headline(
    project: Project, curve: Sequence[CurvePoint], shown: CurvePoint, flagged: int | None
) -> None:
    """Show the figures of a model, and what is left to review."""
    serving, classes = project.models.serving(), project.classes.all()
    place = [point.model_id for point in curve].index(shown.model_id)
    before = curve[place - 1] if place else None
    in_use = ", in use" if serving and serving.id == shown.model_id else ""
    st.subheader(f"Figures of model {shown.model_id}{in_use}")
    if words := _on_same_cells(curve, shown):
        st.caption(words)
    columns = st.columns(5)
    names = {"Precision_all": "precision_all", "mAP@0.5": "map_50", "Rare-class AP@0.5": "rare_ap_50"}
    for column, (name, field) in zip(columns, names.items(), strict=False):
        now, then = getattr(shown.evaluation, field), before and getattr(before.evaluation, field)
        none = "no cell"  # of it in the test set; more words have no room
        if field == "rare_ap_50" and few_rare_cells(shown.evaluation, classes):
            now, none = None, "not yet"
        is_gain = before is not None and now is not None and then is not None
        delta = f"{now - then:+.3f} since model {before.model_id}" if before and is_gain else None
        column.metric(
            name,
            none if now is None else f"{now:.3f}",
            delta,
            delta_color="normal" if shown.same_cells_as is None else "off",  # grey: no cell bought it
            help=few_words(shown.evaluation, classes) or None if field != "precision_all" else None,
        )
    columns[3].metric("Annotated cells", f"{project.images.counts().annotated_cells:,}")
    columns[4].metric(
        "Red cells left",
        "–" if flagged is None else f"{flagged:,}",
        help="Cells that the model is unsure about, or that may be rare, in the images that wait (the pool). "
        "–: these images are not sorted yet.",
    )
    if words := rare_words(shown.evaluation, classes):
        st.caption(literal(words))


def _on_same_cells(curve: Sequence[CurvePoint], shown: CurvePoint) -> str:
    """Return that a model was trained once more on the same cells, as a sentence; empty for new ones."""
    if shown.same_cells_as is None:
        return ""
    words = dict(zip((point.model_id for point in curve), trainings(curve), strict=True))
    return f"{words[shown.model_id].capitalize()}: those of model {shown.same_cells_as}."


def show_same_cells(curve: Sequence[CurvePoint], shown: CurvePoint) -> None:
    """Say which part of a gain no cell bought; nothing where no two models had the same cells."""
    if len(on_new_cells(curve)) < len(curve):
        st.caption(f"{HOLLOW_WORDS} {same_cells_words(curve, shown)}")


def show_what_was_measured(project: Project, shown: CurvePoint) -> None:
    """Say what the figures of a model rest on."""
    n_images, n_cells = shown.evaluation.n_images, sum(shown.evaluation.n_cells)
    st.caption(
        f"Average precision on {count(n_images, 'test image')} with {count(n_cells, 'cell')}, which no model "
        "learns from. "
        "Precision_all weights AP@0.5 of each class by its number of cells in the test set; mAP is the plain "
        "mean over the classes. Macro F1 is the plain mean of F1 over the classes, by the one name that each "
        "box has on the Review page. "
        f"Time spent on reviewing so far: {duration(project.reviews.expert_seconds())}."
    )
    if fewer := on_fewer_images(project.evaluations.curve()):
        st.caption(
            f"Measured on fewer test images, as their weights were dropped before the test set grew: "
            f"{listed([f'model {each}' for each in fewer], most=6)}."
        )


def on_fewer_images(curve: Sequence[CurvePoint]) -> list[int]:
    """Return the models that were measured on fewer test images than others."""
    most = max((point.evaluation.n_images for point in curve), default=0)
    return [point.model_id for point in curve if point.evaluation.n_images < most]


def show_classes(project: Project, shown: CurvePoint) -> None:
    """Show how well a model finds and names each class, as a table."""
    classes = project.classes.all()
    whole = class_table([shown], classes)
    few = whole["Few"].to_numpy()
    table = whole[["Class", "Rare", *_FIGURES, "Test cells", *([INTERVAL] if few.any() else [])]]
    faint = table.style.apply(
        lambda row: ["opacity: 0.5; color: grey" if few[row.name] else ""] * len(row), axis=1
    )
    numbers = dict.fromkeys(_FIGURES, FIGURE) | {"Test cells": NUMBER}
    st.dataframe(faint, hide_index=True, column_config=numbers, placeholder="–")
    rough = literal(few_words(shown.evaluation, classes))
    with st.expander("What the figures mean"):
        st.caption(f"Model {shown.model_id} on the test set:\n{_AS_NAMED}")
    if rough:
        st.caption(rough)
    if not shown.evaluation.is_counted:
        st.info(
            f"Recall, precision and F1 were not counted when model {shown.model_id} was measured. This "
            "measures the model in use again: `rbcal evaluate PROJECT`",
            icon=":material/straighten:",
        )
