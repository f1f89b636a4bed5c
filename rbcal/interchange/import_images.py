"""Images and their boxes into a project: the seed set, the frozen test set, and the pool."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath

from rbcal.errors import FormatError, ImageError
from rbcal.formats import foreign, labels, pictures
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.files import Files
from rbcal.formats.stacks import Layer, same_layer
from rbcal.interchange.box_checks import checked_boxes, waits
from rbcal.interchange.import_items import LONGEST_NAME, ImportItem, Track, import_items
from rbcal.interchange.near_duplicates import perceptual_hash
from rbcal.interchange.own_pictures import matched_by_slide, own_pictures
from rbcal.interchange.splits import draw_annotated, draw_test_groups, redraw, undo_draw
from rbcal.store.images import LARGEST_FILE, Image, Split
from rbcal.store.project import Project
from rbcal.types import Annotations
from rbcal.wording import count, listed


def _with_suffix(files: Files, suffixes: tuple[str, ...]) -> Files:
    """Return those of some files whose names have one of these endings."""
    return {name: read for name, read in files.items() if name.lower().endswith(suffixes)}


def read_labels(files: Files, source: Files, format_: labels.Format = "auto") -> Dataset:
    """Return what annotation files say about pictures; other files among both are left alone.

    Raises
    ------
    FormatError
        As :func:`rbcal.formats.labels.read`.
    """
    return labels.read(
        _with_suffix(files, labels.SUFFIXES), _with_suffix(source, pictures.SUFFIXES), pictures.size, format_
    )


def enclosed_labels(source: Files) -> Dataset | None:
    """Return what the annotation files among pictures say about them, or None where there are none.

    Nobody said that they are annotations; if they are not, that becomes a complaint and no error.
    """
    if not _with_suffix(source, labels.SUFFIXES):
        return None
    try:
        return read_labels(source, source)
    except FormatError as err:
        return Dataset((), (), (f"no boxes were taken from the files beside the pictures: {err}",))


def label_files(source: Files) -> tuple[str, list[str]] | None:
    """Return the format of the annotation files among some files, and their names; None without any."""
    named = _with_suffix(source, labels.SUFFIXES)
    try:
        return (labels.title(labels.recognise(named)), list(named)) if named else None
    except FormatError:
        return None


def paired(
    project: Project,
    source: Files,
    label_source: Files,
    *,
    format_: labels.Format = "auto",
    enclosed: bool = True,
) -> tuple[Files, Dataset | None]:
    """Return the pictures to import, and what annotation files say of them.

    Parameters
    ----------
    source : Files
        Pictures, and files beside them. Without a picture, those of the project are meant: boxes may come
        later than pictures.
    label_source : Files
        Where the annotation files are; nothing: among `source`, if `enclosed`.
    format_ : labels.Format
        Of the annotation files.

    Raises
    ------
    FormatError
        When there is no picture here, nor one in the project that waits for boxes, or the annotation files
        cannot be read.
    """
    if not _with_suffix(source, pictures.SUFFIXES):
        return _later_boxes(project, {**source, **label_source}, format_)
    if label_source:
        return source, read_labels(label_source, source, format_)
    return source, enclosed_labels(source) if enclosed else None


def _later_boxes(
    project: Project, label_source: Files, format_: labels.Format
) -> tuple[Files, Dataset | None]:
    """Return the pictures of the project, and what annotation files say of them.

    All of its pictures, so that boxes of one that is reviewed do not reach another one of its name.
    """
    own = own_pictures(project.images.all())
    source = {name: partial(project.images.content, each.id) for name, each in own.items()}
    if all(each.review_id is not None for each in own.values()):
        if label_source:
            read_labels(label_source, {}, format_)  # what is wrong with them comes first
        raise FormatError(
            "There is no picture among these files, and none in the project waits for boxes. Give the "
            "pictures, too."
        )
    return source, matched_by_slide(read_labels(label_source, source, format_), own) if label_source else None


def _left_out(source: Files) -> list[str]:
    """Return a line for each ending of files that are no annotations, nor pictures that can be read here."""
    endings = defaultdict[str, list[str]](list)
    for name in source:
        if foreign.missing(name) or not name.lower().endswith((*pictures.SUFFIXES, *labels.SUFFIXES)):
            endings[PurePosixPath(name).suffix.lower()].append(name)
    read = f"; the pictures that rbcal reads are {', '.join(pictures.SUFFIXES)}"
    return [
        f"{listed(names, most=3)}: {count(len(names), f'{ending} file'.strip())} left out"
        + (f". {missing}" if (missing := foreign.missing(names[0])) else read)
        for ending, names in sorted(endings.items())
    ]


def _readable(source: Files) -> Files:
    """Return the pictures among some files, without those that need an extra which is not installed."""
    named = _with_suffix(source, pictures.SUFFIXES)
    readable = {name: read for name, read in named.items() if not foreign.missing(name)}
    if named and not readable:
        missing = dict.fromkeys(map(foreign.missing, named))
        raise FormatError(f"There is no picture that can be read here. {'. '.join(missing)}.")
    return readable


@dataclass
class ImportReport:
    """What an import did, and one line for each thing that it could not do."""

    added: int = 0
    existing: int = 0  # images that were there already
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
    ungrouped: bool = False,
    declared_test: bool = True,
    track: Track = iter,
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
    ungrouped : bool
        Whether every image is a group of its own: no folder and no field of the files names a slide.
    declared_test : bool
        Whether the test set that the files name is taken; else it is drawn, as `test_fraction` says.
    track : callable, optional
        Wraps the images on their way, to show progress.

    Raises
    ------
    FormatError
        When there is no picture at all, or none that can be read without an extra.
    ProjectError
        When the draws that were asked for are not possible, or leave nothing to train on; nothing is imported
        then.
    """
    Layer.parse(layer)
    if annotations and not declared_test:
        annotations = replace(
            annotations, images=tuple(replace(each, split=None) for each in annotations.images)
        )
    report = ImportReport(complaints=list(annotations.complaints) if annotations else [])
    report.complaints += _left_out(source)
    source = _readable(source)
    items = import_items(project, source, annotations, group, report.complaints, track, ungrouped=ungrouped)
    report.complaints += [
        f"{each.image.file_name}: " + waits(f"{count(len(each.image.unusable), 'cell')} could not be read")
        for each in items
        if each.image.unusable
    ]
    splits = project.images.group_splits()
    test_groups = draw_test_groups(items, splits, test_fraction, seed, report.complaints)
    report.complaints += [
        f"{each.image.file_name}: the annotation file puts it into the test set, but this project's test set "
        "was drawn before; models may learn from the image"
        for each in items
        if each.image.split == "test" and each.existing is None and each.group not in test_groups
    ]
    annotated = draw_annotated(items, test_groups, seed_images, seed)
    every, new_tests = project.splits.every, test_groups - splits.keys()
    with project.transaction():
        report.new_classes = _add_classes(project, annotations)
        for name in sorted({each.group for each in items}):
            project.images.add_group(name, "test" if name in test_groups else "work")
        if new_tests:
            project.splits.grow(0)  # it stays as it was drawn
    one_by_one = _Import(project, report, test_groups, annotated, layer)
    by_name = {each.image.file_name: each for each in items}
    for image in track([each.image for each in items]):
        one_by_one.add(by_name[image.file_name])
    project.images.remove_empty_groups({each.group for each in items})
    is_declared = any(each.image.split == "test" and each.group in new_tests for each in items)
    is_lost = bool(new_tests) and _is_lost(project, is_declared=is_declared)
    if is_lost:
        report.pool_images += undo_draw(project, every)
    _draw_later(project, test_fraction, seed, report)
    if is_lost:
        report.complaints.append(
            "no image of the slides that were to be the test set came with its boxes, so "
            + ("other slides were drawn" if report.test_images else "there is no test set yet")
        )
    return report


