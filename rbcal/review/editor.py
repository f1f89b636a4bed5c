"""The open image: its boxes with undo, which of them is selected, and what the canvas shows.

What can be done to it is in edits.py and navigation.py. None of them knows Streamlit: rbcal/ui/review/acts.py
has the way of an act from the browser to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from rbcal.errors import ConflictError, ReplacedError
from rbcal.review.boxes import Box, EditedBox, EditedBoxes
from rbcal.review.canvas_drawing import Drawing, Pen
from rbcal.review.canvas_state import CanvasState
from rbcal.review.cell_review import CellReview
from rbcal.review.edit_log import EditLog
from rbcal.review.history import History
from rbcal.review.predictions import CellPredictions
from rbcal.review.shortcuts import class_keys
from rbcal.review.view import View
from rbcal.store.classes import CellClass
from rbcal.store.images import Image
from rbcal.store.log import Kind


class Picture(NamedTuple):
    """The copy of an image for the browser, and the checksum of the image's own bytes."""

    sha256: str
    content: bytes


@dataclass
class Editor:
    """An image under review."""

    image: Image
    picture: Picture
    classes: tuple[CellClass, ...]
    view: View
    log: EditLog
    history: History
    canvas: CanvasState
    cell_review: CellReview
    selected: int | None = None  # id of a box
    visited: set[int] = field(default_factory=set)  # ids of boxes that were selected
    centre: bool = False  # bring the selected box into sight
    place: Box | None = None  # where to look while no box is selected
    notice: str = ""  # what just happened, where the boxes do not show it
    hides_names: bool = (
        False  # the model's, of test images and spot checks, until the expert has named the cell
    )

    def __post_init__(self) -> None:
        self.opened_with = frozenset(each.id for each in self.boxes)
        self.redraw()

    @property
    def predictions(self) -> CellPredictions:
        """What the model says of the cells."""
        return self.log.predictions

    @property
    def boxes(self) -> EditedBoxes:
        """The boxes as they are now."""
        return self.history.present

    @property
    def chosen(self) -> EditedBox | None:
        """The selected box as it is now."""
        return self.history.find(self.selected)

    @property
    def visible(self) -> list[EditedBox]:
        """The boxes that the canvas shows, as they are now."""
        return self.canvas.visible(self.boxes)

    @property
    def red_cells(self) -> list[EditedBox]:
        """The boxes in the order of the list of red cells, those deleted left out."""
        return self.cell_review.red_cells(self.boxes)

    @property
    def cells(self) -> list[EditedBox]:
        """The cells of the cell review as they are now."""
        return self.cell_review.cells(self.boxes)

    @property
    def n_unread(self) -> int:
        """How many boxes nobody has read yet."""
        return sum(each.review_status == "open" for each in self.boxes)

    @property
    def is_blind(self) -> bool:
        """Whether all of the image is read without the model's names."""
        return self.hides_names and self.image.split == "test"

    @property
    def is_from_nothing(self) -> bool:
        """Whether no model saw the image: nobody but the expert names its cells."""
        return self.predictions.ranking is None

    def is_hidden(self, box: EditedBox | None) -> bool:
        """Return whether a cell has no name yet, or one of the model's that the expert must not see yet."""
        if box is not None and box.detection_id is None:
            return self.is_from_nothing and not self._was_named(box)
        if box is None or not self.hides_names:
            return False
        if box.review_status in ("open", "unsure"):
            return self.is_blind
        return box.review_status == "accepted_in_bulk" and box.detection_id in self.cell_review.spots

    @property
    def loaded(self) -> bool:
        """Whether the canvas shows what it should; in the cell review there is none to wait for."""
        return self.cell_review.is_open or self.canvas.loaded

    @cached_property
    def names(self) -> list[str]:
        """The names of all classes."""
        return [each.name for each in self.classes]

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each class."""
        return class_keys(self.classes)

    @cached_property
    def choices(self) -> list[int]:
        """The classes that a cell can be given."""
        return [each.label for each in self.classes if each.merged_into is None]

    def change(
        self, history: History, *, redraw: bool = True, kind: Kind = "edit", review_id: int | None = None
    ) -> None:
        """Make a change; the log has it when this returns.

        Raises
        ------
        ConflictError
            When somebody else changed this image; then the change is shown, and not logged until the expert
            has chosen.
        ReplacedError
            When the project file was replaced; then the change is shown, and logged with the next one.
        """
        if history is self.history:
            return
        if kind == "edit":  # else the boxes are as they were before
            history = replace(history, present=tuple(map(self._unread_still, history.present)))
        try:
            self.log.record(kind, history.present, review_id)
        except (ConflictError, ReplacedError):
            self.log.is_behind = True
            self._show(history, redraw=redraw)
            raise
        self._show(history, redraw=redraw)

    def _was_named(self, box: EditedBox) -> bool:
        """Return whether a person said what a box is that no model made; it may be unsure by now."""
        if box.review_status != "unsure":
            return box.review_status != "open"
        earlier = (each for state in (self.log.start, *self.history.past) for each in state)
        return any(each.id == box.id and each.review_status not in ("open", "unsure") for each in earlier)

    def _unread_still(self, box: EditedBox) -> EditedBox:
        """Return a box after a change: one without a name that was only moved has been named by nobody."""
        was = self.history.find(box.id)
        if was is None or (box.review_status, box.label) != ("changed", was.label) or not self.is_hidden(was):
            return box
        return replace(box, review_status=was.review_status)

    def _show(self, history: History, *, redraw: bool) -> None:
        self.history = history
        if self.chosen is None:
            self.selected = None
        if redraw:
            self.redraw()

    def redraw(self) -> None:
        """Put the boxes on the canvas anew. In the cell review there is no canvas."""
        if not self.cell_review.is_open:
            self.canvas.draw(self.boxes, tuple(filter(self.is_shown, self.boxes)), Pen(self.view.zoom))

    def is_shown(self, box: EditedBox) -> bool:
        """Return whether the view shows a box; which class it has must not come out by that."""
        if self.is_hidden(box):
            return True
        match self.view.only:
            case "all":
                return True
            case "flagged":
                return box.flagged or box.touched
            case "unsure":
                return box.review_status == "unsure" or box.id == self.selected
            case label:
                return box.label == label or box.id == self.selected

    def shows_name(self, box: EditedBox) -> bool:
        """Return whether the view shows what a box is called."""
        which = self.view.names_on
        return which == "all" or (which == "flagged" and (box.flagged or box.touched))

    def take_drawing(self, raw: Drawing) -> None:
        """Take over what the expert did on the canvas, as it reports it."""
        reading = self.canvas.read(raw, self.view.label)
        shown = {each.id for each in self.visible}
        hidden = [each for each in self.boxes if each.id not in shown]
        boxes = sorted([*hidden, *reading.boxes], key=lambda each: each.id)
        self.change(self.history.change(tuple(boxes)), redraw=False)
        if reading.litter:
            self.redraw()

    def select(self, box_id: int | None, *, centre: bool = False) -> None:
        """Point at a box."""
        self.selected, self.centre, self.place = box_id, centre, None
        if centre:
            self.redraw()  # or the canvas would still have another box selected, which Delete would hit
        if box_id is not None:
            self.visited.add(box_id)

    def select_at(self, x: float, y: float) -> None:
        """Point at the box around a point of the canvas."""
        hit = self.canvas.box_at(self.visible, self.chosen, *self.canvas.to_image(x, y))
        self.select(None if hit is None else hit.id)

    def save(self) -> None:
        """Store the boxes as annotations; returns only when they are on disk."""
        self.log.save(self.boxes, self.cell_review.spots)
