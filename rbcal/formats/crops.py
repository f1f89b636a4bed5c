"""A cell cut out of its picture with its surroundings, small enough for a document."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rbcal.formats.pictures import Pixels
from rbcal.types import Floats

_MARGIN = 0.45  # of the longer side of the box, on either side: neighbours help to judge a cell
_SIDE = 160  # pixels of the longest side of a crop; sharp at 2 cm on paper
_SMALLEST = 24  # pixels of the image; a box of a few pixels says nothing without its surroundings


@dataclass(frozen=True)
class Crop:
    """A JPEG of a part of an image, and which part: ``x1, y1, x2, y2`` in image pixels."""

    content: bytes
    window: tuple[int, int, int, int]


def crop(pixels: Pixels, box: Floats) -> Crop:
    """Return the surroundings of a box (4,), in pixels: a square, as far as the image goes.

    Near the border the square is moved into the image, and the box is off its middle.
    """
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (float(side) for side in box)
    side = max(_SMALLEST, round(max(x2 - x1, y2 - y1) * (1 + 2 * _MARGIN)))
    left = int(np.clip(round((x1 + x2 - side) / 2), 0, max(0, width - side)))
    top = int(np.clip(round((y1 + y2 - side) / 2), 0, max(0, height - side)))
    window = (left, top, min(width, left + side), min(height, top + side))
    picture = Image.fromarray(pixels[window[1] : window[3], window[0] : window[2]])
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    return Crop(content.getvalue(), window)
