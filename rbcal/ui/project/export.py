"""The images, annotations and predictions of the project as files that other programs read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import streamlit as st

from rbcal.interchange import export_dataset
from rbcal.outputs import is_occupied
from rbcal.store.images import Image
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.session import session
from rbcal.wording import literal

_FORMATS = {
    "coco": "Annotations, COCO",
    "voc": "Annotations, Pascal VOC",
    "yolo": "Annotations, YOLO",
    "annotations-csv": "Annotated cells with their status and notes, a table (CSV)",
    "predictions-csv": "Predictions with their uncertainty, tables (CSV)",
    "predictions-coco": "Predictions with their uncertainty, COCO results",
}


def show_export(project: Project) -> None:
    """Ask for a format and a folder, and write what other programs read."""
    format_ = st.selectbox("What", get_args(export_dataset.Format), format_func=_FORMATS.__getitem__)
    if format_.startswith("predictions") and project.rankings.current() is None:
        comes = (
            "they come when the model has sorted"
            if session.running_job
            else "train a model, then let it sort"
        )
        st.info(f"There are no predictions yet: {comes} the images.")
        return
    annotations = not format_.startswith("predictions")
    if not annotations:
        st.caption("Of the images that waited when they were sorted last; others were not looked at.")
    as_data_set = annotations and format_ != "annotations-csv"
    with_images = as_data_set and st.toggle("With the pictures", value=True)
    unreviewed = as_data_set and st.toggle(
        "With the images that are not reviewed",
        help="For another project of rbcal. They come in a folder of their own, not_annotated: other "
        "programs would learn from an image without boxes that its cells are background.",
    )
    counts = project.images.counts()
    if annotations and not unreviewed and not counts.annotated_images + counts.test_images:
        st.info("There are no annotations yet: review some images first.")
        return
    default = project.path.parent / "exports" / f"{project.path.stem}-{format_}"
    folder = st.text_input("Into a new folder on this PC", value=str(default), key=f"export_{format_}")
    target = Path(folder.strip().strip('"'))
    overwrite = is_occupied(target) and st.checkbox(
        "Replace what is in this folder", help="What is there is kept in a folder beside it, named before-1."
    )
    said = st.container()  # above the buttons, which are at the lower edge of a small window
    with st.container(horizontal=True):
        is_wanted = st.button("Export", type="primary", disabled=not folder.strip())
        st.download_button(
            "Download as zip",
            data=partial(_zipped, project.file, format_, with_images, unreviewed),
            file_name=f"{project.path.stem}-{format_}.zip",
            mime="application/zip",
            on_click="ignore",
            help="Made when you click. For many images, a folder on this PC is quicker.",
        )
    if not is_wanted:
        return
    bar = said.progress(0.0, "Exporting")

    def track(images: list[Image]) -> Iterator[Image]:
        for done, image in enumerate(images):
            bar.progress(done / len(images), f"Exporting {done} of {len(images)}")
            yield image

    report = export_dataset.export(
        project,
        target,
        format_,
        with_images=with_images,
        unreviewed=unreviewed,
        overwrite=overwrite,
        track=track,
    )
    bar.empty()
    said.success(export_dataset.summary(report, literal(str(target))))


def _zipped(file: ProjectFile, format_: export_dataset.Format, with_images: bool, unreviewed: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder, file.open() as project:
        written = Path(folder) / "export"
        export_dataset.export(project, written, format_, with_images=with_images, unreviewed=unreviewed)
        return Path(shutil.make_archive(str(Path(folder) / "packed"), "zip", written)).read_bytes()
