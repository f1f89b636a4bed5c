"""Rankings: the pool as one model scored it and a strategy ordered it, with every predicted cell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.pool import Pool
from rbcal.acquisition.relevance import Score
from rbcal.config import ScoringConfig
from rbcal.errors import ProjectError
from rbcal.json_values import from_json, to_json
from rbcal.store.classes import read_merges
from rbcal.store.database import Database, Row, now
from rbcal.store.live_heads import live_scores, read_live_head
from rbcal.store.rows import from_row, to_row
from rbcal.types import CROP_EMBEDDING_SIZE, EMBEDDING_SIZE, Floats, Ints

_AT_ONCE = 500  # images whose cells are read at once; bounds the memory
CURRENT_RANKING = "(SELECT max(id) FROM ranking WHERE finished_at IS NOT NULL)"


@dataclass(frozen=True)
class StoredRanking:
    """One scoring of the pool, ordered by a strategy. It is stale when another model serves by now.

    `context` is what the strategy took into account.
    """

    id: int
    model_id: int
    config: ScoringConfig
    created_at: str
    stale: bool
    strategy: str = "relevance"
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PoolState:
    """What a model predicted in the pool when it was ranked."""

    model_id: int
    annotated_cells: int  # that the model was trained on
    n_images: int
    n_cells: float
    n_flagged: float


@dataclass(frozen=True)
class RankedImage:
    """What a strategy says of an image; `propensity` is the chance if it was drawn at random."""

    image_id: int
    value: float
    terms: Mapping[str, float]
    propensity: float | None


class Cell(NamedTuple):  # a dataclass would cost as much as the row that it comes from
    """A detected cell: box (4,) in pixels, its three scores, and its mean class distribution (C + 1,).

    `passes` (T, 4) are its boxes in the stochastic passes, to a fraction of a pixel; `bald`, `agreement`,
    `rate` and `embedding` (D,) are what the strategies go by. None: they were not kept.
    """

    detection_id: int
    box: Floats
    u_d: float
    u_c: float
    u_r: float
    probs: Floats
    passes: Floats | None = None
    bald: float | None = None
    agreement: float | None = None
    rate: float | None = None
    embedding: Floats | None = None

    @property
    def label(self) -> int:
        """The most probable class, background left out."""
        return int(self.probs[1:].argmax())


class Rankings:
    """The rankings of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, model_id: int, config: ScoringConfig) -> int:
        """Start a ranking and return its id; it counts only once it is finished."""
        with self._db.transaction():
            self._db.write("DELETE FROM ranking WHERE finished_at IS NULL")  # what a dead worker left
            return self._db.insert("ranking", model_id=model_id, config=to_json(config), created_at=now())

    def add(self, ranking_id: int, image_id: int, score: Score, cells: list[Cell]) -> None:
        """Store what the model predicted in one image; the ids of `cells` are given by the store."""
        with self._db.transaction():
            self._db.insert("score", ranking_id=ranking_id, image_id=image_id, **to_row(score))
            self._db.write_many(
                "INSERT INTO detection (ranking_id, image_id, x1, y1, x2, y2, u_d, u_c, u_r, probs, passes,"
                " bald, agreement, rate, embedding) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(ranking_id, image_id, *_columns(cell)) for cell in cells],
            )
            if cells:
                self._count_likely_classes(ranking_id, image_id, cells)

    def _count_likely_classes(self, ranking_id: int, image_id: int, cells: list[Cell]) -> None:
        config = self._db.value("SELECT config FROM ranking WHERE id = ?", (ranking_id,))
        threshold = from_json(ScoringConfig, config).rare_threshold
        counts = (np.stack([cell.probs[1:] for cell in cells]) > threshold).sum(axis=0)
        self._db.write_many(
            "INSERT INTO class_score VALUES (?, ?, ?, ?)",
            [(ranking_id, image_id, int(label), int(counts[label])) for label in np.flatnonzero(counts)],
        )

    def recount_likely_classes(self, ranking_id: int, pool: Pool) -> None:
        """Count anew how many cells of each image may be of each class, where a live head names them.

        Parameters
        ----------
        pool : Pool
            As :meth:`pool` returns it.
        """
        head = read_live_head(self._db, ranking_id)
        if head is None or head.fitted is None:
            return
        threshold, ids = self.get(ranking_id).config.rare_threshold, list(pool.image_ids)
        counts = np.stack([pool.total(column) for column in (pool.probs[:, 1:] > threshold).T])  # (C, K)
        now_likely = {(ids[k], label): int(counts[label, k]) for label, k in np.argwhere(counts).tolist()}
        was_likely = {
            (image_id, label): n
            for image_id, label, n in self._db.tuples(
                "SELECT image_id, class_id, n_cells FROM class_score WHERE ranking_id = ?"
                " AND image_id IN (SELECT value FROM json_each(?))",
                (ranking_id, json.dumps(ids)),
            )
        }
        gone = was_likely.keys() - now_likely.keys()  # a large pool has many that stay as they are
        changed = now_likely.items() - was_likely.items()
        with self._db.transaction():
            self._db.write_many(
                "DELETE FROM class_score WHERE ranking_id = ? AND image_id = ? AND class_id = ?",
                [(ranking_id, *each) for each in gone],
            )
            self._db.write_many(
                "INSERT OR REPLACE INTO class_score VALUES (?, ?, ?, ?)",
                [(ranking_id, *each, n) for each, n in changed],
            )
            self._db.write_many(
                "UPDATE score SET n_rare = ?3 WHERE ranking_id = ?1 AND image_id = ?2 AND n_rare <> ?3",
                [(ranking_id, ids[k], int(n)) for k, n in enumerate(pool.total(pool.u_r > 0))],
            )

    def save_annotated_embeddings(self, ranking_id: int, embeddings: Floats) -> None:
        """Store what the model makes of cells in annotated images, (M, D)."""
        self._db.write(
            "UPDATE ranking SET annotated_embeddings = ? WHERE id = ?",
            (embeddings.astype("<f2").tobytes(), ranking_id),
        )

    def annotated_embeddings(self, ranking_id: int) -> Floats:
        """Return what cells in annotated images look like, (M, D); as in :meth:`pool`."""
        embeddings = self._db.value("SELECT annotated_embeddings FROM ranking WHERE id = ?", (ranking_id,))
        return projected(self._embeddings(ranking_id, embeddings or b""))

    def _embeddings(self, ranking_id: int, content: bytes) -> Floats:
        """Return embeddings (N, D); those of a second look have a size of their own."""
        size = EMBEDDING_SIZE if read_live_head(self._db, ranking_id) is None else CROP_EMBEDDING_SIZE
        return np.frombuffer(content, "<f2").astype(np.float32).reshape(-1, size)

    def pool(self, ranking_id: int, images: Sequence[int] | None = None) -> Pool:
        """Return every cell that a ranking holds of images that wait for a review, as the live head names it.

        Parameters
        ----------
        images : sequence of int, optional
            In place of those that wait for a review: all cells of these.

        Raises
        ------
        ProjectError
            If the ranking is older than the strategies, and does not hold what they go by.
        """
        image_ids = self._waiting_images(ranking_id) if images is None else list(images)
        parts = [
            self._cells_of(ranking_id, image_ids[start : start + _AT_ONCE], start)
            for start in range(0, max(1, len(image_ids)), _AT_ONCE)
        ]
        return Pool(image_ids, *map(np.concatenate, zip(*parts, strict=True)))

    def _waiting_images(self, ranking_id: int) -> list[int]:
        rows = self._db.tuples(
            "SELECT image_id FROM score JOIN image ON image.id = image_id"
            " WHERE ranking_id = ? AND split = 'work'"
            " AND NOT EXISTS (SELECT 1 FROM review WHERE review.image_id = image.id) ORDER BY image_id",
            (ranking_id,),
        )
        return [image_id for (image_id,) in rows]

    def _cells_of(self, ranking_id: int, images: Sequence[int], first: int) -> tuple[NDArray[Any], ...]:
        """Return the columns of :class:`Pool` for some images, before which there are `first`."""
        rows = self._db.tuples(
            "SELECT wanted.key, probs, embedding, u_d, u_c, u_r, bald, agreement, rate"
            " FROM json_each(?) AS wanted JOIN detection ON image_id = wanted.value AND ranking_id = ?"
            " ORDER BY wanted.key, detection.id",
            (json.dumps(list(images)), ranking_id),
        )
        place, probs, embeddings, *scores = zip(*rows, strict=True) if rows else [()] * 9
        if None in embeddings:
            raise ProjectError("The images were sorted by an older rbcal. Sort them again on the Train page.")
        distributions = self._widened(probs)
        embedded = self._embeddings(ranking_id, b"".join(embeddings))
        u_d, u_c, u_r, *others = (np.array(column, np.float32) for column in scores)
        live = live_scores(self._db, ranking_id, distributions, embedded, u_c) if rows else None
        distributions, u_c, u_r = live or (distributions, u_c, u_r)
        return np.array(place, np.int64) + first, distributions, u_d, u_c, u_r, *others, projected(embedded)

    def own_probs(self, ranking_id: int, images: Sequence[int]) -> Floats:
        """Return the class distributions by the model itself, (N, C + 1), in the order of :meth:`pool`."""
        rows = self._db.tuples(
            "SELECT probs FROM json_each(?) AS wanted JOIN detection"
            " ON image_id = wanted.value AND ranking_id = ? ORDER BY wanted.key, detection.id",
            (json.dumps(list(images)), ranking_id),
        )
        return self._widened([probs for (probs,) in rows])

    def boxes(self, ranking_id: int, images: Sequence[int]) -> tuple[Ints, Floats]:
        """Return detections (N,) and their boxes (N, 4) in pixels, in the order of :meth:`pool`."""
        rows = self._db.tuples(
            "SELECT detection.id, x1, y1, x2, y2 FROM json_each(?) AS wanted JOIN detection"
            " ON image_id = wanted.value AND ranking_id = ? ORDER BY wanted.key, detection.id",
            (json.dumps(list(images)), ranking_id),
        )
        ids = np.array([row[0] for row in rows], np.int64)
        return ids, np.array([row[1:] for row in rows], np.float32).reshape(-1, 4)

    def arrange(
        self, ranking_id: int, strategy: str, arranged: Sequence[RankedImage], context: Mapping[str, Any]
    ) -> None:
        """Put the images of a ranking into the order of a strategy, in place of an earlier one.

        Parameters
        ----------
        arranged : sequence of Arranged
            In the order of the queue. Images that are left out go to its end.
        context : mapping
            What the strategy took into account, JSON-serialisable.
        """
        with self._db.transaction():
            self._db.write(
                "UPDATE ranking SET strategy = ?, context = ? WHERE id = ?",
                (strategy, json.dumps(context), ranking_id),
            )
            self._db.write(
                "UPDATE score SET place = NULL, value = NULL, terms = '{}', propensity = NULL"
                " WHERE ranking_id = ?"  # a reviewed image keeps why it came: outcomes go by it
                " AND NOT EXISTS (SELECT 1 FROM review WHERE review.image_id = score.image_id)",
                (ranking_id,),
            )
            self._db.write_many(
                "UPDATE score SET place = ?, value = ?, terms = ?, propensity = ?"
                " WHERE ranking_id = ? AND image_id = ?",
                [
                    (place, each.value, json.dumps(each.terms), each.propensity, ranking_id, each.image_id)
                    for place, each in enumerate(arranged, start=1)
                ],
            )

    def propensities(self, ranking_id: int) -> dict[int, float]:
        """Return the chance of each image that was drawn at random for its place."""
        return dict(
            self._db.tuples(
                "SELECT image_id, propensity FROM score WHERE ranking_id = ? AND propensity IS NOT NULL",
                (ranking_id,),
            )
        )

    def finish(self, ranking_id: int) -> None:
        """Make a ranking count, and drop the older detections in images that nobody has worked on."""
        with self._db.transaction():
            self._db.write("UPDATE ranking SET finished_at = ? WHERE id = ?", (now(), ranking_id))
            self._db.write(
                "DELETE FROM detection WHERE ranking_id < ?"
                " AND NOT EXISTS (SELECT 1 FROM act WHERE act.image_id = detection.image_id)",
                (ranking_id,),
            )
            self._db.write("DELETE FROM annotated_cells WHERE ranking_id < ?", (ranking_id,))

    def current(self) -> StoredRanking | None:
        """Return the last finished ranking, or None."""
        current = self._db.value(f"SELECT {CURRENT_RANKING}")
        return None if current is None else self.get(current)

    def get(self, ranking_id: int) -> StoredRanking:
        """Return one ranking."""
        row = self._db.row(
            "SELECT *, model_id IS NOT (SELECT model_id FROM serving ORDER BY id DESC LIMIT 1) AS stale"
            " FROM ranking WHERE id = ?",
            (ranking_id,),
        )
        if row is None:
            raise KeyError(ranking_id)
        return from_row(StoredRanking, row)

    def score(self, ranking_id: int, image_id: int) -> Score | None:
        """Return the score of one image in one ranking, or None."""
        row = self._db.row(
            "SELECT * FROM score WHERE ranking_id = ? AND image_id = ?", (ranking_id, image_id)
        )
        return None if row is None else score_of(row)

    def cells(self, ranking_id: int, image_id: int, *, live: bool = False) -> list[Cell]:
        """Return the predicted cells of one image; a class younger than the model has probability 0.

        Parameters
        ----------
        live : bool
            As the live head has them by now, not as the model that was measured.
        """
        rows = self._db.tuples(
            "SELECT id, u_d, u_c, u_r, x1, y1, x2, y2, probs, passes, embedding FROM detection"
            " WHERE ranking_id = ? AND image_id = ? ORDER BY id",
            (ranking_id, image_id),
        )
        if not rows:
            return []
        ids, u_d, u_c, u_r, x1, y1, x2, y2, probs, passes, embeddings = zip(*rows, strict=True)
        boxes, distributions = np.array([x1, y1, x2, y2], np.float32).T, self._widened(probs)
        if live and None not in embeddings:
            embedded = self._embeddings(ranking_id, b"".join(embeddings))
            scores = live_scores(self._db, ranking_id, distributions, embedded, np.array(u_c, np.float32))
            if scores is not None:
                distributions, u_c, u_r = scores[0], scores[1].tolist(), scores[2].tolist()
        columns = (ids, boxes, u_d, u_c, u_r, distributions, _unpacked(passes, boxes))
        return [Cell(*each) for each in zip(*columns, strict=True)]

    def _widened(self, probs: Sequence[bytes]) -> Floats:
        """Return distributions (N, C + 1), wide enough for classes that came later, of classes as merged."""
        [(n_classes,)] = self._db.tuples("SELECT count(*) FROM class")
        stored = np.frombuffer(b"".join(probs), "<f4").reshape(len(probs), -1 if probs else 1 + n_classes)
        if stored.shape[1] <= n_classes:
            stored = np.pad(stored, ((0, 0), (0, 1 + n_classes - stored.shape[1])))
        return read_merges(self._db).probs(stored)

    def history(self) -> list[PoolState]:
        """Return what each finished ranking predicted in the pool of its time, the oldest first."""
        rows = self._db.rows(
            "SELECT ranking.model_id, model.n_cells AS annotated_cells, count(*) AS n_images,"
            " total(score.n_cells) AS n_cells, total(coalesce(n_red, n_flagged)) AS n_flagged"
            " FROM ranking JOIN model ON model.id = ranking.model_id"
            " JOIN score ON score.ranking_id = ranking.id"
            " WHERE finished_at IS NOT NULL GROUP BY ranking.id ORDER BY ranking.id"
        )
        return [PoolState(**row) for row in rows]


