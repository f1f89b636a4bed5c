"""The cell review: which cells come one after another, and which are shown side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rbcal.review.boxes import EditedBox

BATCH = 12  # cells side by side


@dataclass
class CellReview:
    """The review of an image cell by cell, and what of it is open now."""

    red: Sequence[int]  # detections that are flagged, the most uncertain first
    spots: Sequence[int]  # green detections that were drawn for a check
    from_nothing: bool = False  # no model saw the image: the boxes that were outlined are red
    is_open: bool = False  # it takes the place of the whole image
    batch: list[int] = field(default_factory=list)  # ids of the boxes side by side; none: one by one

    def red_cells(self, boxes: Sequence[EditedBox]) -> list[EditedBox]:
        """Return the boxes in the order of the list of red cells, those deleted left out."""
        detected = {each.detection_id: each for each in boxes}
        if self.from_nothing:
            return [each for each in boxes if each.detection_id is None and not each.is_of_people]
        return [detected[detection] for detection in self.red if detection in detected]

    def cells(self, boxes: Sequence[EditedBox]) -> list[EditedBox]:
        """Return the cells under review: the red ones, then the spot checks.

        A spot check comes only after the green boxes were accepted at once: before that it is a box that the
        expert has not vouched for.
        """
        detected = {each.detection_id: each for each in boxes}
        spots = [detected[detection] for detection in self.spots if detection in detected]
        return self.red_cells(boxes) + [each for each in spots if each.review_status != "open"]

    def next_waiting(self, order: Sequence[EditedBox], box_id: int, boxes: Sequence[EditedBox]) -> int | None:
        """Return the id of the next cell that waits after one in an order, round the end, or None."""
        ids = [each.id for each in order]
        place = ids.index(box_id) + 1 if box_id in ids else 0
        left = {each.id for each in waiting(self.cells(boxes))} - {box_id}
        return next((key for key in ids[place:] + ids[:place] if key in left), None)

    def place(self, boxes: Sequence[EditedBox], box_id: int | None) -> tuple[int, int, int]:
        """Return the place of a cell from 1 on, 0 if it has none, how many there are, and how many wait."""
        cells = self.cells(boxes)
        ids = [each.id for each in cells]
        return ids.index(box_id) + 1 if box_id in ids else 0, len(ids), len(waiting(cells))

    def close(self) -> None:
        """Give the place back to the whole image."""
        self.is_open, self.batch = False, []


def waiting(cells: Sequence[EditedBox]) -> list[EditedBox]:
    """Return the cells that wait for the expert."""
    return [each for each in cells if each.waits]


def next_batch(cells: Sequence[EditedBox]) -> list[EditedBox]:
    """Return the cells to show side by side: of those that wait, the first ones of one class.

    Look-alikes side by side: the odd one stands out.
    """
    left = waiting(cells)
    return [each for each in left if each.label == left[0].label][:BATCH]
