"""The pool in the order of relevance, and every cell that a model found in it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from rbcal.boxes import Floats
from rbcal.config import ScoringConfig
from rbcal.store.database import Database, Row, now


@dataclass(frozen=True)
class Ranking:
    """One scoring of the pool. It is stale when another model serves by now."""

    id: int
    model_id: int
    config: ScoringConfig
    created_at: str
    stale: bool


@dataclass(frozen=True)
class Score:
    """How relevant an image is, equation (8), and how many of its cells fire each term."""

    relevance: float
    n_cells: int
    n_flagged: int
    n_class: int
    n_box: int
    n_rare: int


@dataclass(frozen=True)
class PoolState:
    """What a model found in the pool when it was ranked."""

    model_id: int
    annotated_cells: int  # that the model was trained on
    n_images: int
    n_found: float
    n_flagged: float


@dataclass(frozen=True)
class QueueEntry:
    """An image of the pool at its place in the queue; `score` is None while it is not scored."""

    image_id: int
    name: str
    score: Score | None


@dataclass(frozen=True)
class Cell:
    """A detected cell: box (4,) in pixels, its three scores, and its mean class distribution (C + 1,)."""

    detection_id: int
    box: Floats
    u_d: float
    u_c: float
    u_r: float
    probs: Floats

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
            return self._db.write(
                "INSERT INTO ranking (model_id, config, created_at) VALUES (?, ?, ?)",
                (model_id, json.dumps(config.to_json()), now()),
            )

    def add(self, ranking_id: int, image_id: int, score: Score, cells: list[Cell]) -> None:
        """Store what was found in one image; the ids of `cells` are given by the store."""
        with self._db.transaction():
            self._db.write(
                "INSERT INTO score VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    ranking_id,
                    image_id,
                    score.relevance,
                    score.n_cells,
                    score.n_flagged,
                    score.n_class,
                    score.n_box,
                    score.n_rare,
                ),
            )
            self._db.write_many(
                "INSERT INTO detection (ranking_id, image_id, x1, y1, x2, y2, u_d, u_c, u_r, probs)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        ranking_id,
                        image_id,
                        *cell.box.tolist(),
                        cell.u_d,
                        cell.u_c,
                        cell.u_r,
                        cell.probs.astype("<f4").tobytes(),
                    )
                    for cell in cells
                ],
            )

    def finish(self, ranking_id: int) -> None:
        """Make a ranking count, and drop the older detections in images that nobody has reviewed since."""
        with self._db.transaction():
            self._db.write("UPDATE ranking SET finished_at = ? WHERE id = ?", (now(), ranking_id))
            self._db.write(
                "DELETE FROM detection WHERE ranking_id < ?"
                " AND NOT EXISTS (SELECT 1 FROM review WHERE review.image_id = detection.image_id)",
                (ranking_id,),
            )

    def current(self) -> Ranking | None:
        """Return the last finished ranking, or None."""
        row = self._db.row(
            "SELECT *, (SELECT model_id FROM serving ORDER BY serving.id DESC LIMIT 1) AS serving"
            " FROM ranking"
            " WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        if row is None:
            return None
        return Ranking(
            id=row["id"],
            model_id=row["model_id"],
            config=ScoringConfig.from_json(json.loads(row["config"])),
            created_at=row["created_at"],
            stale=row["serving"] != row["model_id"],
        )

    def queue(self, limit: int | None = None) -> list[QueueEntry]:
        """Return the pool, the most relevant image first; images not scored yet come last, as imported."""
        rows = self._db.rows(
            """
            SELECT image.id, image.name, score.* FROM image
            LEFT JOIN score ON score.image_id = image.id
                 AND ranking_id = (SELECT max(id) FROM ranking WHERE finished_at IS NOT NULL)
            WHERE split = 'work' AND NOT EXISTS (SELECT 1 FROM review WHERE review.image_id = image.id)
            ORDER BY relevance DESC NULLS LAST, image.id LIMIT ?
            """,
            (-1 if limit is None else limit,),
        )
        return [QueueEntry(row["id"], row["name"], _score(row)) for row in rows]

    def score(self, ranking_id: int, image_id: int) -> Score | None:
        """Return the score of one image in one ranking, or None."""
        row = self._db.row(
            "SELECT * FROM score WHERE ranking_id = ? AND image_id = ?", (ranking_id, image_id)
        )
        return None if row is None else _score(row)

    def cells(self, ranking_id: int, image_id: int) -> list[Cell]:
        """Return the cells found in one image; a class younger than the model has probability 0."""
        n_columns = 1 + int(self._db.value("SELECT count(*) FROM class"))
        rows = self._db.rows(
            "SELECT * FROM detection WHERE ranking_id = ? AND image_id = ? ORDER BY id",
            (ranking_id, image_id),
        )
        return [
            Cell(
                detection_id=row["id"],
                box=np.array([row["x1"], row["y1"], row["x2"], row["y2"]], np.float32),
                u_d=row["u_d"],
                u_c=row["u_c"],
                u_r=row["u_r"],
                probs=_widened(np.frombuffer(row["probs"], "<f4"), n_columns),
            )
            for row in rows
        ]

    def history(self) -> list[PoolState]:
        """Return what each finished ranking found in the pool of its time, the oldest first."""
        rows = self._db.rows(
            "SELECT ranking.model_id, model.n_cells AS annotated_cells, count(*) AS n_images,"
            " total(score.n_cells) AS n_found, total(n_flagged) AS n_flagged"
            " FROM ranking JOIN model ON model.id = ranking.model_id"
            " JOIN score ON score.ranking_id = ranking.id"
            " WHERE finished_at IS NOT NULL GROUP BY ranking.id ORDER BY ranking.id"
        )
        return [PoolState(**row) for row in rows]

    def flagged_in_pool(self) -> int | None:
        """Return how many flagged cells wait in the pool by the current ranking; None without a ranking."""
        if self.current() is None:
            return None
        return sum(entry.score.n_flagged for entry in self.queue() if entry.score)


def _widened(probs: Floats, n_columns: int) -> Floats:
    return np.pad(probs, (0, max(0, n_columns - len(probs))))


def _score(row: Row) -> Score | None:
    if row["relevance"] is None:
        return None
    return Score(
        row["relevance"], row["n_cells"], row["n_flagged"], row["n_class"], row["n_box"], row["n_rare"]
    )