def _is_lost(project: Project, *, is_declared: bool) -> bool:
    """Return whether nothing came of a new test set; one that the files name may wait for its boxes."""
    return not (project.splits.test_groups() if is_declared else project.images.test())


def _draw_later(project: Project, fraction: float, seed: int, report: ImportReport) -> None:
    """Draw the test set that was asked for among images that were there before their boxes."""
    if not fraction or project.splits.test_groups() or project.splits.is_frozen():
        return
    if len(project.splits.cells_by_group()) > 1:
        redraw(project, fraction, seed)
        report.test_images = project.images.counts().test_images
        report.seed_images -= report.test_images


def _add_classes(project: Project, annotations: Dataset | None) -> tuple[str, ...]:
    """Add the classes that the project lacks: all of them to a project without any, else those with boxes."""
    if annotations is None:
        return ()
    there = set(project.classes.names())
    used = {name for image in annotations.images for name in image.classes}
    new = tuple(name for name in annotations.classes if name not in there and (name in used or not there))
    project.classes.add(new)
    return new


class _SkippedError(Exception):
    """Says why an image, or its boxes, are left out."""


@dataclass(frozen=True)
class _Import:
    """An import under way: groups of the test set, and digests of the images that keep their boxes."""

    project: Project
    report: ImportReport
    test_groups: set[str]
    annotated: set[str]
    layer: str

    def add(self, item: ImportItem) -> None:
        """Add an image, or give its boxes to the one that is there already."""
        try:
            if item.existing is not None:
                self.report.existing += 1
                self._check_layer(item.image, item.existing)
                self._annotate(item, item.existing)
            else:
                self._add_new(item)
        except _SkippedError as skipped:
            self._complain(item.image, str(skipped))

    def _annotate(self, item: ImportItem, existing: Image) -> None:
        if existing.review_id is not None or item.sha256 not in self.annotated:
            return
        if self.project.log.work(existing.id).acts:
            raise _SkippedError("somebody is at work on it; its boxes were left out. Save it first")
        self._save(
            existing.id, existing.split, self._annotations(item.image, existing.width, existing.height)
        )

    def _layer_of(self, image: LabelledImage) -> str:
        return self.layer if image.layer is None else image.layer

    def _check_layer(self, image: LabelledImage, existing: Image) -> None:
        """Say where an image is there already, and is another picture of its file than is asked for now."""
        layer = self._layer_of(image)
        if layer and not same_layer(layer, existing.layer):
            self._complain(
                image,
                f"it is in the project already, as {existing.layer or 'the first page'}, and stays so; "
                f"{layer} was left out. To read that, import it into another project",
            )

    def _add_new(self, item: ImportItem) -> None:
        content, image = item.read(), item.image
        layer = self._layer_of(image)
        split: Split = "test" if item.group in self.test_groups else "work"
        pixels = _decoded(content, layer)
        if split == "test" and self.project.images.test_is_closed():
            raise _SkippedError(
                f"its group {item.group} is in the test set, which a model was measured on already; it was "
                "skipped"
            )
        height, width = pixels.shape[:2]
        annotations = self._annotations(image, width, height) if item.sha256 in self.annotated else None
        with self.project.transaction():
            image_id = self.project.images.add(
                content,
                name=(image.title or image.file_name)[-LONGEST_NAME:],
                width=width,
                height=height,
                group=item.group,
                split=split,
                layer=layer,
                perceptual_hash=perceptual_hash(pixels),
            )
            self.project.images.save_thumbnail(image_id, pictures.small_copy(pixels))
            self._save(image_id, split, annotations)
        self.report.added += 1
        self.report.pool_images += annotations is None and split == "work"

    def _annotations(self, image: LabelledImage, width: int, height: int) -> Annotations | None:
        """Return the boxes of an image, or None if one of them cannot be used."""
        classes = {name: label for label, name in enumerate(self.project.classes.names())}
        annotations, complaints = checked_boxes(image, width, height, classes)
        for words in complaints:
            self._complain(image, words)
        return annotations

    def _save(self, image_id: int, split: Split, annotations: Annotations | None) -> None:
        if annotations is not None:
            self.project.reviews.save(
                image_id,
                annotations,
                origin="import",
                base_revision=0,
                review_status=[None if is_named else "unsure" for is_named in annotations.read.tolist()],
            )
            self.report.cells += len(annotations)
            self.report.seed_images += split == "work"
            self.report.test_images += split == "test"

    def _complain(self, image: LabelledImage, words: str) -> None:
        self.report.complaints.append(f"{image.file_name}: {words}")


def _decoded(content: bytes, layer: str) -> pictures.Pixels:
    if len(content) > LARGEST_FILE:
        raise _SkippedError(
            f"it has {len(content) / 1e6:,.0f} MB, and a project file holds pictures of up to "
            f"{LARGEST_FILE / 1e6:,.0f} MB; it was skipped. Save the pages that you need by themselves"
        )
    try:
        return pictures.decode(content, layer)
    except ImageError as err:
        raise _SkippedError(f"{err}; it was skipped") from err
