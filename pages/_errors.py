"""The error gallery of the Progress page: what the serving model got wrong, each a click from Review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from pages._opening import open_image
from rbcal.formats import pictures
from rbcal.matching import Mistake
from rbcal.store.classes import CellClass
from rbcal.store.images import Image, Split
from rbcal.store.project import Project
from rbcal.view import gallery
from rbcal.view.synthetic import marked_chart
from rbcal.view.words import literal

_ROW, _LEAF = 6, 18  # crops
_TEST, _YOURS = "On the test set", "In your annotations"
_KINDS = {"All": None, "Another class": "confused", "Missed": "missed", "Nothing there": "false"}
_SIGNS = "Solid blue: annotated. Dashed orange: the model."


def show_errors(project: Project, model_id: int) -> None:
    """Show where a model and the annotations disagree: on the test set, or in the images it learns from."""
    st.subheader("What the model still gets wrong")
    where = st.segmented_control("Where", [_TEST, _YOURS], default=_TEST, required=True, key="errors_where")
    split: Split = "test" if where == _TEST else "work"
    images = {
        image.id: image
        for image in (project.images.test() if split == "test" else project.images.annotated())
    }
    reviews = {image.id: image.review_id for image in images.values() if image.review_id is not None}
    classes = project.classes.all()
    names = tuple(each.name for each in classes)
    table, wrong, n_images = _disagreements(project.path, model_id, split, reviews, classes)
    if not n_images:
        unseen = "the test set" if split == "test" else "your annotations"
        st.info(
            f"Model {model_id} has not looked at {unseen} yet: the next training does.",
            icon=":material/search:",
        )
        return
    if split == "test":
        wrong = _chosen_in_matrix(project, table, names, wrong)
        st.caption(
            "A test image can be corrected like any other; earlier figures stay as they were, and models are "
            "measured with the corrected boxes from then on."
        )
    else:
        st.caption(
            f"The {n_images} images that were annotated last, as model {model_id} sees them. It has learnt "
            "from most of these very boxes: what it still contradicts may be a slip."
        )
    if not wrong:
        st.caption("No mistake here.")
        return
    kind = st.segmented_control(
        "Show",
        list(_KINDS),
        default="All" if split == "test" else "Another class",  # a label is what is mended first
        required=True,
        key=f"errors_kind_{split}",
    )
    _show_crops(
        project, images, [each for each in wrong if _KINDS[kind] in (None, each.mistake.kind)], names, where
    )


@st.cache_resource(max_entries=4, show_spinner="Comparing with the annotations")
def _disagreements(
    path: Path, model_id: int, split: Split, reviews: Mapping[int, int], classes: Sequence[CellClass]
) -> tuple[pd.DataFrame, list[gallery.Shown], int]:
    """Return the confusion matrix, every mistake, and in how many images.

    Anew when a review is saved, or a class renamed or merged.
    """
    with Project.open(path) as project:
        found = project.evaluations.detections(model_id, split)
        truths = {
            image_id: project.reviews.annotations(review_id)
            for image_id, review_id in reviews.items()
            if image_id in found
        }
    table = gallery.confusion_table(truths, found, [each.name for each in classes])
    return table, gallery.all_mistakes(truths, found), len(truths)


def _chosen_in_matrix(
    project: Project, table: pd.DataFrame, names: Sequence[str], wrong: list[gallery.Shown]
) -> list[gallery.Shown]:
    """Show the confusion matrix; return the mistakes of the cell of it that was clicked, else all."""
    chart = gallery.confusion_chart(table, names)
    if project.is_synthetic:
        chart = marked_chart(chart)
    event = st.altair_chart(chart, width="stretch", on_select="rerun", key="confusions")
    chosen = event["selection"].get("cell")
    if not chosen:
        st.caption("Rows: what is annotated. Click a number to see its cells.")
        return wrong
    annotated, called = chosen[0]["Annotated"], chosen[0]["Found"]
    st.markdown(f"**Annotated {literal(annotated)}, found {literal(called)}**")
    return gallery.of_cell(wrong, annotated, called, names)


def _show_crops(
    project: Project,
    images: Mapping[int, Image],
    shown: Sequence[gallery.Shown],
    names: Sequence[str],
    where: str,
) -> None:
    if not shown:
        st.success("Nothing here.", icon=":material/check:")
        return
    leaves = -(-len(shown) // _LEAF)
    leaf = 0
    if leaves > 1:
        place = st.columns(_ROW)[0]
        leaf = int(place.number_input(f"Leaf of {leaves}", 1, leaves, key=f"errors_leaf_{where}")) - 1
    st.caption(f"{len(shown):,} cells, the clearest contradiction first. {_SIGNS}")
    for start in range(leaf * _LEAF, min(len(shown), (leaf + 1) * _LEAF), _ROW):
        for place, column in zip(range(start, min(len(shown), start + _ROW)), st.columns(_ROW), strict=False):
            each = shown[place]
            image = images[each.image_id]
            column.image(_crop(project.path, image.id, image.layer, each.mistake), width="stretch")
            column.caption(f"{literal(gallery.caption(each.mistake, names))}")
            if column.button(
                image.name,
                key=f"error_{where}_{place}",
                help="Open this image on the Review page",
                width="stretch",
            ):
                open_image(project.path, image.id)


@st.cache_data(max_entries=400, show_spinner=False)
def _crop(path: Path, image_id: int, layer: str, mistake: Mistake) -> bytes:
    with Project.open(path) as project:
        return gallery.crop(pictures.decode(project.images.content(image_id), layer), mistake)
