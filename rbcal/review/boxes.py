"""The boxes of one image while the expert works on them: values, to and from the store's types."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rbcal.evaluation.matching import SAME_CELL
from rbcal.store.log import Boxes, BoxState, ReviewStatus
from rbcal.types import iou

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in image pixels
_NEW_BOX = 24.0  # image pixels; where there is no other cell to take the size from


@dataclass(frozen=True)
class EditedBox:
    """A box of the open image, in image pixels.

    `id` is unique on its image. `review_status` says what the expert did with it: an "open" box is drawn red
    if it is `flagged`, else green; one that was dealt with is blue, an unsure one violet. None: it was
    imported. `note` is a sentence of the expert's.
    """

    id: int
    box: Box
    label: int
    detection_id: int | None = None
    flagged: bool = False
    review_status: ReviewStatus | None = "open"
    note: str = ""

    @property
    def touched(self) -> bool:
        """Whether the expert changed or drew it."""
        return self.review_status in ("changed", "drawn")

    @property
    def is_of_people(self) -> bool:
        """Whether the expert drew it, or it was imported."""
        return self.detection_id is None and self.review_status in ("drawn", None)

    @property
    def waits(self) -> bool:
        """Whether it waits for the expert; a box accepted in bulk has not been seen."""
        return self.review_status in ("open", "accepted_in_bulk")

    def altered(self, *, box: Box | None = None, label: int | None = None) -> EditedBox:
        """Return the box as the expert changed it; itself where that is no change."""
        box, label = box or self.box, self.label if label is None else label
        if (box, label) == (self.box, self.label):
            return self
        stays = self.review_status == "drawn" or (self.review_status == "unsure" and label == self.label)
        return replace(self, box=box, label=label, review_status=self.review_status if stays else "changed")

    def named(self, label: int) -> EditedBox:
        """Return the box as the expert named it: of an unsure one the name that it has is an answer, too."""
        if self.review_status == "unsure" and label == self.label:
            return replace(self, review_status="kept")
        return self.altered(label=label)


EditedBoxes = tuple[EditedBox, ...]


def box_at(boxes: Sequence[EditedBox], x: float, y: float, margin: float = 0.0) -> EditedBox | None:
    """Return the smallest box around a point of the image, or None; it is the one that lies on top.

    A point counts that is at most `margin` pixels beside the box.
    """

    def around(box: Box) -> bool:
        return box[0] - margin <= x <= box[2] + margin and box[1] - margin <= y <= box[3] + margin

    return min((each for each in boxes if around(each.box)), key=lambda each: area(each.box), default=None)


def same_cell(boxes: Sequence[EditedBox], box: Box) -> EditedBox | None:
    """Return the box of the same cell as another box, by their overlap, or None."""
    if not boxes:
        return None
    overlap = iou(np.array([each.box for each in boxes], np.float32), np.array(box, np.float32))
    best = int(overlap.argmax())
    return boxes[best] if overlap[best] >= SAME_CELL else None


def neighbour(boxes: Sequence[EditedBox], start: EditedBox | None, right: int, down: int) -> EditedBox | None:
    """Return the nearest box in one of four directions, for the arrow keys; from nowhere, the first one.

    >>> sides = [(0, 0, 9, 9), (20, 5, 29, 9), (2, 50, 9, 59)]
    >>> a, b, c = (EditedBox(k, each, 0) for k, each in enumerate(sides))
    >>> neighbour([a, b, c], a, right=1, down=0).id, neighbour([a, b, c], a, right=0, down=1).id
    (1, 2)
    """
    if start is None:
        return min(boxes, key=lambda each: each.box[0] + each.box[1], default=None)
    x, y = middle(start.box)

    def distance(each: EditedBox) -> float:
        dx, dy = middle(each.box)[0] - x, middle(each.box)[1] - y
        ahead, aside = dx * right + dy * down, abs(dx * down + dy * right)
        return ahead + aside if ahead > 0 and ahead >= aside else float("inf")

    nearest = min(boxes, key=distance, default=None)
    return nearest if nearest is not None and distance(nearest) < float("inf") else None


def unnamed(outlines: Sequence[Box], label: int, first: int = 0) -> EditedBoxes:
    """Return boxes that nobody read or named, numbered from `first` on; `label` only fills the place."""
    return tuple(EditedBox(first + k, box, label, flagged=True) for k, box in enumerate(outlines))


def usual_side(boxes: Sequence[EditedBox]) -> float:
    """Return how long the longer side of a box usually is: of the middle one, in image pixels."""
    sides = sorted(max(each.box[2] - each.box[0], each.box[3] - each.box[1]) for each in boxes)
    return sides[len(sides) // 2] if sides else _NEW_BOX


def to_states(boxes: Sequence[EditedBox]) -> dict[int, BoxState]:
    """Return the boxes as the log keeps them, by number."""
    return {
        each.id: BoxState(each.box, each.label, each.review_status, each.detection_id, each.note)
        for each in boxes
    }


def from_states(states: Boxes, flagged: Collection[int | None] = ()) -> EditedBoxes:
    """Return boxes of the log as boxes to edit; `flagged` are detections that are red while open.

    None among them: those are red, too, that were boxed by their outline.
    """
    return tuple(from_state(number, state, flagged) for number, state in states.items())


def from_state(number: int, state: BoxState, flagged: Collection[int | None]) -> EditedBox:
    """Return one box of the log as a box to edit."""
    box, label, review_status, detection_id, note = state
    edited = EditedBox(number, box, label, detection_id, detection_id in flagged, review_status, note)
    return replace(edited, flagged=False) if edited.is_of_people else edited


def middle(box: Box) -> tuple[float, float]:
    """Return the centre of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def area(box: Box) -> float:
    """Return the area of a box in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])
