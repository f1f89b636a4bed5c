"""The pictures that a project has already, for boxes that come after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from rbcal.formats import pictures
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.layout import folders
from rbcal.formats.names import composed, distinct
from rbcal.store.images import Image
from rbcal.wording import count


def own_pictures(project_images: Iterable[Image]) -> dict[str, Image]:
    """Return images by their names; where two have the same, the second gets a folder of its own."""
    images = list(project_images)
    names = distinct((composed(_with_ending(each.name)) for each in images), "{n}/{name}".format)
    return dict(zip(names, images, strict=True))


def matched_by_slide(dataset: Dataset, own: Mapping[str, Image]) -> Dataset:
    """Return what annotation files say, each image of theirs under the name of the picture that is meant.

    Slides that were imported one after the other may have pictures of one name. The one is meant whose group
    the file names; where it names none, that becomes a complaint.

    Parameters
    ----------
    dataset : Dataset
        What the files say about the pictures `own`.
    own : mapping of name to Image
        As :func:`own_pictures` returns it.
    """
    by_tail, by_stem = _names_by(_tail, own), _names_by(_stem, own)
    images, complaints = list[LabelledImage](), list(dataset.complaints)
    for image in filter(_says_something, dataset.images):
        tail = _tail(image.file_name)
        alike = by_tail.get(tail) or by_stem.get(tail) or by_stem.get(_stem(tail), [])
        meant = _meant(image, {name: own[name] for name in alike})
        if len(meant) > 1:
            complaints.append(
                f"{image.file_name}: {count(len(meant), 'picture')} of the project have this name, and the "
                "file does not say of which slide it is; its boxes were left out. Give the pictures, too, or "
                "name the slide in the file"
            )
        else:
            images.append(replace(image, file_name=meant[0]) if len(alike) > 1 else image)
    return replace(dataset, images=tuple(images), complaints=tuple(complaints))


def _meant(image: LabelledImage, alike: Mapping[str, Image]) -> list[str]:
    """Return which pictures may be meant: those of its group, else of its whole name, else of its folder."""
    folder, names = "/".join(folders(image.file_name)), list(alike)
    tests: tuple[Callable[[Image], bool], ...] = (
        lambda own: own.group == image.group,
        lambda own: composed(_with_ending(own.name)) == image.file_name,
        lambda own: own.group == folder,
    )
    for test in tests:
        names = [name for name in names if test(alike[name])] or names
    return names


def _says_something(image: LabelledImage) -> bool:
    return image.annotated is not None or bool(image.boxes or image.unusable)


def _names_by(key: Callable[[str], str], names: Iterable[str]) -> Mapping[str, list[str]]:
    by_part = defaultdict[str, list[str]](list)
    for name in names:
        by_part[key(name)].append(name)
    return by_part


def _with_ending(name: str) -> str:
    return name if name.lower().endswith(pictures.SUFFIXES) else f"{name}.png"


def _tail(name: str) -> str:
    return PurePosixPath(name).name


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
