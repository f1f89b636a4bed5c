"""The error gallery of the Progress page: what the model in use got wrong, each a click from Review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from rbcal.charts.confusion import confusion_chart, confusion_table
from rbcal.charts.error_gallery import ImageMistake, all_mistakes, caption, framed_crop, of_cell
from rbcal.charts.synthetic_mark import marked_chart
from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.matching import Mistake
from rbcal.formats import pictures
from rbcal.store.classes import CellClass
from rbcal.store.images import Image, Split
from rbcal.store.models import Model
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.review.open_image import open_image
from rbcal.ui.review.way_back import remember_way_back
from rbcal.wording import literal

_ROW, _PAGE = 6, 18  # crops
_TEST, _YOURS = "On the test set", "In your annotations"
_KINDS = {"Called another class": "confused", "Missed": "missed", "Nothing annotated": "false"}
_KEPT = ("progress_tab", "errors_")  # how the keys begin of what is as it was on the way back
_SIGNS = (
    "Solid blue: annotated. Dashed orange: the model. A click on a name opens the cell on the Review page."
)


@st.fragment
def show_errors(file: ProjectFile, model_id: int) -> None:
    """Show where a model and the annotations disagree: on the test set, or in the images it learns from.

    A click in it reruns only this, not the page around it.
    """
    st.subheader("What the model still gets wrong")
    where = st.segmented_control("Where", [_TEST, _YOURS], default=_TEST, required=True, key="errors_where")
    split: Split = "test" if where == _TEST else "work"
    with file.open() as project:
        model, classes = project.models.get(model_id), project.classes.all()
        names = tuple(each.name for each in classes)
        there = project.images.test() if split == "test" else project.images.annotated()
        images = {image.id: image for image in there}
        reviews = {image.id: image.review_id for image in there if image.review_id is not None}
        n_images = project.evaluations.n_predicted(model_id, split)
        table, wrong = _disagreements(file, model, split, n_images, reviews, classes)
        if not n_images:
            unseen = "the test set" if split == "test" else "your annotations"
            st.info(
                f"Model {model_id} has not looked at {unseen} yet: the next training does.",
                icon=":material/search:",
            )
            return
        if split == "test":
            st.caption(
                "A test image whose annotation is wrong can be corrected like any other. Every later model "
                "is measured with the corrected boxes; the points that the curve has by now stay as they are."
            )
            wrong, chosen = _chosen_in_matrix(project, table, names, wrong)
        else:
            chosen = ""
            st.caption(
                f"The {n_images:,} images that were annotated last, as model {model_id} sees them. It has "
                "learnt from most of these very boxes: what it still contradicts may be a slip of the hand."
            )
        _show_crops(project, images, wrong if chosen else _of_one_kind(wrong, split), names, where + chosen)


@st.cache_resource(max_entries=4, show_spinner="Comparing with the annotations")
def _disagreements(
    file: ProjectFile,
    model: Model,
    split: Split,
    n_images: int,
    reviews: Mapping[int, int],
    classes: Sequence[CellClass],
) -> tuple[pd.DataFrame, list[ImageMistake]]:
    """Return the confusion matrix and every mistake.

    Anew when a review or what a model found is saved, or a class renamed or merged.
    """
    with file.open() as project:
        detections = project.evaluations.detections(model.id, split)
        truths = {
            image_id: project.reviews.annotations(review_id)
            for image_id, review_id in reviews.items()
            if image_id in detections
        }
    names = [each.name for each in classes]
    matrix = Confusion.of(((truths[image_id], detections[image_id]) for image_id in truths), len(names))
    return confusion_table(matrix, names), all_mistakes(truths, detections)


def _chosen_in_matrix(
    project: Project, table: pd.DataFrame, names: Sequence[str], wrong: list[ImageMistake]
) -> tuple[list[ImageMistake], str]:
    """Show the confusion matrix; return the mistakes of the cell that was clicked, and its name, else all."""
    chart = confusion_chart(table, names)
    if project.is_synthetic:
        chart = marked_chart(chart)
    event = st.altair_chart(chart, width="stretch", on_select="rerun", key="confusions")
    chosen = event["selection"].get("cell")
    if not chosen:
        st.caption("Rows: what is annotated. Click a number to see its cells.")
        return wrong, ""
    annotated, called = chosen[0]["Annotated"], chosen[0]["Found"]
    st.markdown(f"**Annotated: {literal(annotated)}. The model: {literal(called)}.**")
    if annotated == called:
        st.caption("Here the model agrees with the annotations. Click a number beside the diagonal.")
    return of_cell(wrong, annotated, called, names), f"{annotated} {called}"


def _of_one_kind(wrong: list[ImageMistake], split: Split) -> list[ImageMistake]:
    """Let the expert choose a kind of mistake, and return those."""
    of_kind = {name: [each for each in wrong if each.mistake.kind == kind] for name, kind in _KINDS.items()}
    name = st.segmented_control(
        "Show",
        list(of_kind),
        format_func=lambda name: f"{name} ({len(of_kind[name]):,})",
        default=next(iter(of_kind)),  # a label is what is mended first
        required=True,
        key=f"errors_kind_{split}",
    )
    return of_kind[name]


def _show_crops(
    project: Project,
    images: Mapping[int, Image],
    shown: Sequence[ImageMistake],
    names: Sequence[str],
    where: str,
) -> None:
    if not shown:
        st.caption("No mistake of this kind.")
        return
    n_pages, page = -(-len(shown) // _PAGE), 0
    if n_pages > 1:
        left = st.columns(_ROW)[0]
        page = (
            int(left.number_input(f"Page (of {n_pages:,})", 1, n_pages, key=f"errors_page_{where}_{n_pages}"))
            - 1
        )
    order = f"{len(shown):,} cells, the clearest mistake first. " if len(shown) > 1 else ""
    st.caption(order + _SIGNS)
    for start in range(page * _PAGE, min(len(shown), (page + 1) * _PAGE), _ROW):
        for place, column in zip(range(start, min(len(shown), start + _ROW)), st.columns(_ROW), strict=False):
            each = shown[place]
            image = images[each.image_id]
            sha256 = project.images.digest(image.id)
            column.image(_crop(project.file, image.id, sha256, image.layer, each.mistake), width="stretch")
            column.caption(literal(caption(each.mistake, names)))
            if column.button(
                image.name,
                key=f"error_{where}_{place}",
                help="Open this cell on the Review page",
                width="stretch",
            ):
                remember_way_back(image.id, "progress", _KEPT)
                open_image(project.file, image.id, each.mistake.boxes[0])


@st.cache_data(max_entries=400, show_spinner=False)
def _crop(file: ProjectFile, image_id: int, sha256: str, layer: str, mistake: Mistake) -> bytes:
    with file.open() as project:
        return framed_crop(pictures.decode(project.images.content(image_id), layer), mistake)
