"""Answers on cells of many images: each image gets an act and a review, read in part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rbcal.evaluation.matching import SAME_CELL
from rbcal.review.boxes import Box
from rbcal.review.canvas_drawing import Frame
from rbcal.store.log import Boxes, BoxState, ReviewStatus
from rbcal.store.project import Project
from rbcal.types import iou

Unsure = Literal["unsure"]
UNSURE: Unsure = "unsure"


@dataclass(frozen=True)
class CellAnswer:
    """What the expert says of one cell: its label, that it is no cell (None), or that nobody can tell.

    `number` is that of its box, where it was answered before. `shown` is the label that the expert saw: the
    names learn, so the project may call it something else by now.
    """

    image_id: int
    detection_id: int
    box: Box
    label: int | Unsure | None
    number: int | None = None
    shown: int | None = None


@dataclass(frozen=True)
class Answered:
    """What became of answers: the boxes of each image before and after them, and how many came too late.

    Cells that somebody else has read meanwhile are left as they are.
    """

    boxes: dict[int, tuple[Boxes, Boxes]]
    n_stored: int
    n_late: int


def answer_cells(
    project: Project, ranking_id: int, answers: Iterable[CellAnswer], seconds: float = 0.0
) -> Answered:
    """Store answers, all or none of them; the other boxes of those images stay as they are.

    An image that became a test image meanwhile is left as it is: it is read blind. A cell of a test image
    that the expert named before may be named otherwise.

    Parameters
    ----------
    ranking_id : int
        The current one; the cells may be those of one before it.
    seconds : float
        Time of the expert for all of them.
    """
    of_images = defaultdict[int, list[CellAnswer]](list)
    for each in answers:
        of_images[each.image_id].append(each)
    n_asked = sum(map(len, of_images.values()))
    changed, n_stored = dict[int, tuple[Boxes, Boxes]](), 0
    with project.transaction():
        for image_id, said in of_images.items():
            if project.images.get(image_id).split == "test":
                said = [each for each in said if each.number is not None]
            if not said:
                continue
            version, boxes, started_from = _begin(project, ranking_id, image_id)
            now = dict(boxes)
            for each in said:
                n_stored += _apply(now, each)
            if now != boxes:
                changed[image_id] = boxes, now
                _save(project, started_from, image_id, now, version, seconds * len(said) / n_asked)
    return Answered(changed, n_stored, n_asked - n_stored)


def take_back(project: Project, answered: Answered) -> None:
    """Put the boxes back as they were before some answers; what somebody has done to them since stays.

    So does an image that has no review any more: the project was restored to a time before the answers.
    """
    with project.transaction():
        for image_id, (before, after) in answered.boxes.items():
            if not project.reviews.revision(image_id):
                continue
            work = project.log.work(image_id)
            now = dict(work.boxes)
            for number in before:
                if before[number] == after.get(number) or now.get(number) != after.get(number):
                    continue
                now[number] = before[number]
            ordered = {number: now[number] for number in sorted(now)}
            _save(project, work.ranking_id, image_id, ordered, work.version, 0.0)


def _begin(project: Project, ranking_id: int, image_id: int) -> tuple[int, Boxes, int | None]:
    """Return the version and the boxes of an image, and whose boxes they were at first.

    Where nobody has worked on it, they are those of the ranking.
    """
    work = project.log.work(image_id)
    if project.reviews.revision(image_id) or work.boxes != work.start:
        return work.version, work.boxes, work.ranking_id
    image = project.images.get(image_id)
    frame = Frame.of(image.width, image.height)
    boxes = {
        number: BoxState(frame.clip(tuple(cell.box.tolist())), cell.label, "open", cell.detection_id)
        for number, cell in enumerate(project.rankings.cells(ranking_id, image_id, live=True))
    }
    version = project.log.record(image_id, "begin", boxes, version=work.version, ranking_id=ranking_id)
    return version, boxes, ranking_id


def _apply(boxes: dict[int, BoxState], answer: CellAnswer) -> bool:
    """Change the box that an answer is on; return whether it was there, and still open if it was."""
    number = _box_of(boxes, answer) if answer.number is None else answer.number
    if number not in boxes:
        return False
    box = boxes[number]
    if answer.label is None:
        del boxes[number]
    elif answer.label == UNSURE:
        boxes[number] = box._replace(review_status="unsure")
    else:
        shown = box.label if answer.shown is None else answer.shown
        status: ReviewStatus = "kept" if answer.label == shown else "changed"
        boxes[number] = box._replace(label=answer.label, review_status=status)
    return True


def _box_of(boxes: Boxes, answer: CellAnswer) -> int | None:
    """Return the number of the open box of a cell: that of its detection, else the one that lies on it."""
    still_open = {number: box for number, box in boxes.items() if box.review_status == "open"}
    for number, box in still_open.items():
        if box.detection_id == answer.detection_id:
            return number
    if not still_open:
        return None
    numbers = list(still_open)
    sides = np.array([still_open[number].box for number in numbers], np.float32)
    overlap = iou(sides, np.array(answer.box, np.float32))
    best = int(overlap.argmax())
    return numbers[best] if overlap[best] >= SAME_CELL else None


def _save(
    project: Project, ranking_id: int | None, image_id: int, boxes: Boxes, version: int, seconds: float
) -> None:
    version = project.log.record(image_id, "edit", boxes, version=version, seconds=seconds)
    project.reviews.save_boxes(image_id, boxes, origin="expert", version=version, ranking_id=ranking_id)
