"""What the canvas component should show of the open image, and what it is known to show."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rbcal.review import canvas_drawing
from rbcal.review.boxes import EditedBox, EditedBoxes, box_at
from rbcal.review.canvas_drawing import Drawing, Frame, Pen, Reading

_SERIALS = itertools.count(1)  # no two drawings of a session have the same one
_NEAR = 6.0  # screen pixels around the selected box that still belong to it: its handles


@dataclass
class CanvasState:
    """The last drawing that Python made of the open image's boxes."""

    image_id: int
    frame: Frame
    is_mounted: Callable[[], bool] = lambda: False  # whether the page has a canvas now
    serial: int = 0
    reported: str = ""  # the token of the last drawing that the canvas is known to show
    boxes: EditedBoxes = ()
    next_id: int = 0  # of the next box that is drawn on the canvas
    pen: Pen = field(default_factory=Pen)
    drawing: Drawing = field(default_factory=dict)

    @property
    def token(self) -> str:
        """Names the drawing that the canvas should show."""
        return f"{self.image_id}:{self.serial}"

    @property
    def loaded(self) -> bool:
        """Whether the canvas shows what it should."""
        return self.reported == self.token

    def draw(self, present: EditedBoxes, shown: EditedBoxes, pen: Pen) -> None:
        """Draw some of the image's boxes anew; the canvas forgets its selection."""
        self.serial = next(_SERIALS)
        self.boxes, self.pen = shown, pen
        self.next_id = max((each.id for each in present), default=-1) + 1
        self.drawing = canvas_drawing.drawing(shown, self.frame, pen, self.token)
        if not self.is_mounted():  # a canvas that comes with a drawing does not always report it
            self.reported = self.token

    def accept(self, raw: Drawing) -> bool:
        """Return whether a report of the canvas is of this drawing; each is reported once it is loaded."""
        if canvas_drawing.token_of(raw) != self.token:
            return False
        self.reported = self.token
        return True

    def read(self, raw: Drawing, label: int) -> Reading:
        """Return the boxes that the canvas reports; `label` is the class of new ones."""
        return canvas_drawing.read(raw, self.boxes, self.frame, self.pen, label, self.next_id)

    def visible(self, present: EditedBoxes) -> list[EditedBox]:
        """Return the boxes that the canvas shows, as they are now."""
        shown = {each.id for each in self.boxes}
        return [each for each in present if each.id in shown or each.id >= self.next_id]

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of the canvas in image pixels."""
        return x / self.frame.scale_x, y / self.frame.scale_y

    def box_at(
        self, boxes: Sequence[EditedBox], selected: EditedBox | None, x: float, y: float
    ) -> EditedBox | None:
        """Return the box around a point of the image; the selected one keeps what is near its handles.

        A box too small to be hit is as large as a fingertip to the canvas, too.
        """
        near = _NEAR / (self.pen.zoom * self.frame.scale_x)
        tiny = [each for each in boxes if canvas_drawing.is_tiny(each, self.frame, self.pen)]
        chosen = [] if selected is None else [selected]
        return box_at(boxes, x, y) or box_at(chosen, x, y, near) or box_at(tiny, x, y, near)
