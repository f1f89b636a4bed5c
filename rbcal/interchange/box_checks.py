"""Which boxes of an annotation file can be used: those of the right picture, within it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rbcal.formats.dataset import LabelledImage
from rbcal.types import Annotations
from rbcal.wording import count

_MAY_STICK_OUT = 1.0  # pixels beyond the border that are rounding, not a mistake


def checked_boxes(
    image: LabelledImage, width: int, height: int, labels: Mapping[str, int]
) -> tuple[Annotations | None, list[str]]:
    """Return the boxes of an image, clipped at its border, and what is wrong with some of them.

    They are None if one of them cannot be used: a model would learn that the cell of that one is background.

    Parameters
    ----------
    image : LabelledImage
        As the annotation file has it.
    width, height : int
        Of the picture, in pixels.
    labels : mapping of class name to class
    """
    if image.width and image.height and (image.width, image.height) != (width, height):
        return None, [
            f"the annotation file says {image.width} x {image.height} pixels, the picture has "
            f"{width} x {height}; {count(len(image.boxes), 'box', 'boxes')} left out"
        ]
    boxes = np.array(image.boxes, np.float32).reshape(-1, 4)
    clipped = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    outside = ~np.all(clipped[:, :2] < clipped[:, 2:], axis=1)
    if n := int(outside.sum()):
        lie = f"{count(n, 'cell')} lie{'s' * (n == 1)} outside the picture"
        return None, [*(f"box {_sides(box)} lies outside the picture" for box in boxes[outside]), waits(lie)]
    beyond = np.abs(boxes - clipped).max(axis=1, initial=0) > _MAY_STICK_OUT
    is_named = np.isin(np.arange(len(boxes)), image.unsure, invert=True)
    of_classes = np.array([labels[name] for name in image.classes], np.int64)
    return Annotations(clipped, of_classes, is_named), [
        f"box {_sides(box)} sticks out of the picture; it was clipped" for box in boxes[beyond]
    ]


def waits(reason: str) -> str:
    """Return the note on an image whose boxes are not all there."""
    return (
        f"{reason}, so none of its boxes was taken and it waits for review. Correct the file and import it "
        "again, or draw the boxes"
    )


def _sides(box: NDArray[np.float32]) -> str:
    return f"[{', '.join(f'{side:g}' for side in box.tolist())}]"
