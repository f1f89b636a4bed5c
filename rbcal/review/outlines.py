"""Cells boxed by their outline, as the open image gets them."""

from __future__ import annotations

from rbcal.cell_finder import find_cells
from rbcal.formats import pictures
from rbcal.review.boxes import Box
from rbcal.review.canvas_drawing import Frame
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.wording import count


def outlined(n: int) -> str:
    """Say how many cells were boxed, and what comes next."""
    if not n:
        return "No cell stands out from the slide here: draw the boxes (D)."
    return (
        f"{count(n, 'cell')} boxed by outline. Name them one after another (W), delete what is no cell, draw "
        "what is missing."
    )


def cell_outlines(project: Project, image: Image, frame: Frame) -> list[Box]:
    """Return the boxes of the cells that stand out from the slide, in reading order."""
    boxes = find_cells(pictures.decode(project.images.content(image.id), image.layer))
    rows = sorted(boxes.tolist(), key=lambda box: (box[1], box[0]))
    return [frame.clip((x1, y1, x2, y2)) for x1, y1, x2, y2 in rows]
