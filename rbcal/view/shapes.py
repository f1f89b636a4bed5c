"""The boxes of one image while the expert works on them: values with undo, to and from the store's types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rbcal.boxes import Annotations

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in image pixels
_STEPS = 200  # of undo; more than anybody takes back on one image


@dataclass(frozen=True)
class Shape:
    """A box on the canvas, in image pixels.

    `id` is unique on its image. `flagged` cells are drawn red while nobody touched them, the others green;
    a `touched` box was changed or drawn by the expert.
    """

    id: int
    box: Box
    label: int
    detection_id: int | None = None
    flagged: bool = False
    touched: bool = False


Shapes = tuple[Shape, ...]


@dataclass(frozen=True)
class History:
    """The boxes as they are, as they were before each change, and as they were before each undo."""

    present: Shapes
    past: tuple[Shapes, ...] = ()
    future: tuple[Shapes, ...] = ()

    def change(self, shapes: Shapes) -> History:
        """Return the history after a change; what was undone before it is forgotten."""
        if shapes == self.present:
            return self
        return History(shapes, (*self.past, self.present)[-_STEPS:])

    def undo(self) -> History:
        """Return the history one change earlier; itself where there is none."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (*self.future, self.present))

    def redo(self) -> History:
        """Return the history with the last undo taken back; itself where there is none."""
        if not self.future:
            return self
        return History(self.future[-1], (*self.past, self.present), self.future[:-1])

    def relabel(self, shape_id: int, label: int) -> History:
        """Return the history after the expert gave a box a class."""
        return self.change(
            tuple(
                replace(each, label=label, touched=True)
                if each.id == shape_id and each.label != label
                else each
                for each in self.present
            )
        )

    def remove(self, shape_id: int) -> History:
        """Return the history after the expert deleted a box."""
        return self.change(tuple(each for each in self.present if each.id != shape_id))

    def find(self, shape_id: int | None) -> Shape | None:
        """Return the box with this id as it is now, or None."""
        return next((each for each in self.present if each.id == shape_id), None)


def shape_at(shapes: Sequence[Shape], x: float, y: float) -> Shape | None:
    """Return the smallest box around a point of the image, or None; it is the one that lies on top."""
    around = [each for each in shapes if each.box[0] <= x <= each.box[2] and each.box[1] <= y <= each.box[3]]
    return min(around, key=lambda shape: area(shape.box), default=None)


def to_annotations(shapes: Sequence[Shape]) -> tuple[Annotations, list[int | None]]:
    """Return the boxes as annotations, and for each the detection that it came from."""
    if not shapes:
        return Annotations.empty(), []
    boxes = [shape.box for shape in shapes]
    labels = [shape.label for shape in shapes]
    return Annotations(boxes, labels), [shape.detection_id for shape in shapes]  # type: ignore[arg-type]


def to_json(shapes: Sequence[Shape]) -> list[dict[str, Any]]:
    """Return the boxes as a draft keeps them."""
    return [
        {
            "id": shape.id,
            "box": list(shape.box),
            "label": shape.label,
            "detection_id": shape.detection_id,
            "flagged": shape.flagged,
            "touched": shape.touched,
        }
        for shape in shapes
    ]


def from_json(rows: Sequence[dict[str, Any]]) -> Shapes:
    """Return the boxes that :func:`to_json` wrote."""
    return tuple(Shape(**{**row, "box": tuple(row["box"])}) for row in rows)


def area(box: Box) -> float:
    """Return the area of a box in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])
