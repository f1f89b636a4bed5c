"""The cells that look most like one, of all that nobody has read: searched in memory, read for the few."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

import numpy as np

from rbcal.jobs.unread import are_open_in
from rbcal.store.cell_index import CellIndex
from rbcal.store.project import Project
from rbcal.store.queue import WaitingCells
from rbcal.store.rankings import StoredRanking
from rbcal.types import Floats, Ints

_MORE = 4  # times as many cells are looked through where too few are unread
_LEAST = 1e-12  # length of an embedding


class Nearest(NamedTuple):
    """Some cells, the most alike first: the images that they are in, and of each cell which of their cells.

    `image` (n,) is the place of its image in `image_ids`, and `place` (n,) its own among the cells of that.
    """

    image_ids: list[int]
    image: Ints
    place: Ints


def nearest_cells(
    project: Project, ranking: StoredRanking, waiting: Sequence[WaitingCells], like: Floats, limit: int
) -> Nearest:
    """Return the unread cells of waiting images whose embeddings have the smallest angle with one, (D,)."""
    index = project.cell_indexes.of(ranking)
    cosines = index.directions @ (like / max(float(np.linalg.norm(like)), _LEAST)).astype(np.float32)
    cosines[~np.isin(index.image_ids, [each.image_id for each in waiting])[index.image]] = -np.inf
    is_unread = _unread_in(project, ranking.id, index, {each.image_id for each in waiting if each.in_part})
    n = max(1, limit)
    while True:
        rows = highest(cosines, n)
        unread = list(islice(filter(is_unread, rows.tolist()), limit))
        if len(unread) >= limit or len(rows) < n:
            return _nearest(index, np.array(unread, np.int64))
        n *= _MORE


def _unread_in(
    project: Project, ranking_id: int, index: CellIndex, in_part: Collection[int]
) -> Callable[[int], bool]:
    """Return what says of a cell whether nobody has read it; each image `in_part` is looked up once."""
    are_open = cache(lambda image_id: are_open_in(project, ranking_id, image_id))

    def is_unread(row: int) -> bool:
        k = index.image[row]
        image_id = int(index.image_ids[k])
        return image_id not in in_part or bool(are_open(image_id)[row - index.first[k]])

    return is_unread


def highest(values: Floats, n: int) -> Ints:
    """Return which n of some values are the highest, the highest first, of equals the first; none of -inf.

    >>> highest(np.array([1.0, 3.0, -np.inf, 3.0, 2.0]), 3)
    array([1, 3, 4])
    """
    least = np.partition(values, -n)[-n] if n < len(values) else -np.inf
    rows = np.flatnonzero((values >= least) & (values > -np.inf))
    return np.asarray(rows[np.argsort(-values[rows], kind="stable")][:n])


def _nearest(index: CellIndex, rows: Ints) -> Nearest:
    images, image = np.unique(index.image[rows], return_inverse=True)
    place = rows - index.first[index.image[rows]]
    return Nearest(index.image_ids[images].tolist(), image, place)
