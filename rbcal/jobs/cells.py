"""Which cells of all images the expert names next, as a strategy over cells chooses them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.cell_strategies import (
    CELL_STRATEGIES,
    DEFAULT_CELL_STRATEGY,
    by_value,
    check_cell_strategy,
    class_probs,
    most_alike,
    rank_cells,
)
from rbcal.acquisition.context import AcquisitionContext
from rbcal.acquisition.pool import Pool
from rbcal.errors import ProjectError
from rbcal.jobs.alike import nearest_cells
from rbcal.jobs.rank import acquisition_context, annotation_context
from rbcal.jobs.unread import are_open_in
from rbcal.store.cell_filters import Size
from rbcal.store.project import Project
from rbcal.store.queue import WaitingCells
from rbcal.store.rankings import StoredRanking
from rbcal.types import Floats, Ints, Reals, area

_MOST_BOXES = 10**6  # that an image ever had
_CHOICE = 3  # times as many cells as are asked for: enough images that they are not all of one slide


@dataclass(frozen=True, eq=False)
class AskedCell:
    """A cell that the expert is to name.

    Parameters
    ----------
    detection_id : int
    image_id, image : int, str
        The image that it is in, and its name.
    box : (4,) float32, pixels
    label : int
        What it is named now, by the live head where there is one.
    p : float
        How probable that class is, given that it is a cell.
    change_probability : float or None
        The chance that the expert would change the cell; None while nobody knows how often the model errs.
    value : float
        By the strategy: high speaks for it.
    embedding : (D,) float32
        What it looks like.
    number : int or None
        Of its box in an image where it was answered before; None: nobody has read it.
    hint : str
        What else there is to say of it.
    is_test : bool
        It is of a test image, so nothing is chosen by what it looks like: it has no embedding here.
    """

    detection_id: int
    image_id: int
    image: str
    box: Floats
    label: int
    p: float
    change_probability: float | None
    value: float
    embedding: Floats
    number: int | None = None
    hint: str = ""
    is_test: bool = False

    @property
    def id(self) -> int:
        """What tells it from all other cells of a wall: its detection, or, below 0, its image and number."""
        if self.number is None:
            return self.detection_id
        return -(self.image_id * _MOST_BOXES + self.number + 1)


@dataclass(frozen=True)
class CellQuery:
    """The cells to ask for, the first one first, out of `n_cells` that wait.

    Of those `n_promised` are green: so few of them are wrong that they need not be read. 0 where cells of one
    class are asked for.
    """

    ranking: StoredRanking
    n_cells: int
    cells: list[AskedCell]
    n_promised: int = 0


def cells_to_ask(
    project: Project,
    limit: int,
    strategy: str = DEFAULT_CELL_STRATEGY,
    label: int | None = None,
    like: Floats | None = None,
    *,
    by_size: Size | None = None,
    group: str | None = None,
    sample: bool = False,
) -> CellQuery:
    """Return the cells to ask for next, of all that nobody has read; no image is predicted anew.

    Parameters
    ----------
    limit : int
        How many at most.
    label : int, optional
        Only cells that are named so now.
    like : (D,) float32, optional
        An embedding: those that look most like it come first, whatever the strategy.
    by_size : "largest" or "smallest", optional
        Which come first, whatever the strategy, by the area of their boxes.
    group : str, optional
        Only cells of images of that slide.
    sample : bool
        Whether to choose among the cells of some images, drawn at random: quick, however large the pool.

    Raises
    ------
    ProjectError
        If the pool is not ranked.
    ScoringError
        If there is no such strategy.
    """
    check_cell_strategy(strategy)
    with project.read_transaction():  # one state of the file, though the expert goes on
        ranking = project.rankings.current()
        if ranking is None:
            raise ProjectError(
                "The pool is not ranked yet, so no cell is known. Train, then score the pool: rbcal train, "
                "rbcal score."
            )
        waiting = project.queue.waiting_cells(ranking.id, group)
        if like is not None and label is None:
            return _alike(project, ranking, waiting, like, limit)
        images = _drawn(waiting, limit) if sample else waiting
        pool = project.rankings.pool(ranking.id, [each.image_id for each in images])
        chances = _chances(project, ranking.id, pool)
        named = pool.probs[:, 1:].argmax(axis=1) if len(pool) else np.empty(0, np.int64)
        wanted = _are_open(project, ranking.id, pool, {each.image_id for each in images if each.in_part})
        if label is not None:
            wanted &= named == label
        rows = np.flatnonzero(wanted)
        context = _context(project, ranking, strategy, None if chances is None else chances[rows])
        cells = pool.of_cells(rows)
        if like is not None:
            chosen = most_alike(cells, like, limit)
        elif by_size is not None:
            _, boxes = project.rankings.boxes(ranking.id, pool.image_ids)
            areas = area(boxes[rows]).astype(np.float64)
            chosen = by_value(areas if by_size == "largest" else -areas, context, limit)
        else:
            chosen = rank_cells(strategy, cells, context, limit)
        values = np.full(len(pool), np.nan)
        values[rows] = chosen.values
        asked = _described(project, ranking.id, pool, rows[chosen.cells], chances, values)
        n_cells = sum(each.n_cells for each in waiting) if sample else len(rows)
        n_promised = 0 if label is not None else _promised(project, ranking.id, waiting)
        return CellQuery(ranking, n_cells, list(asked), n_promised)


def _promised(project: Project, ranking_id: int, waiting: Sequence[WaitingCells]) -> int:
    """Return how many cells that wait are green, and that with a promise; by the paper there is none."""
    change = project.colours.get(ranking_id)
    if project.colours.by == "paper" or change is None or change.green_limit is None:
        return 0
    return sum(each.n_cells - each.n_red for each in waiting)


def _alike(
    project: Project, ranking: StoredRanking, waiting: Sequence[WaitingCells], like: Floats, limit: int
) -> CellQuery:
    """Return the cells that look most like one; of these alone more is read than what they look like."""
    nearest = nearest_cells(project, ranking, waiting, like, limit)
    pool = project.rankings.pool(ranking.id, nearest.image_ids)
    rows = np.searchsorted(pool.image, nearest.image) + nearest.place
    chosen = most_alike(pool.of_cells(rows), like, len(rows))
    values = np.full(len(pool), np.nan)
    values[rows] = chosen.values
    chances = _chances(project, ranking.id, pool)
    asked = list(_described(project, ranking.id, pool, rows[chosen.cells], chances, values))
    n_cells = sum(each.n_cells for each in waiting)
    return CellQuery(ranking, n_cells, asked, _promised(project, ranking.id, waiting))


def _chances(project: Project, ranking_id: int, pool: Pool) -> Reals | None:
    """Return the chance that the expert would change each cell of the pool, (N,); None: nobody knows."""
    change = project.colours.get(ranking_id)
    if change is None:
        return None
    own = project.rankings.own_probs(ranking_id, pool.image_ids)
    return change.judged(own, pool.probs, pool.image)[0]


def _context(
    project: Project, ranking: StoredRanking, strategy: str, chances: Reals | None
) -> AcquisitionContext:
    """Return what a strategy goes by beside the cells, whose chances of a change are given, (N,)."""
    read = acquisition_context if CELL_STRATEGIES[strategy].by_reviews else annotation_context
    return replace(read(project, ranking, int(ranking.context.get("seed", 0))), chances=chances)


def _drawn(waiting: Sequence[WaitingCells], limit: int) -> list[WaitingCells]:
    """Return images drawn at random with enough cells to choose from; others each time some were read."""
    n_cells = sum(each.n_cells for each in waiting)
    rng, drawn, n = np.random.default_rng(n_cells), list[WaitingCells](), 0
    for place in rng.permutation(len(waiting)).tolist():
        if n >= _CHOICE * limit:
            break
        drawn.append(waiting[place])
        n += waiting[place].n_cells
    return sorted(drawn)


def _are_open(project: Project, ranking_id: int, pool: Pool, in_part: Collection[int]) -> NDArray[np.bool_]:
    """Return whether nobody has read each cell of the pool, (N,); of images `in_part` some were read."""
    is_open = np.ones(len(pool), bool)
    for k, image_id in enumerate(pool.image_ids):
        if image_id in in_part:
            is_open[pool.image == k] = are_open_in(project, ranking_id, image_id)
    return is_open


def _described(
    project: Project, ranking_id: int, pool: Pool, cells: Ints, chances: Reals | None, values: Reals
) -> Iterator[AskedCell]:
    """Yield chosen cells of the pool with what is shown of them, in their order."""
    of_cells = np.unique(pool.image[cells])  # the images, of which no other is read
    ids, boxes = project.rankings.boxes(ranking_id, [pool.image_ids[k] for k in of_cells.tolist()])
    rows = np.searchsorted(np.flatnonzero(np.isin(pool.image, of_cells)), cells)  # of these images alone
    images = {k: project.images.get(pool.image_ids[k]) for k in of_cells.tolist()}
    for cell, row, of_cell in zip(
        cells.tolist(), rows.tolist(), class_probs(pool.of_cells(cells)), strict=True
    ):
        image = images[int(pool.image[cell])]
        yield AskedCell(
            detection_id=int(ids[row]),
            image_id=image.id,
            image=image.name,
            box=boxes[row],
            label=int(of_cell.argmax()),
            p=float(of_cell.max()),
            change_probability=None if chances is None else float(chances[cell]),
            value=float(values[cell]),
            embedding=pool.embeddings[cell],
        )
