"""A project as a whole, for a report: its rounds of annotation, its most uncertain cells, its fingerprint."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rbcal.store.classes import read_merges
from rbcal.store.database import Database
from rbcal.store.images import Split
from rbcal.store.log import NOT_NAMED

_FIRST = """
WITH first AS (SELECT image_id, min(model_id) AS model_id FROM training_image GROUP BY image_id)
"""


@dataclass(frozen=True)
class Round:
    """The images that were annotated for one training, the earlier ones left out.

    Parameters
    ----------
    model_id : int or None
        The first model that was trained on them, or picked by them; None: no model was yet.
    n_images, n_imported : int
        Annotated images, and how many of them came with their annotations.
    cells : {label: number}
        Annotated cells that were read; a class without one is left out. Merged classes are their targets.
    expert_seconds : float
        Time of all reviews of these images, later corrections included.
    """

    model_id: int | None
    n_images: int
    n_imported: int
    cells: Mapping[int, int]
    expert_seconds: float

    @property
    def n_cells(self) -> int:
        """Annotated cells of all classes."""
        return sum(self.cells.values())


class Summary:
    """What is said of one project as a whole."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def rounds(self, split: Split) -> list[Round]:
        """Return the annotated images of one side of the test set by round, the oldest first.

        The test set trains no model, so it is one round; an image of it that was read in part is left out.
        """
        images = self._db.rows(
            f"""
            {_FIRST} SELECT model_id, count(*) AS n_images,
                   count(*) FILTER (WHERE origin = 'import') AS n_imported,
                   total((SELECT total(seconds) FROM review
                          WHERE review.image_id = image.id AND review.origin = 'expert')) AS expert_seconds
            FROM counted_review JOIN image ON image.id = counted_review.image_id
            LEFT JOIN first ON first.image_id = image.id
            WHERE counted_review.split = ? GROUP BY model_id ORDER BY model_id NULLS LAST
            """,  # noqa: S608  our own text
            (split,),
        )
        merges = read_merges(self._db)
        cells: dict[int | None, Counter[int]] = {row["model_id"]: Counter() for row in images}
        for model_id, label, n in self._db.tuples(
            f"""
            {_FIRST} SELECT model_id, class_id, count(*)
            FROM read_annotation LEFT JOIN first ON first.image_id = read_annotation.image_id
            WHERE split = ? GROUP BY model_id, class_id ORDER BY class_id
            """,  # noqa: S608  our own text
            (split,),
        ):
            cells[model_id][merges.target(label)] += n
        return [Round(cells=cells[row["model_id"]], **row) for row in images]

    def least_certain(self, ranking_id: int, limit: int, per_image: int) -> list[tuple[int, int]]:
        """Return image and detection ids of the cells that wait for a review, the least certain first.

        Certain is a cell whose class the passes agree on, U^c of equation (6); of equals, one whose boxes
        overlap, U^d of (5). Of one image come at most `per_image` cells.
        """
        rows = self._db.tuples(
            """
            SELECT image_id, id FROM (
              SELECT detection.id, image_id, u_c, u_d,
                     row_number() OVER (PARTITION BY image_id ORDER BY u_c, u_d, detection.id) AS place
              FROM detection JOIN image ON image.id = image_id
              WHERE ranking_id = ? AND split = 'work'
                AND NOT EXISTS (SELECT 1 FROM review WHERE review.image_id = detection.image_id))
            WHERE place <= ? ORDER BY u_c, u_d, id LIMIT ?
            """,
            (ranking_id, per_image, limit),
        )
        return [(image_id, detection_id) for image_id, detection_id in rows]

    def fingerprint(self, split: Split) -> str:
        """Return the SHA-256 of the annotated images of one side of the test set, and of their annotations.

        Two projects have the same if their files, classes and boxes are the same, whatever their order. A
        merged class has the name of its target. It is that of one line of text for each image,
        "file-sha256 layer", each followed by one line for each of its cells, "class-name x1 y1 x2 y2"; images
        and cells are sorted. In place of the class of a cell that nobody read, or that was left unsure, is
        "?"; a test image that was read in part is left out.
        """
        merges = read_merges(self._db)
        names = dict(self._db.tuples("SELECT id, name FROM class"))
        cells: dict[int, list[str]] = {}
        for image_id, label, status, *box in self._db.tuples(
            "SELECT image_id, class_id, review_status, x1, y1, x2, y2 FROM annotation"
            " JOIN counted_review ON counted_review.id = review_id WHERE split = ?",
            (split,),
        ):
            name = "?" if status in NOT_NAMED else names[merges.target(label)]
            cells.setdefault(image_id, []).append(" ".join([name, *map(repr, box)]))
        images = self._db.tuples(
            "SELECT sha256, layer, image.id FROM image JOIN counted_review ON image_id = image.id"
            " WHERE counted_review.split = ? ORDER BY sha256, layer",
            (split,),
        )
        digest = hashlib.sha256()
        for sha256, layer, image_id in images:
            digest.update("\n".join([f"{sha256} {layer}", *sorted(cells.get(image_id, [])), ""]).encode())
        return digest.hexdigest()
