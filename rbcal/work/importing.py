"""Images and their boxes into a project: the seed set, the frozen test set, and the pool."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from rbcal.boxes import Annotations
from rbcal.errors import FormatError, ImageError, ProjectError
from rbcal.formats import labels, pictures
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.files import Files
from rbcal.formats.stacks import Layer
from rbcal.store.images import LARGEST_FILE, Image, Split, digest
from rbcal.store.project import Project

_LONGEST_NAME, _LONGEST_GROUP = 300, 400  # characters
_LAYOUT = (
    "images",
    "JPEGImages",
    "NotAnnotated",
    "train",
    "val",
    "valid",
    "test",
)  # folders that name no slide
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


@dataclass(frozen=True)
class _Candidate:
    """An image on its way in: what the annotation file says, its bytes by digest, and its group."""

    image: LabelledImage
    read: Callable[[], bytes]
    sha256: str
    known: Image | None
    group: str


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
    candidates = _candidates(project, _only_pictures(source), annotations, group, report, track)
    test_groups = _draw_test_groups(candidates, project.images.group_splits(), test_fraction, seed, report)
    report.complaints += [
        f"{each.image.file_name}: the annotation file puts it into the test set, but this project's test set "
        "was drawn before; the image may teach"
        for each in candidates
        if each.image.split == "test" and each.known is None and each.group not in test_groups
    ]
    keep = _draw_annotated(candidates, test_groups, seed_images, seed)
    with project.transaction():
        report.new_classes = _add_classes(project, annotations)
        for name in sorted({each.group for each in candidates}):
            project.images.add_group(name, "test" if name in test_groups else "work")
    by_name = {each.image.file_name: each for each in candidates}
    for image in track([each.image for each in candidates]):
        candidate = by_name[image.file_name]
        split: Split = "test" if candidate.group in test_groups else "work"
        _import_one(project, candidate, split, candidate.sha256 in keep, layer, report)
    return report


def _candidates(
    project: Project,
    source: Files,
    annotations: Dataset | None,
    group: str | None,
    report: ImportReport,
    track: Callable[[Sequence[LabelledImage]], Iterable[LabelledImage]],
) -> list[_Candidate]:
    """Pair what the annotation file names with the pictures that are there; each picture once."""
    tails = Counter(PurePosixPath(name).name for name in source)
    by_tail = {PurePosixPath(name).name: name for name in source if tails[PurePosixPath(name).name] == 1}
    located: dict[str, LabelledImage] = {}
    for image in annotations.images if annotations else ():
        name = image.file_name if image.file_name in source else by_tail.get(_tail(image.file_name))
        if name is None:
            report.complaints.append(f"{image.file_name}: the picture was not found")
        elif name in located:
            report.complaints.append(f"{image.file_name}: the annotation file names this picture twice")
        else:
            located[name] = image
    unlisted = {name: LabelledImage(name) for name in source if name not in located}
    located |= unlisted
    if not located:
        raise FormatError(f"There is no picture to import. rbcal reads {', '.join(pictures.SUFFIXES)} files.")

    first_with: dict[str, str] = {}
    found = []
    names = {id(image): name for name, image in located.items()}
    for image in track(list(located.values())):
        read = source[names[id(image)]]
        try:
            sha256 = digest(read())
        except OSError as err:
            report.complaints.append(f"{image.file_name}: it cannot be read ({err.strerror})")
            continue
        except FormatError as err:
            report.complaints.append(str(err))
            continue
        twin = first_with.setdefault(sha256, image.file_name)
        if twin != image.file_name:
            report.complaints.append(f"{image.file_name}: it is the same picture as {twin}; it was skipped")
            continue
        known = project.images.find(sha256)
        own_group = known.group if known else _group_of(names[id(image)], image, group, sha256)
        found.append(_Candidate(image, read, sha256, known, own_group))
    return found


def _tail(name: str) -> str:
    return PurePosixPath(name).name


def _group_of(name: str, image: LabelledImage, fallback: str | None, sha256: str) -> str:
    """Return slide or patient: the file's word, the user's, the subfolder, or the image alone."""
    parent = "/".join(part for part in PurePosixPath(name).parts[:-1] if part not in _LAYOUT)
    alone = f"{_tail(name)[-_LONGEST_NAME:]} ({sha256[:8]})"
    group = image.group or fallback or parent or alone
    if len(group) <= _LONGEST_GROUP:
        return group
    return f"{group[: _LONGEST_GROUP - 20]} ({digest(group.encode())[:8]})"  # two that begin alike stay two


def _draw_test_groups(
    candidates: Sequence[_Candidate],
    splits: Mapping[str, Split],
    fraction: float,
    seed: int,
    report: ImportReport,
) -> set[str]:
    """Return the frozen test groups: those of before, those that the files name, else a draw."""
    if not 0 <= fraction < 1:
        raise ProjectError(f"The test fraction F must lie in 0 <= F < 1, but got {fraction:g}.")
    frozen = {name for name, split in splits.items() if split == "test"}
    named = {each.group for each in candidates if each.image.split == "test"} - splits.keys()
    if named and not frozen:
        report.complaints += [
            f"{each.image.file_name}: it is in the test set, with the rest of its group {each.group}"
            for each in candidates
            if each.group in named and each.image.split != "test"
        ]
        return named
    if frozen and fraction:
        report.complaints.append(
            f"the test set was drawn at set-up ({len(frozen)} groups) and stays as it is"
        )
    if frozen or not fraction:
        return frozen
    eligible = sorted({each.group for each in candidates if each.image.is_annotated} - splits.keys())
    if len(eligible) < 2:
        raise ProjectError(
            "A test set is drawn by group (slide or patient), so it needs at least 2 new groups with boxes; "
            f"found {len(eligible)}. Give the images groups, or import without a test fraction."
        )
    n_test = min(max(round(fraction * len(eligible)), 1), len(eligible) - 1)
    return set(random.Random(f"test {seed}").sample(eligible, n_test))


def _draw_annotated(
    candidates: Sequence[_Candidate], test_groups: set[str], seed_images: int | None, seed: int
) -> set[str]:
    """Return the digests of the images that keep their boxes: all test images, and the seed set."""
    annotated = sorted(
        (each.image.file_name, each.sha256, each.group) for each in candidates if each.image.is_annotated
    )
    test = {sha256 for _, sha256, group in annotated if group in test_groups}
    work = [sha256 for _, sha256, group in annotated if group not in test_groups]
    if seed_images is None:
        return test.union(work)
    if not 0 <= seed_images <= len(work):
        raise ProjectError(
            f"{seed_images} seed images were asked for, but there are {len(work)} images with boxes outside "
            "the test set. Ask for fewer."
        )
    return test.union(random.Random(f"seed {seed}").sample(work, seed_images))


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
    candidate: _Candidate,
    split: Split,
    keep_boxes: bool,
    layer: str,
    report: ImportReport,
) -> None:
    image, known = candidate.image, candidate.known
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
    content = candidate.read()
    if len(content) > LARGEST_FILE:
        report.complaints.append(
            f"{image.file_name}: it has {len(content) / 1e6:,.0f} MB, and a project file holds pictures of "
            f"up to {LARGEST_FILE / 1e6:,.0f} MB; it was skipped. Save the pages that you need by themselves"
        )
        return
    layer = layer if image.layer is None else image.layer
    try:
        height, width = pictures.decode(content, layer).shape[:2]
    except ImageError as err:
        report.complaints.append(f"{image.file_name}: {err}; it was skipped")
        return
    if split == "test" and project.images.test_is_closed():
        report.complaints.append(
            f"{image.file_name}: its group {candidate.group} is in the test set, which a model was measured "
            "on already; it was skipped"
        )
        return
    annotations = _annotations(project, image, width, height, report) if keep_boxes else None
    with project.transaction():
        image_id = project.images.add(
            content,
            name=(image.title or image.file_name)[-_LONGEST_NAME:],
            width=width,
            height=height,
            group=candidate.group,
            split=split,
            layer=layer,
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
