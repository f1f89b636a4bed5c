"""YOLO, as Ultralytics lays it out: ``data.yaml``, ``images``, and ``labels`` with a text an image.

Format: https://docs.ultralytics.com/datasets/detect. A line is ``class cx cy width height``, in parts of the
picture's width and height. An empty text is an image without cells; one that has no text is not annotated. A
folder below ``images/train`` or ``images/test`` is a group. Roboflow's order of folders, ``train/images`` and
``train/labels``, is read, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from rbcal.errors import FormatError, ImageError
from rbcal.formats.dataset import Box, Dataset, LabelledImage, Split, corners, number, unusable, word
from rbcal.formats.files import Files

Size = tuple[int, int]  # width, height
_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "readme.roboflow.txt")
_SPLITS: dict[str, Split] = {"train": "work", "val": "work", "valid": "work", "test": "test"}


def read(files: Files, pictures: Files, size_of: Callable[[bytes], Size]) -> Dataset:
    """Return what the text files say; each line that cannot be used is skipped and named in `complaints`.

    Parameters
    ----------
    files : Files
        With the texts, and ``data.yaml`` or ``classes.txt``.
    pictures : Files
        The pictures: a line counts in parts of their sizes.
    size_of : callable
        Returns the width and height of a picture.

    Raises
    ------
    FormatError
        When nothing says what the classes are called.
    """
    classes = _classes(files)
    texts = [name for name in files if name.lower().endswith(".txt")]
    pairs = _pairs(pictures, texts)
    images: list[LabelledImage] = []
    complaints: list[str] = []
    for name in pictures:
        text = pairs.get(name)
        if text is None:
            images.append(LabelledImage(name, group=_group(name), split=_split(name)))
            continue
        try:
            width, height = size_of(pictures[name]())
        except ImageError as err:
            complaints.append(f"{name}: {err}")
            continue
        image = LabelledImage(name, width, height, _group(name), split=_split(name), annotated=True)
        for place, line in enumerate(files[text]().decode("utf-8", "replace").splitlines(), start=1):
            if line.strip():
                box, label = _box(line, classes, image)
                image.add(box, label, f"line {place} of {text}")
        images.append(image)
    complaints += unusable(images)
    complaints += [
        f"{text}: there is no picture of that name"
        for text in sorted(set(texts) - set(pairs.values()))
        if PurePosixPath(text).name.lower() not in _NO_LABELS
    ]
    return Dataset(tuple(images), tuple(classes.values()), tuple(complaints))


def write(image: LabelledImage, classes: Sequence[str]) -> str:
    """Return the text of one image; a class has the number of its label."""
    labels = {name: label for label, name in enumerate(classes)}
    lines = []
    for (x1, y1, x2, y2), name in zip(image.boxes, image.classes, strict=True):
        middle = (x1 + x2) / 2 / image.width, (y1 + y2) / 2 / image.height
        sides = (x2 - x1) / image.width, (y2 - y1) / image.height
        lines.append(f"{labels[name]} " + " ".join(f"{part:.7f}" for part in (*middle, *sides)))
    return "".join(f"{line}\n" for line in lines)


def description(classes: Sequence[str], *, has_test: bool) -> str:
    """Return ``data.yaml``. There is no validation set: those who train choose one."""
    splits = {"train": "images/train", "val": "images/train"} | ({"test": "images/test"} if has_test else {})
    document = {"path": ".", **splits, "names": dict(enumerate(classes))}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _classes(files: Files) -> dict[int, str]:
    for name in files:
        if PurePosixPath(name).name in ("data.yaml", "data.yml", "dataset.yaml"):
            return _from_yaml(files[name](), name)
    for name in files:
        if PurePosixPath(name).name in ("classes.txt", "obj.names"):
            lines = files[name]().decode("utf-8", "replace").splitlines()
            return {label: line.strip() for label, line in enumerate(lines) if line.strip()}
    raise FormatError("YOLO labels need a data.yaml or classes.txt that names the classes; there is neither.")


def _from_yaml(content: bytes, name: str) -> dict[int, str]:
    try:
        document: Any = yaml.safe_load(content)
        names = document["names"]
        pairs = sorted(names.items() if isinstance(names, dict) else enumerate(names))
        classes = {int(label): word(value) for label, value in pairs if _is_scalar(value)}
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as err:
        raise FormatError(f"{name} is not YAML: {str(err)[:200]}.") from err
    except (TypeError, KeyError, ValueError, OverflowError) as err:
        raise FormatError(f"{name} must have a list 'names' with the names of the classes.") from err
    if isinstance(names, str) or not pairs or len(classes) < len(pairs):
        raise FormatError(f"{name} must have a list 'names' with one name for each class.")
    return classes


def _is_scalar(value: Any) -> bool:
    """Return whether a value is one word: a list in a list can come to gigabytes of text."""
    return isinstance(value, str | int | float)


def _box(line: str, classes: dict[int, str], image: LabelledImage) -> tuple[Box | str, str]:
    """Return the box of a line, or what is wrong with it, and its class."""
    parts = line.split()
    if len(parts) not in (5, 6):  # the sixth: how sure a model was
        return f"it must be class, centre x, centre y, width, height, but is {line[:60]!r}", ""
    label, cx, cy, width, height = (number(part) for part in parts[:5])
    if label not in classes:
        return f"there is no class {parts[0][:20]}", ""
    sides = [
        (cx - width / 2) * image.width,
        (cy - height / 2) * image.height,
        (cx + width / 2) * image.width,
        (cy + height / 2) * image.height,
    ]
    return corners(sides), classes[int(label)]


def _pairs(pictures: Iterable[str], texts: Iterable[str]) -> dict[str, str]:
    """Return for each picture its text: the one in the same place, else the only one with its name."""
    pictures, texts = list(pictures), list(texts)
    placed = {_place(name): name for name in texts}
    often = Counter(map(_below, texts)), Counter(map(_below, pictures))
    named = {_below(name): name for name in texts if often[0][_below(name)] == 1}
    paired = {name: placed[place] for name in pictures if (place := _place(name)) in placed}
    for name in pictures:
        below = _below(name)
        if name not in paired and below in named and often[1][below] == 1:
            paired[name] = named[below]
    return paired


def _root(parts: Sequence[str]) -> int | None:
    """Return where ``images`` or ``labels`` stands among the folders of a file."""
    return next((place for place, part in enumerate(parts[:-1]) if part in ("images", "labels")), None)


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).with_suffix("").parts


def _place(name: str) -> tuple[str, ...]:
    """Return where a file lies, alike for a picture and its text: without ``images`` or ``labels``."""
    parts, root = _parts(name), _root(_parts(name))
    return parts if root is None else (*parts[:root], *parts[root + 1 :])


def _below(name: str) -> tuple[str, ...]:
    """Return the folders of a file below ``images`` or ``labels``, and its name without its ending."""
    parts, root = _parts(name), _root(_parts(name))
    return parts if root is None else parts[root + 1 :]


def _split(name: str) -> Split | None:
    """Return the side of the test set that the first folder below ``images``, or the one above it, names."""
    parts, root = _parts(name), _root(_parts(name))
    beside = [*_below(name)[:-1][:1], *(parts[root - 1 : root] if root else ())]
    return next((_SPLITS[part.lower()] for part in beside if part.lower() in _SPLITS), None)


def _group(name: str) -> str | None:
    folders = _below(name)[:-1]
    return "/".join(folders[1:] if folders and folders[0].lower() in _SPLITS else folders) or None
