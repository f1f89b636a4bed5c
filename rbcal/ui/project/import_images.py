"""Bringing images and boxes into a project, and saying what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from rbcal.errors import FormatError, ImageError, SplitError
from rbcal.formats import files, labels, pictures
from rbcal.formats.dataset import LabelledImage
from rbcal.formats.files import Files
from rbcal.formats.stacks import Layer
from rbcal.interchange import import_images
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.browse import offer_to_browse, take_browsed
from rbcal.ui.session import session
from rbcal.wording import count, listed, literal

_FOLDER = "import_folder"  # the key of its field
_PREVIEWED = 8  # pictures that are shown before they are imported
_LABELS = "COCO, Pascal VOC, YOLO, CVAT or Label Studio"
_PACKED = "It may hold the boxes, too: they are offered when they are seen."
_SETTINGS = "Seed set, test set, groups, stacks"
_FRACTION, _GROUP = (
    "Share of the slides or patients for the test set",
    "Slide or patient of these images (optional)",
)
_ALONE, _DECLARED = "Every image stands alone", "Take the test set that the files name"
_CHOICES = ", ".join(f"*{each}*" for each in (_FRACTION, _GROUP, _ALONE, _DECLARED))
_FIRST, _MAXIMUM, _OTHER = "First page", "Maximum over the pages", "Another page or channel"


def show_import(project: Project) -> None:
    """Ask for images and boxes, and import them."""
    way = st.segmented_control(
        "From",
        ["A folder on this PC", "Drag and drop"],
        default="A folder on this PC",
        required=True,
        help="A folder is faster for many images. Drag and drop works from another PC, too.",
    )
    source, label_source, enclosed = _ask_for_files(project) if way == "Drag and drop" else _ask_for_folder()
    with st.container():  # always there, so that the settings below stay open when the pictures come
        _show_preview(source)
    with st.expander(_SETTINGS):
        settings, fraction = _ask_for_settings(project)
    if not st.button("Import", type="primary", disabled=not (source or label_source)):
        return
    source, annotations = import_images.paired(project, source, label_source, enclosed=enclosed)
    if annotations is None or not any(image.is_annotated for image in annotations.images):
        fraction, settings["seed_images"] = 0.0, None
    bar = st.progress(0.0, "Importing")
    doing = iter(("Reading", "Storing"))  # it goes through them twice

    def track(images: Sequence[LabelledImage]) -> Iterator[LabelledImage]:
        does = next(doing)
        for done, image in enumerate(images):
            bar.progress(done / len(images), f"{does} {done} of {len(images)}: {literal(image.file_name)}")
            yield image

    try:
        report = import_images.import_images(
            project, source, annotations=annotations, test_fraction=fraction, track=track, **settings
        )
    except SplitError as err:
        raise SplitError(f"{err} All of that is chosen under *{_SETTINGS}*: {_CHOICES}.") from err
    session.import_report = project.file, report
    session.n_imports = session.n_imports + 1
    st.rerun()


def _show_preview(source: Files) -> None:
    """Show the first pictures of what is about to be imported."""
    names = [name for name in source if name.lower().endswith(pictures.SUFFIXES)]
    if not names:
        return
    uploads = st.session_state.get(f"uploads_{session.n_imports}") or []
    folder = _path(st.session_state.get(_FOLDER) or "")
    version = tuple(each.file_id for each in uploads) or (str(folder), folder.stat().st_mtime_ns)
    st.image(_small_copies(version, {name: source[name] for name in names[:_PREVIEWED]}), width=96)
    st.caption(f"{count(len(names), 'picture')} to import.")


@st.cache_data(max_entries=4, show_spinner=False)
def _small_copies(version: tuple[object, ...], _source: Files) -> list[bytes]:
    """Return small copies of pictures; of those that cannot be read the report of the import tells."""
    del version  # only the key
    copies = []
    for read in _source.values():
        with suppress(ImageError, FormatError):
            copies.append(pictures.thumbnail(read()))
    return copies


def _ask_for_settings(project: Project) -> tuple[dict[str, Any], float]:
    keep_all = st.toggle("Keep the boxes of all images", value=True)
    seed_images = None
    if not keep_all:
        seed_images = st.number_input(
            "Images that keep their boxes (seed set)",
            min_value=0,
            value=12,
            help="Drawn at random. The others wait without boxes, to be reviewed.",
        )
    fraction = 0.0
    if not project.images.counts().test_images:
        fraction = st.slider(
            _FRACTION,
            0.0,
            0.5,
            0.25,
            0.05,
            help="Only images with boxes. Drawn once; without it, progress cannot be measured. Where the "
            "annotation files name a test set, that one is taken.",
        )
    group = st.text_input(
        _GROUP,
        help="Images of one slide stay together: all in the test set, or none. Without it, the group in the "
        "annotation file counts, then the subfolder; else every image stands alone.",
    )
    ungrouped = st.toggle(
        _ALONE,
        help="Whatever the folders and files say, no two images are of one slide. Only if that is true: with "
        "images of one slide on both sides of the test set, every figure is too good.",
    )
    declared_test = st.toggle(_DECLARED, value=True, help="Else it is drawn, as said above.")
    seed = st.number_input("Random seed", value=0)
    layer = _ask_for_layer()
    return {
        "seed_images": seed_images,
        "seed": int(seed),
        "group": group.strip() or None,
        "layer": layer,
        "ungrouped": ungrouped,
        "declared_test": declared_test,
    }, fraction


def _ask_for_layer() -> str:
    choice = st.selectbox(
        "Of a stack (TIFF or DICOM with several pages or channels)",
        [_FIRST, _MAXIMUM, _OTHER],
        help="Which picture of each file becomes the image. A TIFF is kept as it is; of a DICOM file "
        "the frames are, and nothing that names a patient.",
    )
    if choice == _FIRST:
        return ""
    if choice == _MAXIMUM:
        return "max"
    left, right = st.columns(2)
    page = left.number_input("Page", min_value=1, value=1)
    channel = right.number_input("Channel (0: all)", min_value=0, value=0)
    return str(Layer(int(page), int(channel) or None))


def _ask_for_files(project: Project) -> tuple[Files, Files, bool]:
    """Ask for files from the browser: pictures, annotation files and archives of both, in any mixture."""
    endings = dict.fromkeys((*pictures.SUFFIXES, *labels.SUFFIXES, ".zip"))
    uploads = st.file_uploader(
        "Images and boxes",
        type=[each[1:] for each in endings],
        accept_multiple_files=True,
        help=f"Pictures, annotation files ({_LABELS}) and zip archives of them, together or one after the "
        "other. Boxes alone are for the images that the project has already.",
        key=f"uploads_{session.n_imports}",  # a new name empties the box, and the memory
    )
    source = files.joined(
        each
        for upload in uploads
        for each in (
            files.archive(upload).items()
            if upload.name.lower().endswith(".zip")
            else [(upload.name, upload.getvalue)]
        )
    )
    return source, {}, True


def _ask_for_folder() -> tuple[Files, Files, bool]:
    """Ask for paths on this PC; annotation files that lie among the pictures are offered."""
    take_browsed(_FOLDER)
    field, browse = st.columns([5, 1], vertical_alignment="bottom")
    folder = field.text_input(
        "Folder of the images, or a zip of them",
        placeholder=str(Path.home() / "slides"),
        help=_PACKED,
        key=_FOLDER,
    )
    with browse:
        offer_to_browse(_FOLDER, pictures.SUFFIXES)
    boxes = st.text_input(
        f"Boxes, a file or folder (optional): {_LABELS}",
        help="They may come later, without the images: then they are for the images that the project has.",
    )
    try:
        source = files.located(_path(folder)) if folder.strip() else {}
        label_source = files.located(_path(boxes)) if boxes.strip() else {}
    except FormatError as err:  # here, so that the path can be mended at once
        st.error(str(err), icon=":material/error:")
        return {}, {}, False
    if not source or label_source:
        return source, label_source, False
    enclosed = _label_files(str(_path(folder)), _path(folder).stat().st_mtime_ns)
    if enclosed is None:
        return source, label_source, False
    format_, names = enclosed
    words = f"Take the boxes of {literal(listed(names, most=2))} ({format_})"
    return source, label_source, st.checkbox(words, value=True)


@st.cache_data(max_entries=4, show_spinner=False)
def _label_files(path: str, changed_at: int) -> tuple[str, list[str]] | None:
    """Return what annotation files lie in a folder or a zip; it is read anew when that has changed."""
    del changed_at  # only the key
    return import_images.label_files(files.located(Path(path)))


def _path(typed: str) -> Path:
    return Path(typed.strip().strip('"'))


def show_report(file: ProjectFile) -> None:
    """Say what the last import into this project did, and what it could not do, until it is put away."""
    reported, report = session.import_report or (None, None)
    if report is None or reported != file:
        return
    words = f"{count(report.added, 'image')} added, {report.pool_images:,} of them wait for review"
    words += f"; {report.existing:,} were there already." if report.existing else "."
    if report.cells:
        words += (
            f" Boxes for {count(report.seed_images, 'image')} to train on and "
            f"{count(report.test_images, 'test image')}: {count(report.cells, 'cell')}."
        )
    st.success(words)
    if report.new_classes:
        st.info("New classes: " + literal(", ".join(report.new_classes)))
    if report.complaints:
        n = len(report.complaints)
        with st.expander(f"{n} note{'s' * (n != 1)}", icon=":material/warning:", expanded=True):
            st.dataframe(pd.DataFrame({"Note": report.complaints}), hide_index=True)
    if st.button("Close this message", icon=":material/close:", type="tertiary"):
        session.import_report = None
        st.rerun()
