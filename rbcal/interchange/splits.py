"""What is on its way into a project: the picture of each annotation, its group, and the draws."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rbcal.errors import FormatError, ProjectError
from rbcal.formats import pictures
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.files import Files
from rbcal.store.images import Image, Split, digest
from rbcal.store.project import Project

_LONGEST_NAME, _LONGEST_GROUP = 300, 400  # characters
# Folders that name no slide, but a part of a format's layout.
_LAYOUT = ("images", "JPEGImages", "NotAnnotated", "train", "val", "valid", "test")


@dataclass(frozen=True)
class ImportItem:
    """An image on its way in: what the annotation file says, its bytes by digest, and its group."""

    image: LabelledImage
    read: Callable[[], bytes]
    sha256: str
    known: Image | None
    group: str


def import_items(
    project: Project,
    source: Files,
    annotations: Dataset | None,
    group: str | None,
    complaints: list[str],
    track: Callable[[Sequence[LabelledImage]], Iterable[LabelledImage]],
) -> list[ImportItem]:
    """Pair what the annotation file names with the pictures that are there; each picture once."""
    tails = Counter(PurePosixPath(name).name for name in source)
    by_tail = {PurePosixPath(name).name: name for name in source if tails[PurePosixPath(name).name] == 1}
    located: dict[str, LabelledImage] = {}
    for image in annotations.images if annotations else ():
        name = image.file_name if image.file_name in source else by_tail.get(_tail(image.file_name))
        if name is None:
            complaints.append(f"{image.file_name}: the picture was not found")
        elif name in located:
            complaints.append(f"{image.file_name}: the annotation file names this picture twice")
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
            complaints.append(f"{image.file_name}: it cannot be read ({err.strerror})")
            continue
        except FormatError as err:
            complaints.append(str(err))
            continue
        twin = first_with.setdefault(sha256, image.file_name)
        if twin != image.file_name:
            complaints.append(f"{image.file_name}: it is the same picture as {twin}; it was skipped")
            continue
        known = project.images.find(sha256)
        own_group = known.group if known else _group_of(names[id(image)], image, group, sha256)
        found.append(ImportItem(image, read, sha256, known, own_group))
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


def draw_test_groups(
    import_items: Sequence[ImportItem],
    splits: Mapping[str, Split],
    fraction: float,
    seed: int,
    complaints: list[str],
) -> set[str]:
    """Return the frozen test groups: those of before, those that the files name, else a draw."""
    if not 0 <= fraction < 1:
        raise ProjectError(f"The test fraction F must lie in 0 <= F < 1, but got {fraction:g}.")
    frozen = {name for name, split in splits.items() if split == "test"}
    named = {each.group for each in import_items if each.image.split == "test"} - splits.keys()
    if named and not frozen:
        complaints += [
            f"{each.image.file_name}: it is in the test set, with the rest of its group {each.group}"
            for each in import_items
            if each.group in named and each.image.split != "test"
        ]
        return named
    if frozen and fraction:
        complaints.append(f"the test set was drawn at set-up ({len(frozen)} groups) and stays as it is")
    if frozen or not fraction:
        return frozen
    eligible = sorted({each.group for each in import_items if each.image.is_annotated} - splits.keys())
    if len(eligible) < 2:
        raise ProjectError(
            "A test set is drawn by group (slide or patient), so it needs at least 2 new groups with boxes; "
            f"found {len(eligible)}. Give the images groups, or import without a test fraction."
        )
    n_test = min(max(round(fraction * len(eligible)), 1), len(eligible) - 1)
    return set(random.Random(f"test {seed}").sample(eligible, n_test))


def draw_annotated(
    import_items: Sequence[ImportItem], test_groups: set[str], seed_images: int | None, seed: int
) -> set[str]:
    """Return the digests of the images that keep their boxes: all test images, and the seed set."""
    annotated = sorted(
        (each.image.file_name, each.sha256, each.group) for each in import_items if each.image.is_annotated
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
