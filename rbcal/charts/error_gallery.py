"""The error gallery: what a detector got wrong, as crops with captions."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from rbcal.charts.confusion import MISSED, NOTHING
from rbcal.evaluation.matching import Mistake, mistakes
from rbcal.formats.crops import crop
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations, Detections

_SIDE = 256  # pixels of a crop: a column of the page at 1920 pixels
_MARGIN = 0.7  # of the cell's longer side
_ANNOTATED, _PREDICTED = "#0072B2", "#E69F00"  # Okabe and Ito: told apart by colour-blind eyes; and dashed
_DASH = 9  # pixels


@dataclass(frozen=True)
class ImageMistake:
    """A mistake, and the image that it is in."""

    image_id: int
    mistake: Mistake


def all_mistakes(
    truths: Mapping[int, Annotations], detections: Mapping[int, Detections]
) -> list[ImageMistake]:
    """Return the mistakes in all images that have both, the strongest contradiction first."""
    wrong = [
        ImageMistake(image_id, each)
        for image_id in sorted(truths.keys() & detections.keys())
        for each in mistakes(truths[image_id], detections[image_id])
    ]
    return sorted(wrong, key=lambda each: -each.mistake.contradiction)


def of_cell(
    wrong: Sequence[ImageMistake], annotated: str, predicted: str, names: Sequence[str]
) -> list[ImageMistake]:
    """Return the mistakes of one cell of the confusion matrix."""
    labels: list[int | None] = [*range(len(names)), None]
    wanted = [labels[[*names, NOTHING].index(annotated)], labels[[*names, MISSED].index(predicted)]]
    return [each for each in wrong if [each.mistake.annotated, each.mistake.predicted] == wanted]


def caption(mistake: Mistake, names: Sequence[str]) -> str:
    """Return in words what is annotated and what the model says."""
    annotated = NOTHING if mistake.annotated is None else names[mistake.annotated]
    if mistake.kind == "missed":
        return f"annotated: {annotated}; the model sees no cell"
    predicted = names[mistake.predicted] if mistake.predicted is not None else NOTHING
    if mistake.kind == "false":
        return f"model: {predicted}, {mistake.contradiction:.0%} sure that it is a cell; nothing is annotated"
    return f"annotated: {annotated}; model: {predicted}, and {1 - mistake.contradiction:.0%} for {annotated}"


def framed_crop(pixels: Pixels, mistake: Mistake) -> bytes:
    """Return a PNG of a mistake with what is around it: solid the annotated box, dashed the predicted one.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        Of the whole image.
    """
    around = crop(pixels, mistake.boxes, margin=_MARGIN)
    picture = ImageOps.contain(Image.fromarray(around.pixels), (_SIDE, _SIDE), Image.Resampling.BICUBIC)
    scale = np.array(picture.size) / around.pixels.shape[1::-1]
    pen = ImageDraw.Draw(picture)
    for box, colour in ((mistake.annotated_box, _ANNOTATED), (mistake.predicted_box, _PREDICTED)):
        if box is not None:
            corners = (np.reshape(box, (2, 2)) - around.window[:2]) * scale
            _outline(pen, corners, colour, dashed=colour == _PREDICTED)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _outline(pen: ImageDraw.ImageDraw, corners: np.ndarray, colour: str, *, dashed: bool) -> None:
    """Draw a box with a pale halo, so that it is seen on any stain."""
    (x1, y1), (x2, y2) = corners.tolist()
    around = [((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))]
    strokes = []
    for start, end in around:
        length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
        n = max(1, round(length / (2 * _DASH))) if dashed else 1
        for k in range(n):
            a, b = k / n, (k + 0.55) / n if dashed else (k + 1) / n
            strokes.append([tuple(s + t * (e - s) for s, e in zip(start, end, strict=True)) for t in (a, b)])
    for fill, width in (("white", 5), (colour, 3)):
        for stroke in strokes:
            pen.line(stroke, fill=fill, width=width)
