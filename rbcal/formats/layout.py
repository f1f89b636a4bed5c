"""Folders of data sets as programs lay them out: which name no slide, and which a side of the test set."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from rbcal.formats.dataset import Split

_SIDE = re.compile(
    r"(?:obj_)?(train|val|test)(?:ing|id|idation|val)?(?:_data)?(?:[-_]?\d{4})?", re.IGNORECASE
)
_PART = re.compile(
    r"images?|imgs?|jpegimages|labels?|annotations?|not_?annotated|imagesets|main|layout|segmentation(class|object)|"
    r"default|data(sets?)?|(voc(devkit)?|coco|yolo)[-_]?v?\d*",
    re.IGNORECASE,
)


def is_layout(folder: str) -> bool:
    """Return whether a folder is a part of a format's layout, and so names no slide.

    >>> [name for name in ("images", "default", "obj_train_data", "test2017", "slide 7") if is_layout(name)]
    ['images', 'default', 'obj_train_data', 'test2017']
    """
    return bool(_PART.fullmatch(folder) or _SIDE.fullmatch(folder))


def split_of(folders: Iterable[str]) -> Split | None:
    """Return the side of the test set that the first of some folders names, or None where none does.

    >>> split_of(["images", "val2017"]), split_of(["obj_Test_data"]), split_of(["slide 7"])
    ('work', 'test', None)
    """
    sides = (match[1].lower() for folder in folders if (match := _SIDE.fullmatch(folder)))
    side = next(sides, None)
    return None if side is None else "test" if side == "test" else "work"


def folders(name: str) -> tuple[str, ...]:
    """Return the folders in which a file lies."""
    return PurePosixPath(name).parts[:-1]
