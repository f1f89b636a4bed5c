"""Images and their boxes into a project: the seed set, the frozen test set, and the pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rbcal.errors import FormatError, ImageError
from rbcal.formats import labels, pictures
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.files import Files
from rbcal.formats.stacks import Layer
from rbcal.interchange.near_duplicates import perceptual_hash
from rbcal.interchange.splits import ImportItem, draw_annotated, draw_test_groups, import_items
from rbcal.store.images import LARGEST_FILE, Split
from rbcal.store.project import Project
from rbcal.types import Annotations

_LONGEST_NAME, _LONGEST_GROUP = 300, 400  # characters
_MAY_STICK_OUT = 1.0  # pixels beyond the border that are rounding, not a mistake


def _only_pictures(files: Files) -> dict[str, Callable[[], bytes]]:
    """Return those of some files that may be pictures, by their names."""
    return {name: read for name, read in files.items() if name.lower().endswith(pictures.SUFFIXES)}


def _only_labels(files: Files) -> dict[str, Callable[[], bytes]]:
    """Return those of some files that may be annotation files, by their names."""
    return {name: read for name, read in files.items() if name.lower().endswith(labels.SUFFIXES)}


def read_labels(files: Files, source: Files, format_: labels.Format = "auto") -> Dataset:
    """Return what annotation files say about pictures; other files among both are left alone.

    Raises
    ------
    FormatError
        As :func:`rbcal.formats.labels.read`.
    """
    return labels.read(_only_labels(files), _only_pictures(source), pictures.size, format_)


def enclosed_labels(source: Files) -> Dataset | None:
    """Return what the annotation files among pictures say about them, or None where there are none.

    Nobody said that they are annotations; if they are not, that becomes a complaint and no error.
    """
    if not _only_labels(source):
        return None
    try:
        return read_labels(source, source)
    except FormatError as err:
        return Dataset((), (), (f"no boxes were taken from the files beside the pictures: {err}",))


@dataclass
class ImportReport:
    """What an import did, and one line for each thing that it could not do."""

    added: int = 0
    known: int = 0  # images that were there already
    seed_images: int = 0
    test_images: int = 0
    pool_images: int = 0
    cells: int = 0
    new_classes: tuple[str, ...] = ()
    complaints: list[str] = field(default_factory=list)


def import_images(
    project: Project,
    source: Files,
    *,
    annotations: Dataset | None = None,
    seed_images: int | None = None,
    test_fraction: float = 0.0,
    seed: int = 0,
    group: str | None = None,
    layer: str = "",
    track: Callable[[Sequence[LabelledImage]], Iterable[LabelledImage]] = iter,
) -> ImportReport:
    """Import pictures and boxes, each image in a transaction of its own, and return what was done.

    Pictures that the annotation file does not name join the pool. An image that is there already (the same
    bytes) is not added again; it gets boxes if it had none.

    Parameters
    ----------
    seed_images : int, optional
        That many annotated images, drawn at random, keep their boxes; the others join the pool without.
        By default every annotated image keeps its boxes.
    test_fraction : float in [0, 1)
        That part of the groups with boxes becomes the frozen test set. Ignored, and said so, when the
        project has a test set already.
    seed : int
        Of both draws.
    group : str, optional
        Slide or patient of the images for which the annotation file names none. Without it, a subfolder
        is a group, and an image that lies in none is a group of its own.
    layer : str
        Which page or channel of each file is meant, in the words of :class:`rbcal.formats.stacks.Layer`,
        where the annotation file does not say it.
    track : callable, optional
        Wraps the images on their way, to show progress.

    Raises
    ------
    FormatError
        When there is no picture at all.
    ProjectError
        When the draws that were asked for are not possible; nothing is imported then.
    """
    Layer.parse(layer)
    report = ImportReport(complaints=list(annotations.complaints) if annotations else [])
    found = import_items(project, _only_pictures(source), annotations, group, report.complaints, track)
    splits = project.images.group_splits()
    test_groups = draw_test_groups(found, splits, test_fraction, seed, report.complaints)
    report.complaints += [
        f"{each.image.file_name}: the annotation file puts it into the test set, but this project's test set "
        "was drawn before; the image may teach"
        for each in found
        if each.image.split == "test" and each.known is None and each.group not in test_groups
    ]
    keep = draw_annotated(found, test_groups, seed_images, seed)
    with project.transaction():
        report.new_classes = _add_classes(project, annotations)
        for name in sorted({each.group for each in found}):
            project.images.add_group(name, "test" if name in test_groups else "work")
    by_name = {each.image.file_name: each for each in found}
    for image in track([each.image for each in found]):
        item = by_name[image.file_name]
        split: Split = "test" if item.group in test_groups else "work"
        _import_one(project, item, split, item.sha256 in keep, layer, report)
    return report


def _add_classes(project: Project, annotations: Dataset | None) -> tuple[str, ...]:
    """Add the classes that the project lacks: all of them to a project without any, else those with boxes."""
    if annotations is None:
        return ()
    there = set(project.classes.names())
    used = {name for image in annotations.images for name in image.classes}
    new = tuple(name for name in annotations.classes if name not in there and (name in used or not there))
    project.classes.add(new)
    return new


def _import_one(
    project: Project,
    item: ImportItem,
    split: Split,
    keep_boxes: bool,
    layer: str,
    report: ImportReport,
) -> None:
    image, known = item.image, item.known
    if known is not None:
        report.known += 1
        if known.review_id is None and keep_boxes and project.log.work(known.id).acts:
            report.complaints.append(
                f"{image.file_name}: somebody is at work on it; its boxes were left out. Save it first"
            )
        elif known.review_id is None and keep_boxes:
            annotations = _annotations(project, image, known.width, known.height, report)
            _save(project, known.id, known.split, annotations, report)
        return
    content = item.read()
    if len(content) > LARGEST_FILE:
        report.complaints.append(
            f"{image.file_name}: it has {len(content) / 1e6:,.0f} MB, and a project file holds pictures of "
            f"up to {LARGEST_FILE / 1e6:,.0f} MB; it was skipped. Save the pages that you need by themselves"
        )
        return
    layer = layer if image.layer is None else image.layer
    try:
        pixels = pictures.decode(content, layer)
    except ImageError as err:
        report.complaints.append(f"{image.file_name}: {err}; it was skipped")
        return
    if split == "test" and project.images.test_is_closed():
        report.complaints.append(
            f"{image.file_name}: its group {item.group} is in the test set, which a model was measured "
            "on already; it was skipped"
        )
        return
    height, width = pixels.shape[:2]
    annotations = _annotations(project, image, width, height, report) if keep_boxes else None
    with project.transaction():
        image_id = project.images.add(
            content,
            name=(image.title or image.file_name)[-_LONGEST_NAME:],
            width=width,
            height=height,
            group=item.group,
            split=split,
            layer=layer,
            perceptual_hash=perceptual_hash(pixels),
        )
        _save(project, image_id, split, annotations, report)
    report.added += 1
    report.pool_images += annotations is None and split == "work"


def _annotations(
    project: Project, image: LabelledImage, width: int, height: int, report: ImportReport
) -> Annotations | None:
    """Return the boxes of an image, clipped at its border, or None if none can be used."""
    if image.width and image.height and (image.width, image.height) != (width, height):
        report.complaints.append(
            f"{image.file_name}: the annotation file says {image.width} x {image.height} pixels, the picture "
            f"has {width} x {height}; its {len(image.boxes)} boxes were left out"
        )
        return None
    border = np.array([width, height, width, height], np.float32)
    boxes = np.array(image.boxes, np.float32).reshape(-1, 4)
    clipped = np.clip(boxes, 0, border)
    labels = {name: label for label, name in enumerate(project.classes.names())}
    inside = np.all(clipped[:, :2] < clipped[:, 2:], axis=1)
    for box, cut, is_inside in zip(boxes.tolist(), clipped.tolist(), inside.tolist(), strict=True):
        shown = "[" + ", ".join(f"{side:g}" for side in box) + "]"
        if not is_inside:
            report.complaints.append(
                f"{image.file_name}: box {shown} lies outside the picture; it was skipped"
            )
        elif max(abs(a - b) for a, b in zip(box, cut, strict=True)) > _MAY_STICK_OUT:
            report.complaints.append(
                f"{image.file_name}: box {shown} sticks out of the picture; it was clipped"
            )
    if not inside.any() and image.boxes:
        return None
    return Annotations(clipped[inside], np.array([labels[name] for name in image.classes], np.int64)[inside])


def _save(
    project: Project, image_id: int, split: Split, annotations: Annotations | None, report: ImportReport
) -> None:
    if annotations is None:
        return
    project.reviews.save(image_id, annotations, origin="import", base_revision=0)
    report.cells += len(annotations)
    report.seed_images += split == "work"
    report.test_images += split == "test"
