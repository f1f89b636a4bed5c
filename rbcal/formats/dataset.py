"""What annotation files say, whatever their format: images, boxes, classes, and what cannot be used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rbcal.formats.names import composed

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in image pixels; the top left corner is (0, 0)
Split = Literal["work", "test"]


@dataclass(frozen=True)
class LabelledImage:
    """An image of an annotation file: its boxes in pixels, and the class name of each.

    Width and height are 0, `group` and `split` None, where the file does not say. `annotated` says whether
    somebody went over the image; None: the file does not say, so only one with boxes counts as annotated.
    `title` is the name that the user knows it by, if it is another than that of the file; `layer` says which
    picture of the file it is, in the words of :class:`rbcal.formats.stacks.Layer`. `unsure` has the places
    of boxes of which nobody could tell what they are: nothing may learn from their class. `unusable` has a
    line for each box that cannot be used.
    """

    file_name: str
    width: int = 0
    height: int = 0
    group: str | None = None
    boxes: list[Box] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    split: Split | None = None
    annotated: bool | None = None
    title: str | None = None
    layer: str | None = None
    unsure: list[int] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Compose the names, so that those of a Mac and those of another PC are the same."""
        for name in ("file_name", "group", "title"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, composed(value))
        self.classes[:] = map(composed, self.classes)

    @property
    def is_annotated(self) -> bool:
        """Whether its boxes, perhaps none, are all of its cells.

        An image that lost a box is not: a model must not learn that the cell there is background.
        """
        if self.annotated is None:
            return bool(self.boxes) and not self.unusable
        return self.annotated and not self.unusable

    def add(self, box: Box | str, name: str, where: str, *, is_unsure: bool = False) -> None:
        """Add a box of the class `name`, or, if there is a sentence in its place, say where that holds."""
        if isinstance(box, str):
            self.unusable.append(f"{self.file_name}: {where}: {box}")
        else:
            if is_unsure:
                self.unsure.append(len(self.boxes))
            self.boxes.append(box)
            self.classes.append(composed(name))


@dataclass(frozen=True)
class Dataset:
    """What annotation files hold: images, class names in their order, and what could not be used and why."""

    images: tuple[LabelledImage, ...]
    classes: tuple[str, ...]
    complaints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Compose the names of the classes."""
        object.__setattr__(self, "classes", tuple(dict.fromkeys(map(composed, self.classes))))


def unusable(images: Iterable[LabelledImage]) -> tuple[str, ...]:
    """Return the lines on all boxes that cannot be used."""
    return tuple(line for image in images for line in image.unusable)


def word(value: Any) -> str:
    r"""Return a name that a file states, without what is no text: no file and no project can hold it.

    >>> word("disc"), word(3), word("\x00a")
    ('disc', '3', 'a')
    """
    return str(value).encode("utf-8", "backslashreplace").decode().replace("\0", "")


def corners(sides: Sequence[Any]) -> Box | str:
    """Return ``x1, y1, x2, y2`` as a box, or what is wrong with it."""
    numbers = [number(side) for side in sides if isinstance(side, int | float)]
    if len(sides) != 4 or len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        return f"a box has four finite numbers, but got {str(list(sides))[:60]}"
    x1, y1, x2, y2 = numbers
    if x2 <= x1 or y2 <= y1:
        return f"its area is zero ({x2 - x1:g} x {y2 - y1:g})"
    return x1, y1, x2, y2


def number(text: Any) -> float:
    """Return a number that a file writes as text; NaN where it is none, which no box may have."""
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def size(value: Any) -> int:
    """Return a width or height that a file states; 0 where it states none that can be."""
    pixels = number(value)
    return int(pixels) if math.isfinite(pixels) and 0 < pixels < 2**31 else 0
