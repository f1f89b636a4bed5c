"""Cells boxed by their outline, as the open image gets them."""

from __future__ import annotations

from rbcal.cell_finder import find_cells
from rbcal.formats import pictures
from rbcal.review.boxes import Box
from rbcal.review.canvas_drawing import Frame
from rbcal.store.images import Image
from rbcal.store.project import Project


def cell_outlines(project: Project, image: Image, frame: Frame) -> list[Box]:
    """Return the boxes of the cells that stand out from the slide, in reading order."""
    boxes = find_cells(pictures.decode(project.images.content(image.id), image.layer))
    rows = sorted(boxes.tolist(), key=lambda box: (box[1], box[0]))
    return [frame.clip((x1, y1, x2, y2)) for x1, y1, x2, y2 in rows]
