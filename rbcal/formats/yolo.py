"""YOLO, as Ultralytics lays it out: ``data.yaml``, ``images``, and ``labels`` with a text an image.

Format: https://docs.ultralytics.com/datasets/detect. A line is ``class cx cy width height``, in parts of the
picture's width and height. An empty text is an image without cells; one that has no text is not annotated. A
folder below ``images/train`` or ``images/test`` is a group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from rbcal.errors import FormatError, ImageError
from rbcal.formats.dataset import Box, Dataset, LabelledImage, Split, corners, number
from rbcal.formats.files import Files

Size = tuple[int, int]  # width, height
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
    texts = {_key(name): name for name in files if name.endswith(".txt") and not _is_list(name)}
    images: list[LabelledImage] = []
    complaints: list[str] = []
    for name in pictures:
        text = texts.pop(_key(name), None)
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
            _take(line, classes, image, f"{text}: line {place}", complaints)
        images.append(image)
    complaints += [f"{text}: there is no picture of that name" for text in sorted(texts.values())]
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
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(label): str(value) for label, value in sorted(pairs)}
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as err:
        raise FormatError(f"{name} is not YAML: {str(err)[:200]}.") from err
    except (TypeError, KeyError, ValueError) as err:
        raise FormatError(f"{name} must have a list 'names' with the names of the classes.") from err


def _take(
    line: str, classes: dict[int, str], image: LabelledImage, where: str, complaints: list[str]
) -> None:
    parts = line.split()
    if not parts:
        return
    if len(parts) not in (5, 6):  # the sixth: how sure a model was
        complaints.append(
            f"{where}: it must be class, centre x, centre y, width, height, but is {line[:60]!r}"
        )
        return
    label, cx, cy, width, height = (number(part) for part in parts[:5])
    box: Box | str = corners(
        [
            (cx - width / 2) * image.width,
            (cy - height / 2) * image.height,
            (cx + width / 2) * image.width,
            (cy + height / 2) * image.height,
        ]
    )
    if label not in classes:
        complaints.append(f"{where}: there is no class {parts[0][:20]}")
    elif isinstance(box, str):
        complaints.append(f"{where}: {box}")
    else:
        image.boxes.append(box)
        image.classes.append(classes[int(label)])


def _parts(name: str) -> tuple[str, ...]:
    """Return the folders of a file below ``images`` or ``labels``, and its name without its ending."""
    parts = PurePosixPath(name).with_suffix("").parts
    roots = [place for place, part in enumerate(parts[:-1]) if part in ("images", "labels")]
    return parts[roots[-1] + 1 :] if roots else parts


def _key(name: str) -> str:
    return "/".join(_parts(name))


def _split(name: str) -> Split | None:
    return next((_SPLITS[part] for part in PurePosixPath(name).parts[:-1] if part in _SPLITS), None)


def _group(name: str) -> str | None:
    return "/".join(part for part in _parts(name)[:-1] if part not in _SPLITS) or None


def _is_list(name: str) -> bool:
    return PurePosixPath(name).name in ("classes.txt", "train.txt", "val.txt", "test.txt", "README.txt")
