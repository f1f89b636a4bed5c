"""YOLO, as Ultralytics lays it out: ``data.yaml``, ``images``, and ``labels`` with a text an image.

Format: https://docs.ultralytics.com/datasets/detect. A line is ``class cx cy width height``, in parts of the
picture's width and height, or ``class x y x y ...``: an outline, of which the box around it counts. An empty
text is an image without cells; one that has no text is not annotated. A folder below ``images/train`` or
``images/test`` is a group, unless ``groups.json``, which rbcal writes, names one. Roboflow's folders,
``train/images`` and ``train/labels``, are read, too, and Darknet's ``obj.data``, ``obj.names`` and lists.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from rbcal.errors import FormatError, ImageError
from rbcal.formats.coco import parse_json
from rbcal.formats.dataset import Box, Dataset, LabelledImage, Split, corners, number, unusable, word
from rbcal.formats.files import Files, lines
from rbcal.formats.layout import is_layout, split_of
from rbcal.formats.masks import around

Size = tuple[int, int]  # width, height
_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "readme.roboflow.txt")
_SPLITS: dict[str, Split] = {"train": "work", "val": "work", "valid": "work", "test": "test"}
GROUPS = "groups.json"  # slide or patient of each picture: in folders, others would not find the pictures
_YAMLS = ("data.yaml", "data.yml", "dataset.yaml")


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
    about = _described(files)
    texts = [name for name in files if name.lower().endswith(".txt")]
    pairs, groups = _pairs(pictures, texts), _groups(files)
    splits, lists, complaints = _declared(about.sides, files.keys() - pairs.values(), files, pictures)
    images: list[LabelledImage] = []
    for name in pictures:
        text, split = pairs.get(name), splits.get(name) or _split(name)
        group = groups.get(PurePosixPath(name).stem) or _group(name)
        if text is None:
            images.append(LabelledImage(name, group=group, split=split))
            continue
        try:
            width, height = size_of(pictures[name]())
        except ImageError as err:
            complaints.append(f"{name}: {err}")
            continue
        image = LabelledImage(name, width, height, group, split=split, annotated=True)
        for place, line in enumerate(lines(files[text]()), start=1):
            if line:
                image.add(*_box(line, about, image), f"line {place} of {text}")
        images.append(image)
    complaints += unusable(images)
    complaints += [
        f"{text}: there is no picture of that name"
        for text in sorted(set(texts) - set(pairs.values()) - lists)
        if PurePosixPath(text).name.lower() not in _NO_LABELS
    ]
    return Dataset(tuple(images), tuple(about.classes.values()), tuple(complaints))


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
    document = {**splits, "names": dict(enumerate(classes))}  # without `path`: they lie beside this file
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class _Description:
    """What the classes are called, where the sides of the test set lie, and whether lines have keypoints."""

    classes: dict[int, str]
    sides: Mapping[str, Any]
    has_keypoints: bool = False


def _described(files: Files) -> _Description:
    """Return what ``data.yaml`` says, or ``obj.data`` of Darknet, or the bare list of the classes."""
    yamls = [name for name in files if name.lower().endswith((".yaml", ".yml"))]
    usual = [name for name in yamls if PurePosixPath(name).name in _YAMLS]
    for name in usual or yamls[:1]:
        document = _document(files[name](), name)
        return _Description(_named(document, name), document, "kpt_shape" in document)
    sides: dict[str, str] = {side: f"{side}.txt" for side in _SPLITS if f"{side}.txt" in map(_tail, files)}
    for name in files:
        if name.lower().endswith(".data"):
            pairs = (line.partition("=") for line in lines(files[name]()))
            sides = {key.strip(): value.strip() for key, _, value in pairs}
    called = _tail(sides.get("names", ""))
    for name in files:
        if _tail(name) in ("classes.txt", called) or name.lower().endswith(".names"):
            named = {label: word(line) for label, line in enumerate(lines(files[name]())) if line}
            return _Description(named, sides)
    raise FormatError(
        "YOLO labels need a data.yaml, obj.names or classes.txt that names the classes; there is none."
    )


def _document(content: bytes, name: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError) as err:
        raise FormatError(f"{name} is not YAML: {str(err)[:200]}.") from err
    if not isinstance(document, dict):
        raise FormatError(f"{name} must have a list 'names' with the names of the classes.")
    return document


def _named(document: Mapping[str, Any], name: str) -> dict[int, str]:
    try:
        names = document["names"]
        pairs = sorted(names.items() if isinstance(names, dict) else enumerate(names))
        classes = {int(label): word(value) for label, value in pairs if _is_scalar(value)}
    except (TypeError, KeyError, ValueError, OverflowError) as err:
        raise FormatError(f"{name} must have a list 'names' with the names of the classes.") from err
    if isinstance(names, str) or not pairs or len(classes) < len(pairs):
        raise FormatError(f"{name} must have a list 'names' with one name for each class.")
    return classes


def _declared(
    sides: Mapping[str, Any], others: Collection[str], files: Files, pictures: Iterable[str]
) -> tuple[dict[str, Split], set[str], list[str]]:
    """Return the side of each picture that the description puts on one, the lists read, and complaints.

    A side is a folder, a text with a path in each line, or a list of those.
    """
    by_path, texts = _by_path(pictures), _by_path(others)
    splits: dict[str, Split] = {}
    lists: set[str] = set()
    complaints: list[str] = []
    for side, split in _SPLITS.items():  # the test set last: it wins
        values = sides.get(side)
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str) or not value:
                continue
            text = _file_at(value, texts) if value.lower().endswith(".txt") else None
            paths = [line for line in lines(files[text]()) if line] if text else []
            listed = [name for path in paths if (name := _file_at(path, by_path))]
            there = listed if text else _in_folder(value, pictures)
            splits |= dict.fromkeys(there, split)
            lists |= {text} if text else set()
            if split == "test" and (len(there) < len(paths) or not there):
                n = f"{len(paths) - len(there)} of the" if paths else "the"
                complaints.append(f"{value}: {n} test images that it names are not among the pictures")
    return splits, lists, complaints


def _by_path(names: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    """Return files by the end of their paths, however much of it somebody writes."""
    by_path = defaultdict[tuple[str, ...], list[str]](list)
    for name in names:
        parts = PurePosixPath(name).parts
        for start in range(len(parts)):
            by_path[parts[start:]].append(name)
    return by_path


def _plain(path: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("..", "/"))


def _file_at(path: str, by_path: Mapping[tuple[str, ...], list[str]]) -> str | None:
    """Return the file that a path means, which may begin with folders of another PC."""
    parts = _plain(path)
    ends = (by_path.get(parts[start:], []) for start in range(len(parts)))
    same = next(filter(None, ends), [])
    return same[0] if len(same) == 1 else None


def _in_folder(path: str, pictures: Iterable[str]) -> list[str]:
    """Return the pictures below a folder; its path may begin with folders of another PC, or above ours."""
    parts = _plain(path)
    telling = [place for place, part in enumerate(parts) if split_of([part]) or not is_layout(part)]
    for start in range(telling[-1] + 1 if telling else len(parts[:1])):
        folder = f"/{'/'.join(parts[start:])}/"
        if inside := [name for name in pictures if folder in f"/{name}"]:
            return inside
    return []


def _is_scalar(value: Any) -> bool:
    """Return whether a value is one word: a list in a list can come to gigabytes of text."""
    return isinstance(value, str | int | float)


def _box(line: str, about: _Description, image: LabelledImage) -> tuple[Box | str, str]:
    """Return the box of a line, or what is wrong with it, and its class."""
    parts = line.split()
    label, *numbers = map(number, parts)
    is_outline = len(numbers) > 5 and len(numbers) % 2 == 0 and not about.has_keypoints
    if len(numbers) not in (4, 5) and not is_outline and not (about.has_keypoints and len(numbers) > 5):
        return f"it must be class, centre x, centre y, width, height, or an outline, but is {line[:60]!r}", ""
    if label not in about.classes:
        return f"there is no class {parts[0][:20]}", ""
    name = about.classes[int(label)]
    if is_outline:
        points = zip(numbers[::2], numbers[1::2], strict=True)
        return around([(x * image.width, y * image.height) for x, y in points]), name
    cx, cy, width, height = numbers[:4]  # a fifth: how sure a model was; more: keypoints
    sides = [
        (cx - width / 2) * image.width,
        (cy - height / 2) * image.height,
        (cx + width / 2) * image.width,
        (cy + height / 2) * image.height,
    ]
    return corners(sides), name


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
    return split_of([*_below(name)[:-1][:1], *(parts[root - 1 : root] if root else ())])


def _group(name: str) -> str | None:
    """Return the folders below ``images/train``, whatever they are called, or those that may name a slide."""
    if _root(_parts(name)) is None:
        return None
    below = _below(name)[:-1]
    if below and split_of(below[:1]):
        return "/".join(below[1:]) or None
    return "/".join(folder for folder in below if not is_layout(folder)) or None


def _groups(files: Files) -> dict[str, str]:
    """Return the groups that rbcal wrote, by the stems of the pictures."""
    written = [parse_json(files[name]()) for name in files if _tail(name) == GROUPS]
    groups = written[0].get("groups") if written and isinstance(written[0], dict) else None
    pairs = groups.items() if isinstance(groups, dict) else ()
    return {stem: word(group) for stem, group in pairs if isinstance(group, str)}


def _tail(name: str) -> str:
    return PurePosixPath(name).name
