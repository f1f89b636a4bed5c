"""A cell cut out of its image with its surroundings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rbcal.formats.pictures import Pixels

_SIDE = 160  # pixels of the longest side of a JPEG; sharp at 2 cm on paper
_SMALLEST = 24  # pixels of the image; a box of a few pixels says nothing without its surroundings


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of an image: its pixels, and which part, ``x1, y1, x2, y2`` in pixels of the image."""

    pixels: Pixels
    window: tuple[int, int, int, int]

    def jpeg(self) -> bytes:
        """Return a picture file, small enough for a document."""
        picture = Image.fromarray(self.pixels)
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=85)
        return content.getvalue()


def crop(pixels: Pixels, boxes: Sequence[ArrayLike], *, margin: float = 0.45) -> Crop:
    """Return boxes, each (4,) in pixels, and what is around them: a square, as far as the image goes.

    Near the border the square is moved into the image, and the boxes are off its middle.

    Parameters
    ----------
    margin : float
        On either side, as a part of the longer side: neighbours help to judge a cell.
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.array(pixels.shape[1::-1])
    side = max(_SMALLEST, round(float((high - low).max()) * (1 + 2 * margin)))
    start = np.clip(np.round((low + high - side) / 2), 0, np.maximum(0, size - side)).astype(int)
    (x1, y1), (x2, y2) = start.tolist(), np.minimum(size, start + side).tolist()
    return Crop(pixels[y1:y2, x1:x2].copy(), (x1, y1, x2, y2))
