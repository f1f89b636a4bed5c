"""What all cells of a ranking look like, kept in memory from one search for like cells to the next."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbcal.errors import ProjectError
from rbcal.store.database import Database
from rbcal.store.live_heads import read_live_head
from rbcal.store.rankings import StoredRanking, projected
from rbcal.types import CROP_EMBEDDING_SIZE, EMBEDDING_SIZE, Floats, Ints

_KEPT = 2  # rankings, of all projects that a process has open
_AT_ONCE = 500  # images that are read at once; bounds the memory
_lock = threading.Lock()
_kept: dict[tuple[str, str, int, str], CellIndex] = {}  # the one that was asked for last is the last


@dataclass(frozen=True, eq=False)
class CellIndex:
    """The N cells of a ranking in its K images, one image after the other, each by its detections.

    It takes 132 bytes a cell: 132 MB of 1,000,000 cells.

    Parameters
    ----------
    image_ids : (K,) int64
    image : (N,) int32
        Which image a cell is in, 0..K-1.
    first : (K,) int64
        The first cell of each image.
    directions : (N, 32) float32
        Their embeddings, as those of :class:`Pool`, of length 1; 0 where there is none.
    """

    image_ids: Ints
    image: NDArray[np.int32]
    first: Ints
    directions: Floats


class CellIndexes:
    """The cell indexes of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, ranking: StoredRanking) -> CellIndex:
        """Return the index of a finished ranking, whose cells never change: read once, then from memory.

        A process keeps the last two, of whichever projects.

        Raises
        ------
        ProjectError
            If the ranking is older than the strategies, and does not hold what its cells look like.
        """
        key = (str(self._db.path.resolve()), self._db.project_id(), ranking.id, ranking.created_at)
        with _lock:  # who asks meanwhile waits: reading it twice would take longer
            index = _kept.pop(key, None) or self._read(ranking.id)
            _kept[key] = index
            while len(_kept) > _KEPT:
                del _kept[next(iter(_kept))]
        return index

    def _read(self, ranking_id: int) -> CellIndex:
        counted = self._db.tuples(  # from the index of the table alone
            "SELECT image_id, count(*) FROM detection WHERE ranking_id = ?"
            " GROUP BY image_id ORDER BY image_id",
            (ranking_id,),
        )
        image_ids, n_cells = np.array(counted, np.int64).reshape(-1, 2).T
        directions = np.zeros((int(n_cells.sum()), EMBEDDING_SIZE), np.float32)
        first = n_cells.cumsum() - n_cells
        for start in range(0, len(image_ids), _AT_ONCE):
            part = self._embeddings(ranking_id, image_ids[start : start + _AT_ONCE].tolist())
            norms = np.linalg.norm(part, axis=1, keepdims=True)
            here = directions[first[start] : first[start] + len(part)]
            np.divide(part, norms, out=here, where=norms > 0)
        image = np.repeat(np.arange(len(image_ids), dtype=np.int32), n_cells)
        return CellIndex(image_ids, image, first, directions)

    def _embeddings(self, ranking_id: int, images: Sequence[int]) -> Floats:
        rows = self._db.tuples(
            "SELECT embedding FROM json_each(?) AS wanted JOIN detection"
            " ON image_id = wanted.value AND ranking_id = ? ORDER BY wanted.key, detection.id",
            (json.dumps(images), ranking_id),
        )
        contents = [content for (content,) in rows]
        if None in contents:
            raise ProjectError("The images were sorted by an older rbcal. Sort them again on the Train page.")
        size = EMBEDDING_SIZE if read_live_head(self._db, ranking_id) is None else CROP_EMBEDDING_SIZE
        return projected(np.frombuffer(b"".join(contents), "<f2").astype(np.float32).reshape(-1, size))
