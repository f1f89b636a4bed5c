"""The cells that the expert has answered, and the answers that cells which look alike contradict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from rbcal.evaluation.matching import match
from rbcal.jobs.cells import AskedCell
from rbcal.live_head import LastLayer, fit
from rbcal.store.cell_filters import CellFilter, Kind
from rbcal.store.live_heads import StoredHead
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.rankings import projected
from rbcal.types import Annotations, Detections, Floats, Reals

DOUBTFUL = 0.01  # probability of an answer by all others: measured in docs/benchmarks/review.md
FEWEST = 100  # answers; of fewer, nobody knows what a class looks like
HIDDEN = -1  # the label of a cell whose name the expert must not see
_FOLDS = 5
_NOTHING = np.empty(0, np.float32)  # the embedding of a cell that nothing is chosen by


@dataclass(frozen=True, eq=False)
class AnsweredCell:
    """A cell of an annotated image: its box, which has a number there, and what it looks like (D,)."""

    image_id: int
    review_id: int
    number: int
    state: BoxState
    embedding: Floats
    is_test: bool = False


def answered_cells(project: Project, wanted: CellFilter, limit: int) -> list[AskedCell]:
    """Return answered cells to look at again, as the current ranking's model sees them.

    Doubtful answers are those that cells which look alike contradict, the strongest contradiction first. Of
    the other kinds the newest review comes first, unless a size does. None of a test image is doubtful:
    whoever corrects there only what a model contradicts makes its figures better than they are.

    Parameters
    ----------
    wanted : CellFilter
        Its kind is not None.
    limit : int
        How many at most.
    """
    with project.read_transaction():
        ranking = project.rankings.current()
        if ranking is None:
            return []
        head = project.live_heads.get(ranking.id)
        if wanted.kind == "doubtful":
            cells = [] if head is None else _doubtful_cells(project, ranking.id, head, wanted.resembles)
        else:
            cells = [(cell, cell.state.note) for cell in _newest_first(project, ranking.id, head, wanted)]
        chosen = [_asked(project, *each) for each in _limited(project, cells, wanted)]
    if wanted.by_size is not None:
        chosen.sort(key=_area, reverse=wanted.by_size == "largest")
    return chosen[:limit]


def _doubtful_cells(
    project: Project, ranking_id: int, head: StoredHead, resembles: int | None
) -> list[tuple[AnsweredCell, str]]:
    names = project.classes.names()
    doubtful = _doubtful(list(_read(project, ranking_id)), head.own, len(names))
    return [(cell, f"looks like {names[label]}") for cell, label in doubtful if resembles in (None, label)]


def _newest_first(
    project: Project, ranking_id: int, head: StoredHead | None, wanted: CellFilter
) -> list[AnsweredCell]:
    """Return the cells of one kind, those of the newest review first."""
    cells = list(_read(project, ranking_id)) if head is not None and "work" in wanted.splits else []
    if "test" in wanted.splits:
        cells += _read_of_test(project)
    cells.sort(key=lambda cell: cell.review_id)
    return [cell for cell in reversed(cells) if _is_of(cell, wanted.kind)]


def _limited(
    project: Project, cells: Sequence[tuple[AnsweredCell, str]], wanted: CellFilter
) -> Iterator[tuple[AnsweredCell, str]]:
    """Yield the cells of one class, slide and person, where one is wanted."""
    group = cache(lambda image_id: project.images.get(image_id).group)
    signed_by = cache(project.log.signed_by)
    for cell, hint in cells:
        if (
            wanted.label in (None, cell.state.label)
            and (wanted.group is None or wanted.group == group(cell.image_id))
            and (wanted.annotator is None or wanted.annotator == signed_by(cell.review_id).get(cell.number))
        ):
            yield cell, hint


def count_doubtful(project: Project) -> tuple[int, int]:
    """Return how many answers are contradicted by cells that look alike, and how many there are."""
    with project.read_transaction():
        ranking = project.rankings.current()
        head = None if ranking is None else project.live_heads.get(ranking.id)
        if ranking is None or head is None:
            return 0, 0
        cells = list(_read(project, ranking.id))
        doubtful = _doubtful(cells, head.own, len(project.classes.names()))
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
                yield AnsweredCell(
                    cells.image_id, cells.review_id, number, states[number], cells.embeddings[row]
                )


def _read_of_test(project: Project) -> Iterator[AnsweredCell]:
    """Yield the cells of test images, without what they look like.

    In blind reading an unsure one has no name: it is the model's, see Editor.is_hidden.
    """
    is_hidden = project.splits.names_are_hidden
    for image in project.images.reviewed_of_test():
        review_id = image.review_id or 0
        for number, state in project.log.reviewed(review_id).items():
            if is_hidden and state.review_status == "unsure":
                state = state._replace(label=HIDDEN)
            yield AnsweredCell(image.id, review_id, number, state, _NOTHING, is_test=True)


def _area(cell: AskedCell) -> float:
    x1, y1, x2, y2 = cell.box.tolist()
    return float((x2 - x1) * (y2 - y1))


def _is_of(cell: AnsweredCell, kind: Kind | None) -> bool:
    status = cell.state.review_status
    of_status = {"unsure": status == "unsure", "in_bulk": status == "accepted_in_bulk"}
    return of_status.get(kind or "", cell.state.is_named)


def _doubtful(
    cells: Sequence[AnsweredCell], own: LastLayer, n_classes: int
) -> list[tuple[AnsweredCell, int]]:
    """Return the answers that all others make improbable, and what they speak for, the worst first."""
    named = [cell for cell in cells if cell.state.is_named]
    if len(named) < FEWEST:
        return []
    probs = cross_fitted(
        own, np.stack([cell.embedding for cell in named]), [cell.state.label for cell in named], n_classes
    )
    p = probs[np.arange(len(named)), [cell.state.label for cell in named]]
    order = [k for k in np.argsort(p, kind="stable").tolist() if p[k] < DOUBTFUL]
    return [(named[k], int(probs[k].argmax())) for k in order]


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
        cell.embedding if cell.is_test else projected(cell.embedding[None])[0],  # as those of the pool are
        number=cell.number,
        hint=hint,
        is_test=cell.is_test,
    )
