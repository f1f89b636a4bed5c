"""The boxes of an image as a drawing of the canvas component, and back.

The component (streamlit-drawable-canvas, Fabric.js inside) knows rectangles with a label and nothing
of images, cells or identity. Everything it is made to carry is packed and unpacked here:

- Which box is which rides in ``fillRule``, the one free text field that survives every edit.
- Which image, and which drawing of it, rides in an invisible rectangle: the *token*. After a change of image
  the component reports the old drawing once more; the token tells.
- The label, which the component shows on a chip, stays empty.
- A line is centred on the edge of its box, so that what the expert sees is what is stored.

The canvas has a whole number of pixels; `Frame` maps them to image pixels exactly, per axis. The browser
then shrinks or enlarges the canvas to fit the window, by the *zoom*: screen pixels per canvas pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rbcal.review.boxes import Box, EditedBox, EditedBoxes, area

Drawing = dict[str, Any]

HIDDEN = "?"  # in place of a class that the expert must not see yet
RED, GREEN, BLUE, VIOLET = "#e5182d", "#00954a", "#1f6feb", "#9333ea"
_LINE = 2.0  # screen pixels
_DASH = (7.0, 4.0)  # screen pixels; red and green must differ without their colour
_TOUCHED_LINE = 1.6  # times as thick; so must blue and green
_HANDLE = 9.0  # screen pixels
_GRIP = 16.0  # screen pixels; a box that is smaller can still be grabbed
_LONGEST_SIDE = 4096  # canvas pixels; browsers and their memory end not far beyond
_SHARP_SIDE = 1200  # canvas pixels; smaller images are enlarged so that lines stay sharp
_TINY = 5.0  # image pixels; a slip of the mouse, not a cell
_SAME = 0.01  # canvas pixels; the component rounds to 4 digits


@dataclass(frozen=True)
class Frame:
    """How an image of `width` x `height` pixels lies on a canvas of whole pixels."""

    width: int
    height: int
    canvas_width: int
    canvas_height: int

    @classmethod
    def of(cls, width: int, height: int) -> Frame:
        """Return the frame of an image: small ones are enlarged by a whole factor, huge ones shrunk.

        >>> Frame.of(640, 480)
        Frame(width=640, height=480, canvas_width=1280, canvas_height=960)
        >>> Frame.of(2000, 1500).canvas_width
        2000
        """
        longest = max(width, height)
        scale = min(_LONGEST_SIDE / longest, max(1, math.ceil(_SHARP_SIDE / longest)))
        return cls(width, height, max(1, round(width * scale)), max(1, round(height * scale)))

    @property
    def scale_x(self) -> float:
        """Canvas pixels per image pixel, across."""
        return self.canvas_width / self.width

    @property
    def scale_y(self) -> float:
        """Canvas pixels per image pixel, down."""
        return self.canvas_height / self.height

    def to_canvas(self, box: Box) -> Box:
        """Return a box of the image in canvas pixels."""
        x1, y1, x2, y2 = box
        return x1 * self.scale_x, y1 * self.scale_y, x2 * self.scale_x, y2 * self.scale_y

    def to_image(self, box: Box) -> Box:
        """Return a box of the canvas in image pixels."""
        x1, y1, x2, y2 = box
        return x1 / self.scale_x, y1 / self.scale_y, x2 / self.scale_x, y2 / self.scale_y

    def clip(self, box: Box) -> Box:
        """Return the part of a box that lies on the image; at least one pixel of it stays."""
        x1, x2 = _clip_side(box[0], box[2], self.width)
        y1, y2 = _clip_side(box[1], box[3], self.height)
        return x1, y1, x2, y2


@dataclass(frozen=True)
class Pen:
    """How boxes are drawn: the zoom that lines are made for."""

    zoom: float = 1.0

    @property
    def line(self) -> float:
        """The width of a line in canvas pixels."""
        return round(_LINE / self.zoom, 2)


@dataclass(frozen=True)
class Reading:
    """What the expert made of a drawing; `litter` says that a slip of the mouse is still on the canvas."""

    boxes: EditedBoxes
    litter: bool


def drawing(boxes: Sequence[EditedBox], frame: Frame, pen: Pen, token: str) -> Drawing:
    """Return the component's drawing of some boxes: large ones first, so that small ones stay on top.

    Parameters
    ----------
    boxes : sequence of EditedBox
        In image pixels.
    frame : Frame
    pen : Pen
    token : str
        Names this drawing; see :func:`token_of`.
    """
    by_size = sorted(boxes, key=lambda each: -area(each.box))
    marker = {
        "type": "Rect",
        "left": 0,
        "top": 0,
        "width": 1,
        "height": 1,
        "visible": False,
        "fillRule": f"doc:{token}",
    }
    return {
        "objects": [*(_rectangle(each, frame, pen) for each in by_size), marker],
        "uniformScaling": False,  # a corner may change the ratio of the sides
        "selectionKey": None,
    }


def is_tiny(box: EditedBox, frame: Frame, pen: Pen) -> bool:
    """Return whether a box is so small on the screen that the mouse takes hold of it from beside it, too."""
    return _padding(frame.to_canvas(box.box), pen) > 0


def token_of(raw: Drawing | None) -> str | None:
    """Return the token of the drawing that the component reports, or None."""
    rules = (str(each.get("fillRule", "")) for each in (raw or {}).get("objects", ()))
    return next((rule.removeprefix("doc:") for rule in rules if rule.startswith("doc:")), None)


def colour(box: EditedBox) -> str:
    """Return the colour of a box: blue once it was dealt with, before that red if flagged, else green.

    One that the expert left unsure is violet.
    """
    if box.review_status == "unsure":
        return VIOLET
    return BLUE if box.review_status != "open" else RED if box.flagged else GREEN


def read(
    raw: Drawing, drawn: Sequence[EditedBox], frame: Frame, pen: Pen, label: int, next_id: int | None = None
) -> Reading:
    """Return the boxes of the drawing that the component reports.

    A box that is as it was drawn comes back as the very same one, without a rounding. A new box that
    is too small for a cell is left out; one that was drawn before never is.

    Parameters
    ----------
    raw : Drawing
        What the component reports.
    drawn : sequence of EditedBox
        The boxes that :func:`drawing` was given.
    frame : Frame
    pen : Pen
        The pen of that drawing.
    label : int
        The class of a new box.
    next_id : int, optional
        The id of the first new box; one more than the highest drawn, if not given.
    """
    before = {f"box:{each.id}": each for each in drawn}
    if next_id is None:
        next_id = max((each.id for each in drawn), default=-1) + 1
    smallest = max(_TINY * min(frame.scale_x, frame.scale_y), 2 * pen.line + 1)  # the component's least box
    boxes: list[EditedBox] = []
    litter = False
    for rectangle in raw["objects"]:
        if rectangle.get("type") != "LabeledRect":
            continue
        box = before.pop(str(rectangle.get("fillRule", "")), None)
        if box is not None:
            boxes.append(_reread(rectangle, box, frame, pen))
            continue
        # The component puts a new box's outer corner, not its line, where the mouse went down.
        x1, y1, x2, y2 = _hull(rectangle)
        half = float(rectangle.get("strokeWidth", 0)) / 2
        if max(x2 - x1, y2 - y1) <= smallest or min(x2 - x1, y2 - y1) <= _TINY * frame.scale_x / 2:
            litter = True
            continue
        sides = frame.clip(frame.to_image((x1 - half, y1 - half, x2 - half, y2 - half)))
        boxes.append(EditedBox(next_id, sides, label, review_status="drawn"))
        next_id += 1
    return Reading(tuple(sorted(boxes, key=lambda each: each.id)), litter)


def _rectangle(box: EditedBox, frame: Frame, pen: Pen) -> Drawing:
    """Return one box as the component's object, its line centred on the edge of the box."""
    x1, y1, x2, y2 = frame.to_canvas(box.box)
    line = round(pen.line * (_TOUCHED_LINE if box.touched else 1), 2)
    stroke = colour(box)
    return {
        "type": "LabeledRect",
        "fillRule": f"box:{box.id}",
        "label": "",  # its chip would cover cells; names are written by the companion
        "left": round(x1 - line / 2, 4),
        "top": round(y1 - line / 2, 4),
        "width": round(x2 - x1, 4),
        "height": round(y2 - y1, 4),
        "originX": "left",
        "originY": "top",
        "scaleX": 1,
        "scaleY": 1,
        "angle": 0,
        "stroke": stroke,
        "strokeWidth": line,
        "strokeDashArray": [round(dash / pen.zoom, 2) for dash in _DASH] if stroke == RED else None,
        "strokeUniform": True,
        "fill": "rgba(0, 0, 0, 0)",
        "lockRotation": True,
        "lockSkewingX": True,
        "lockSkewingY": True,
        "lockScalingFlip": True,
        "cornerColor": "#ffe600",
        "cornerStrokeColor": "#000000",
        "cornerSize": round(_HANDLE / pen.zoom, 2),
        "transparentCorners": False,
        "padding": _padding((x1, y1, x2, y2), pen),
    }


