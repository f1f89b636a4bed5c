"""What is on its way into a project: the picture of each annotated image, and its group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from rbcal.errors import FormatError, ImageError
from rbcal.formats import pictures
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.files import Files
from rbcal.formats.layout import folders, is_layout
from rbcal.formats.names import composed
from rbcal.store.images import Image, digest
from rbcal.store.project import Project

LONGEST_NAME, _LONGEST_GROUP = 300, 400  # characters
Track = Callable[[Sequence[LabelledImage]], Iterable[LabelledImage]]


@dataclass(frozen=True)
class ImportItem:
    """An image on its way in: what the annotation file says, its bytes by digest, and its group.

    The bytes are those that the project keeps (:func:`rbcal.formats.pictures.plain`).

    `existing` is the image of the project that has the same bytes.
    """

    image: LabelledImage
    read: Callable[[], bytes]
    sha256: str
    existing: Image | None
    group: str


def import_items(
    project: Project,
    source: Files,
    annotations: Dataset | None,
    group: str | None,
    complaints: list[str],
    track: Track,
    *,
    ungrouped: bool = False,
) -> list[ImportItem]:
    """Pair what the annotation file names with the pictures that are there; each picture once.

    With `ungrouped` every image is a group of its own, whatever the files and folders say.
    """
    located = _located(source, annotations, complaints)
    if not located:
        raise FormatError(f"There is no picture to import. rbcal reads {', '.join(pictures.SUFFIXES)} files.")
    names = {id(image): name for name, image in located.items()}
    digests = _digests(
        track(list(located.values())), lambda image: partial(_plain, source[names[id(image)]]), complaints
    )
    items = []
    for image, sha256 in digests:
        name, existing = names[id(image)], project.images.find(sha256)
        alone = composed(f"{_tail(name)[-LONGEST_NAME:]} ({sha256[:8]})")
        drawn = alone if ungrouped else _group_of(name, image, group) or alone
        own_group = existing.group if existing else drawn
        items.append(ImportItem(image, partial(_plain, source[name]), sha256, existing, own_group))
    return items


def _located(source: Files, annotations: Dataset | None, complaints: list[str]) -> dict[str, LabelledImage]:
    """Return the image of each picture by its name: those of the annotation file first.

    An image whose picture is missing must not take another one's: only a picture that no image names exactly,
    and that could be the one of a single image, is known by the end of its name.
    """
    images = annotations.images if annotations else ()
    exact = {image.file_name for image in images if image.file_name in source}
    alike = _alike(source)
    meant = {id(image): image.file_name if image.file_name in exact else alike(image) for image in images}
    often = Counter(name for name in meant.values() if name not in exact)
    located: dict[str, LabelledImage] = {}
    for image in images:
        name = meant[id(image)]
        if name is None or (name in exact and name != image.file_name):
            complaints.append(f"{image.file_name}: the picture was not found")
        elif often[name] > 1:
            complaints.append(
                f"{image.file_name}: {often[name]} images of the annotation file could be the picture "
                f"{name}, so it got none of their boxes. Put it into its folder"
            )
        elif name in located:
            complaints.append(f"{image.file_name}: the annotation file names this picture twice")
        else:
            located[name] = image
    return located | {name: LabelledImage(name) for name in source if name not in located}


def _alike(source: Files) -> Callable[[LabelledImage], str | None]:
    """Return what finds the only picture whose name ends as an image's does, whatever its format."""
    by_tail, by_stem = _only(source, _tail), _only(source, lambda name: PurePosixPath(name).stem)

    def alike(image: LabelledImage) -> str | None:
        tail = _tail(image.file_name)
        return by_tail.get(tail) or by_stem.get(tail) or by_stem.get(PurePosixPath(tail).stem)

    return alike


def _digests(
    images: Iterable[LabelledImage],
    reader: Callable[[LabelledImage], Callable[[], bytes]],
    complaints: list[str],
) -> Iterator[tuple[LabelledImage, str]]:
    """Yield the images that can be read with the SHA-256 of their files, each file once."""
    first_with: dict[str, str] = {}
    for image in images:
        try:
            sha256 = digest(reader(image)())
        except OSError as err:
            complaints.append(f"{image.file_name}: it cannot be read ({err.strerror})")
        except FormatError as err:
            complaints.append(str(err))
        except ImageError as err:
            complaints.append(f"{image.file_name}: {err}; it was skipped")
        else:
            twin = first_with.setdefault(sha256, image.file_name)
            if twin == image.file_name:
                yield image, sha256
            else:
                complaints.append(f"{image.file_name}: it is the same picture as {twin}; it was skipped")


def _plain(read: Callable[[], bytes]) -> bytes:
    return pictures.plain(read())


def _only(names: Iterable[str], key: Callable[[str], str]) -> dict[str, str]:
    """Return names by a part of them that no other one has."""
    often = Counter(map(key, names))
    return {part: name for name in names if often[part := key(name)] == 1}


def _tail(name: str) -> str:
    return PurePosixPath(name).name


def _group_of(name: str, image: LabelledImage, fallback: str | None) -> str:
    """Return slide or patient: the file's word, the user's, or the subfolder; empty where nothing says it."""
    parent = "/".join(folder for folder in folders(name) if not is_layout(folder))
    group = composed(image.group or fallback or parent)
    if len(group) <= _LONGEST_GROUP:
        return group
    return f"{group[: _LONGEST_GROUP - 20]} ({digest(group.encode())[:8]})"  # two that begin alike stay two
