"""The cells that the expert has answered, and the answers that cells which look alike contradict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rbcal.evaluation.matching import match
from rbcal.jobs.cells import AskedCell, Size
from rbcal.live_head import LastLayer, fit
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.rankings import projected
from rbcal.types import Annotations, Detections, Floats, Reals

Kind = Literal["doubtful", "unsure", "in_bulk", "named"]
DOUBTFUL = 0.01  # probability of an answer by all others: measured in docs/benchmarks/review.md
FEWEST = 100  # answers; of fewer, nobody knows what a class looks like
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class AnsweredCell:
    """A cell of an annotated image: its box, which has a number there, and what it looks like (D,)."""

    image_id: int
    number: int
    state: BoxState
    embedding: Floats


def answered_cells(
    project: Project,
    kind: Kind,
    label: int | None = None,
    group: str | None = None,
    limit: int = 1000,
    by_size: Size | None = None,
) -> list[AskedCell]:
    """Return answered cells to look at again, as the current ranking's model sees them.

    Parameters
    ----------
    kind : Kind
        "doubtful": answers that cells which look alike contradict, the strongest contradiction first;
        "unsure"; "in_bulk": accepted with all green ones; "named": all that have a class. But for the first,
        the newest image comes first.
    label : int, optional
        Only cells that were named so.
    group : str, optional
        Only cells of images of that slide.
    limit : int
        How many at most.
    by_size : "largest" or "smallest", optional
        Which come first, by the area of their boxes.
    """
    with project.read_transaction():
        ranking = project.rankings.current()
        head = None if ranking is None else project.live_heads.get(ranking.id)
        if ranking is None or head is None:
            return []
        cells = list(_read(project, ranking.id))
        if kind == "doubtful":
            cells, hints = _doubtful(cells, head.own, project.classes.names())
        else:
            cells = [cell for cell in reversed(cells) if _is_of(cell, kind)]
            hints = [cell.state.note for cell in cells]
        images = {cell.image_id for cell in cells}
        if group is not None:
            images = {image_id for image_id in images if project.images.get(image_id).group == group}
        chosen = [
            _asked(project, cell, hint)
            for cell, hint in zip(cells, hints, strict=True)
            if label in (None, cell.state.label) and cell.image_id in images
        ]
    if by_size is not None:
        chosen.sort(key=_area, reverse=by_size == "largest")
    return chosen[:limit]


def count_doubtful(project: Project) -> tuple[int, int]:
    """Return how many answers are contradicted by cells that look alike, and how many there are."""
    with project.read_transaction():
        ranking = project.rankings.current()
        head = None if ranking is None else project.live_heads.get(ranking.id)
        if ranking is None or head is None:
            return 0, 0
        cells = list(_read(project, ranking.id))
        doubtful, _ = _doubtful(cells, head.own, project.classes.names())
    return len(doubtful), sum(cell.state.is_named for cell in cells)


def _read(project: Project, ranking_id: int) -> Iterator[AnsweredCell]:
    """Yield the cells of annotated images that a ranking has an embedding of."""
    for cells in project.live_heads.answered(ranking_id):
        states = project.log.reviewed(cells.review_id)
        numbers, boxes = list(states), np.array([state.box for state in states.values()], np.float32)
        if cells.boxes is None:
            of_row = range(len(numbers))
        else:
            anything = np.tile(np.array([0, 1], np.float32), (len(cells.boxes), 1))
            truth = Annotations(boxes.reshape(-1, 4), np.zeros(len(boxes), np.int64))
            of_row = match(truth, Detections(cells.boxes, anything)).detection.tolist()
        for row, place in enumerate(of_row):
            if place >= 0:
                number = numbers[place]
                yield AnsweredCell(cells.image_id, number, states[number], cells.embeddings[row])


def _area(cell: AskedCell) -> float:
    x1, y1, x2, y2 = cell.box.tolist()
    return float((x2 - x1) * (y2 - y1))


def _is_of(cell: AnsweredCell, kind: Kind) -> bool:
    status = cell.state.review_status
    of_status = {"unsure": status == "unsure", "in_bulk": status == "accepted_in_bulk"}
    return of_status.get(kind, cell.state.is_named)


def _doubtful(
    cells: Sequence[AnsweredCell], own: LastLayer, names: Sequence[str]
) -> tuple[list[AnsweredCell], list[str]]:
    """Return the answers that all others make improbable, and what they speak for, the worst first."""
    named = [cell for cell in cells if cell.state.is_named]
    if len(named) < FEWEST:
        return [], []
    probs = cross_fitted(
        own, np.stack([cell.embedding for cell in named]), [cell.state.label for cell in named], len(names)
    )
    p = probs[np.arange(len(named)), [cell.state.label for cell in named]]
    order = [k for k in np.argsort(p, kind="stable").tolist() if p[k] < DOUBTFUL]
    return [named[k] for k in order], [f"looks like {names[int(probs[k].argmax())]}" for k in order]


def cross_fitted(own: LastLayer, embeddings: Floats, labels: Sequence[int], n_classes: int) -> Reals:
    """Return class probabilities (N, C) of answered cells, each by a last layer that did not learn from it.

    References
    ----------
    Northcutt, Jiang and Chuang 2021, "Confident Learning", J. Artif. Intell. Res. 70.
    """
    of_cells = np.array(labels)
    fold = np.random.default_rng(0).permutation(len(of_cells)) % _FOLDS
    probs = np.zeros((len(of_cells), n_classes))
    for k in range(_FOLDS):
        rest = fold != k
        layer = fit(own, embeddings[rest], of_cells[rest], n_classes)
        probs[~rest] = layer.probs(embeddings[~rest])
    return probs


def _asked(project: Project, cell: AnsweredCell, hint: str) -> AskedCell:
    box, label, _, detection_id, _ = cell.state
    return AskedCell(
        detection_id or 0,
        cell.image_id,
        project.images.get(cell.image_id).name,
        np.array(box, np.float32),
        label,
        1.0,
        None,
        0.0,
        projected(cell.embedding[None])[0],  # as those of the pool are
        number=cell.number,
        hint=hint,
    )
