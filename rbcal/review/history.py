"""The boxes of one image while the expert works on them: values with undo, to and from the store's types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rbcal.evaluation.matching import SAME_CELL
from rbcal.store.log import Boxes, BoxState, ReviewStatus, Work
from rbcal.types import iou

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in image pixels
_STEPS = 200  # of undo; more than anybody takes back on one image


@dataclass(frozen=True)
class Shape:
    """A box on the canvas, in image pixels.

    `id` is unique on its image. `how` says what the expert did with it: an "open" box is drawn red if it is
    `flagged`, else green; one that was dealt with is blue. None: it was imported.
    """

    id: int
    box: Box
    label: int
    detection_id: int | None = None
    flagged: bool = False
    review_status: ReviewStatus | None = "open"

    @property
    def touched(self) -> bool:
        """Whether the expert changed or drew it."""
        return self.review_status in ("changed", "drawn")

    def altered(self, *, box: Box | None = None, label: int | None = None) -> Shape:
        """Return the box as the expert changed it; itself where that is no change."""
        box, label = box or self.box, self.label if label is None else label
        if (box, label) == (self.box, self.label):
            return self
        return replace(
            self, box=box, label=label, review_status="drawn" if self.review_status == "drawn" else "changed"
        )


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
        return self._alter(shape_id, lambda each: each.altered(label=label))

    def move(self, shape_id: int, box: Box) -> History:
        """Return the history after the expert moved the sides of a box."""
        return self._alter(shape_id, lambda each: each.altered(box=box))

    def keep(self, shape_id: int) -> History:
        """Return the history after the expert looked at a box and found it right."""
        return self.keep_all([shape_id])

    def keep_all(self, shape_ids: Collection[int]) -> History:
        """Return the history after the expert looked at several boxes and found them right, in one change."""
        return self.change(
            tuple(
                replace(each, review_status="kept") if each.id in shape_ids and not each.touched else each
                for each in self.present
            )
        )

    def keep_green(self) -> History:
        """Return the history after the expert accepted every green box at once."""
        return self.change(
            tuple(
                replace(each, review_status="accepted_in_bulk")
                if each.review_status == "open" and not each.flagged
                else each
                for each in self.present
            )
        )

    def draw(self, box: Box, label: int) -> History:
        """Return the history after the expert drew a box."""
        new_id = max((each.id for each in self.present), default=-1) + 1
        return self.change((*self.present, Shape(new_id, box, label, review_status="drawn")))

    def remove(self, shape_id: int) -> History:
        """Return the history after the expert deleted a box."""
        return self.change(tuple(each for each in self.present if each.id != shape_id))

    def changed(self, before: History) -> int | None:
        """Return the id of the one box that differs from another history's present, or None."""
        was = {each.id: each for each in before.present}
        now = {each.id: each for each in self.present}
        differ = [key for key in was.keys() | now.keys() if was.get(key) != now.get(key)]
        return differ[0] if len(differ) == 1 else None

    def _alter(self, shape_id: int, review_status: Callable[[Shape], Shape]) -> History:
        return self.change(
            tuple(review_status(each) if each.id == shape_id else each for each in self.present)
        )

    def find(self, shape_id: int | None) -> Shape | None:
        """Return the box with this id as it is now, or None."""
        return next((each for each in self.present if each.id == shape_id), None)


def shape_at(shapes: Sequence[Shape], x: float, y: float, margin: float = 0.0) -> Shape | None:
    """Return the smallest box around a point of the image, or None; it is the one that lies on top.

    A point counts that is at most `margin` pixels beside the box.
    """

    def around(box: Box) -> bool:
        return box[0] - margin <= x <= box[2] + margin and box[1] - margin <= y <= box[3] + margin

    return min((each for each in shapes if around(each.box)), key=lambda shape: area(shape.box), default=None)


def shape_like(shapes: Sequence[Shape], box: Box) -> Shape | None:
    """Return the box of the same cell as another box, by their overlap, or None."""
    if not shapes:
        return None
    overlap = iou(np.array([each.box for each in shapes], np.float32), np.array(box, np.float32))
    best = int(overlap.argmax())
    return shapes[best] if overlap[best] >= SAME_CELL else None


def neighbour(shapes: Sequence[Shape], start: Shape | None, right: int, down: int) -> Shape | None:
    """Return the nearest box in one of four directions, for the arrow keys; from nowhere, the first one.

    >>> a, b, c = (Shape(k, box, 0) for k, box in enumerate([(0, 0, 9, 9), (20, 5, 29, 9), (2, 50, 9, 59)]))
    >>> neighbour([a, b, c], a, right=1, down=0).id, neighbour([a, b, c], a, right=0, down=1).id
    (1, 2)
    """
    if start is None:
        return min(shapes, key=lambda each: each.box[0] + each.box[1], default=None)
    x, y = middle(start.box)

    def distance(each: Shape) -> float:
        dx, dy = middle(each.box)[0] - x, middle(each.box)[1] - y
        ahead, aside = dx * right + dy * down, abs(dx * down + dy * right)
        return ahead + aside if ahead > 0 and ahead >= aside else float("inf")

    nearest = min(shapes, key=distance, default=None)
    return nearest if nearest is not None and distance(nearest) < float("inf") else None


def to_boxes(shapes: Sequence[Shape]) -> dict[int, BoxState]:
    """Return the boxes as the log keeps them, by number."""
    return {each.id: BoxState(each.box, each.label, each.review_status, each.detection_id) for each in shapes}


def from_boxes(boxes: Boxes, flagged: Collection[int] = ()) -> Shapes:
    """Return boxes of the log as boxes on the canvas; `flagged` are detections that are red while open."""
    return tuple(_shape(number, state, flagged) for number, state in boxes.items())


def replay(work: Work, flagged: Collection[int] = ()) -> History:
    """Return the history of unfinished work as it was when its last act was made: undo goes on from there."""
    shapes = {each.id: each for each in from_boxes(work.start, flagged)}
    history = History(tuple(shapes.values()))
    for act in work.acts:
        for event in act.events:
            if event.after is None:
                del shapes[event.box]
            else:
                shapes[event.box] = _shape(event.box, event.after, flagged)
        after = tuple(shapes[number] for number in sorted(shapes))
        match act.kind:
            case "undo":
                history = history.undo()
            case "redo":
                history = history.redo()
        history = history.change(after)  # no change where the history turned to these very boxes
    return history


def _shape(number: int, state: BoxState, flagged: Collection[int]) -> Shape:
    box, label, review_status, detection_id = state
    return Shape(number, box, label, detection_id, detection_id in flagged, review_status)


def middle(box: Box) -> tuple[float, float]:
    """Return the centre of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def area(box: Box) -> float:
    """Return the area of a box in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])