def projected(embeddings: Floats) -> Floats:
    """Return embeddings (N, D) as 32 numbers each: a million cells of a second look would take 1.5 GB else.

    A random projection, the same always, keeps the angles between them (Johnson and Lindenstrauss 1984).
    """
    size = embeddings.shape[1]
    if size == EMBEDDING_SIZE:
        return embeddings
    projection = np.random.default_rng(size).normal(size=(size, EMBEDDING_SIZE)) / np.sqrt(EMBEDDING_SIZE)
    return embeddings @ projection.astype(np.float32)


def _columns(cell: Cell) -> tuple[object, ...]:
    """Return a cell as the columns of a detection, from x1 on."""
    scores = (cell.u_d, cell.u_c, cell.u_r, cell.probs.astype("<f4").tobytes())
    passes = None if cell.passes is None else (cell.passes - cell.box).astype("<f2").tobytes()
    embedding = None if cell.embedding is None else cell.embedding.astype("<f2").tobytes()
    return (*cell.box.tolist(), *scores, passes, cell.bald, cell.agreement, cell.rate, embedding)


def _unpacked(passes: Sequence[bytes | None], boxes: Floats) -> Iterator[Floats | None]:
    """Return, for each cell of an image, its boxes in the passes (T, 4); None where they were not kept."""
    kept = np.array([each is not None for each in passes])
    if not kept.any():
        return iter([None] * len(passes))
    shifts = np.frombuffer(b"".join(filter(None, passes)), "<f2").reshape(int(kept.sum()), -1, 4)
    unpacked = iter(shifts.astype(np.float32) + boxes[kept, None])
    return (next(unpacked) if each else None for each in kept)


def score_of(row: Row) -> Score | None:
    """Return the score in a row of an image; None where it is not scored."""
    return None if row["relevance"] is None else from_row(Score, row)
