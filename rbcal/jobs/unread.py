"""Which cells of an image nobody has read, where others of it were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbcal.evaluation.matching import SAME_CELL
from rbcal.store.project import Project
from rbcal.types import iou


def are_open_in(project: Project, ranking_id: int, image_id: int) -> NDArray[np.bool_]:
    """Return whether nobody has read each cell that a ranking has in an image, (n,) in their order."""
    _, boxes = project.rankings.boxes(ranking_id, [image_id])
    review = project.reviews.current(image_id)
    if review is None or not len(boxes):
        return np.ones(len(boxes), bool)
    waits = np.array([status == "open" for status in review.review_status])
    overlap = iou(boxes[:, None], review.annotations.boxes[None])
    best = overlap.argmax(axis=1)
    return np.asarray((overlap.max(axis=1) >= SAME_CELL) & waits[best])