def _padding(box: Box, pen: Pen) -> float:
    """Return how far beside a box of the canvas the mouse still takes hold of it, in canvas pixels."""
    return round(max(0.0, (_GRIP / pen.zoom - min(box[2] - box[0], box[3] - box[1])) / 2), 2)


def _reread(rectangle: Drawing, box: EditedBox, frame: Frame, pen: Pen) -> EditedBox:
    """Return a box that was drawn as it is now; the very same one when nothing happened to it."""
    was = _rectangle(box, frame, pen)
    before, after = _hull(was), _hull(rectangle)
    moved = any(abs(a - b) > _SAME for a, b in zip(before, after, strict=True))
    return box.altered(box=frame.clip(frame.to_image(after))) if moved else box


def _hull(rectangle: Drawing) -> Box:
    """Return the axis-aligned hull of the component's object, its line left out, in canvas pixels.

    Fabric's ``left`` and ``top`` are the outer corner of the line of a box that is then turned about that
    corner. A group that is turned and stretched leaves its boxes turned and skewed.
    """
    width, height = abs(float(rectangle["width"])), abs(float(rectangle["height"]))
    scale_x, scale_y = abs(float(rectangle.get("scaleX", 1))), abs(float(rectangle.get("scaleY", 1)))
    line = float(rectangle.get("strokeWidth", 0) or 0)
    skew_x, skew_y, turn = (math.radians(rectangle.get(name, 0) or 0) for name in ("skewX", "skewY", "angle"))
    # scale, then skew along x, then skew along y: Fabric's calcDimensionsMatrix
    a, b, c, d = scale_x, 0.0, scale_x * math.tan(skew_x), scale_y
    a, b = a + c * math.tan(skew_y), b + d * math.tan(skew_y)
    cos, sin = math.cos(turn), math.sin(turn)
    across = abs(a) * width + abs(c) * height + line
    down = abs(b) * width + abs(d) * height + line
    x = float(rectangle["left"]) + (cos * across - sin * down) / 2
    y = float(rectangle["top"]) + (sin * across + cos * down) / 2
    half_x = (abs(cos * a - sin * b) * width + abs(cos * c - sin * d) * height) / 2
    half_y = (abs(sin * a + cos * b) * width + abs(sin * c + cos * d) * height) / 2
    return x - half_x, y - half_y, x + half_x, y + half_y


def _clip_side(low: float, high: float, size: int) -> tuple[float, float]:
    low = min(max(low, 0.0), size - 1.0)
    return low, max(min(high, float(size)), low + 1.0)
