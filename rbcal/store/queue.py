"""The queue: images of the pool, in the order in which the expert reviews them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import NamedTuple

from rbcal.acquisition.relevance import Score
from rbcal.store.classes import CellClass, Classes, read_merges
from rbcal.store.database import Database, now
from rbcal.store.rankings import CURRENT_RANKING, score_of


@dataclass(frozen=True)
class QueueEntry:
    """An image of the pool at its place in the queue; `score` is None while it is not scored.

    `rare_names` are the rare classes that some of its cells may be of; `skipped` images were put off.
    `likely_cells` says of labels how many cells may be of them: an image is in :meth:`Queue.order` of each.
    """

    image_id: int
    name: str
    score: Score | None
    rare_names: tuple[str, ...] = ()
    skipped: bool = False
    likely_cells: Mapping[int, int] = field(default_factory=dict)


class WaitingCells(NamedTuple):
    """How many cells of an image nobody has read, and how many of them are red; `in_part`: others were read.

    Of an image that was read in part, as many are red as before, but no more than were not read.
    """

    image_id: int
    n_cells: int
    n_red: int
    in_part: bool


class Queue:
    """The queue of one project: that of the current ranking."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def order(self, label: int | None = None) -> list[tuple[int, bool]]:
        """Return the ids of the pool in the order of the queue, and whether each was put off.

        It is that of the ranking's strategy; images not scored yet come last, as imported. With a `label`,
        only images in which some cell may be of that class.
        """
        rows = self._db.rows(
            f"""
            SELECT image.id, EXISTS (SELECT 1 FROM skipped WHERE skipped.image_id = image.id) AS skipped
            FROM image LEFT JOIN score ON score.image_id = image.id AND ranking_id = {CURRENT_RANKING}
            WHERE split = 'work' AND NOT EXISTS (SELECT 1 FROM review WHERE review.image_id = image.id)
              AND (:labels IS NULL OR EXISTS (
                SELECT 1 FROM class_score
                WHERE ranking_id = {CURRENT_RANKING} AND class_score.image_id = image.id
                  AND class_id IN (SELECT value FROM json_each(:labels))))
            ORDER BY place NULLS LAST, relevance DESC NULLS LAST, image.id
            """,  # noqa: S608  our own text
            {"labels": None if label is None else json.dumps(read_merges(self._db).members(label))},
        )
        return [(row["id"], bool(row["skipped"])) for row in rows]

    def entries(self, image_ids: Sequence[int]) -> list[QueueEntry]:
        """Return what the queue shows of some images of the pool, in the order given."""
        rows = self._db.rows(
            f"""
            SELECT image.id, image.name, score.*,
                   EXISTS (SELECT 1 FROM skipped WHERE skipped.image_id = image.id) AS skipped,
                   (SELECT json_group_object(class_id, n_cells) FROM class_score
                    WHERE class_score.image_id = image.id AND ranking_id = {CURRENT_RANKING}) AS likely
            FROM json_each(?) AS wanted JOIN image ON image.id = wanted.value
            LEFT JOIN score ON score.image_id = image.id AND ranking_id = {CURRENT_RANKING}
            ORDER BY wanted.key
            """,  # noqa: S608  our own text
            (json.dumps(list(image_ids)),),
        )
        classes = Classes(self._db).all()
        likely = [_counted(json.loads(row["likely"]), classes) for row in rows]
        return [
            QueueEntry(
                row["id"],
                row["name"],
                score_of(row),
                tuple(classes[label].name for label in cells if classes[label].rare),
                bool(row["skipped"]),
                cells,
            )
            for row, cells in zip(rows, likely, strict=True)
        ]

    def waiting_cells(self, ranking_id: int, group: str | None = None) -> list[WaitingCells]:
        """Return, for each image of a ranking with cells that nobody has read, how many those are."""
        rows = self._db.tuples(
            "SELECT image_id, n_cells, min(n_red, n_cells), is_reviewed FROM (SELECT score.image_id,"
            "  coalesce(n_red, n_flagged) AS n_red,"
            "  review.id IS NOT NULL AS is_reviewed, CASE WHEN review.id IS NULL THEN score.n_cells ELSE"
            "   (SELECT count(*) FROM annotation WHERE review_id = review.id AND review_status = 'open') END"
            "  AS n_cells"
            "  FROM score JOIN image ON image.id = score.image_id"
            "  JOIN image_group ON image_group.id = image.group_id"
            "  LEFT JOIN current_review AS review ON review.image_id = image.id"
            "  WHERE score.ranking_id = ? AND image.split = 'work' AND ifnull(image_group.name = ?, TRUE))"
            " WHERE n_cells > 0 ORDER BY image_id",
            (ranking_id, group),
        )
        return list(starmap(WaitingCells, rows))  # in a large pool each costs

    def top(self, limit: int | None = None) -> list[QueueEntry]:
        """Return the pool, the most relevant image first; images not scored yet come last, as imported."""
        return self.entries([image_id for image_id, _ in self.order()[:limit]])

    def skip(self, image_id: int) -> None:
        """Put an image off: it stays where it is in the ranking, and waits until the others are done."""
        self._db.write("INSERT OR REPLACE INTO skipped VALUES (?, ?)", (image_id, now()))

    def flagged_in_pool(self) -> int | None:
        """Return how many red cells wait in the pool by the current ranking; None without a ranking."""
        ranking_id = self._db.value(f"SELECT {CURRENT_RANKING}")
        return None if ranking_id is None else sum(each.n_red for each in self.waiting_cells(ranking_id))


def _counted(likely: Mapping[str, int], classes: Sequence[CellClass]) -> dict[int, int]:
    """Return how many cells may be of each label, with those of merged classes counted as their targets."""
    cells: dict[int, int] = {}
    for label, n in sorted((int(label), n) for label, n in likely.items()):
        target = classes[label].merged_into
        counted = label if target is None else target
        cells[counted] = cells.get(counted, 0) + n
    return cells
