"""What the expert said about each image: every review is kept, the last one holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rbcal.boxes import Annotations
from rbcal.errors import ConflictError
from rbcal.store.database import Database, now

Origin = Literal["import", "expert"]


@dataclass(frozen=True)
class Review:
    """The annotations of one image as of one revision.

    `detection_ids` says, cell by cell, which detection it came from; None for a cell drawn by hand.
    """

    revision: int
    origin: Origin
    seconds: float
    annotations: Annotations
    detection_ids: tuple[int | None, ...]


@dataclass(frozen=True)
class Draft:
    """An unfinished review: boxes as the Review page wrote them, and the seconds spent so far."""

    boxes: list[dict[str, Any]]
    seconds: float


class Reviews:
    """The annotations of one project, and the drafts of those to come."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(
        self,
        image_id: int,
        annotations: Annotations,
        *,
        origin: Origin,
        base_revision: int,
        detection_ids: Sequence[int | None] | None = None,
        ranking_id: int | None = None,
        seconds: float = 0.0,
    ) -> int:
        """Store the annotations of an image as a new revision, drop its draft, and return the revision.

        Parameters
        ----------
        base_revision : int
            The revision that the expert started from; 0 for an image that was not annotated.
        detection_ids : M ids or None, optional
            The detection that each box came from.
        seconds : float
            Time the expert spent.

        Raises
        ------
        ConflictError
            When somebody saved this image since; nothing is written.
        """
        sources = [None] * len(annotations) if detection_ids is None else list(detection_ids)
        try:
            with self._db.transaction():
                review_id = self._db.write(
                    "INSERT INTO review (image_id, revision, origin, ranking_id, seconds, created_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (image_id, base_revision + 1, origin, ranking_id, seconds, now()),
                )
                self._db.write_many(
                    "INSERT INTO annotation (review_id, class_id, x1, y1, x2, y2, detection_id)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (review_id, label, *box, source)
                        for box, label, source in zip(
                            annotations.boxes.tolist(), annotations.labels.tolist(), sources, strict=True
                        )
                    ],
                )
                self.discard_draft(image_id)
        except sqlite3.IntegrityError as err:
            if "review.revision" not in str(err):
                raise
            raise ConflictError(
                "This image was saved elsewhere since you opened it. Nothing was overwritten; "
                "open the image again to see both."
            ) from err
        return base_revision + 1

    def current(self, image_id: int) -> Review | None:
        """Return the annotations that hold for an image, or None while it has none."""
        row = self._db.row(
            "SELECT id, revision, origin, seconds FROM current_review WHERE image_id = ?", (image_id,)
        )
        if row is None:
            return None
        annotations, detection_ids = self._cells(row["id"])
        return Review(row["revision"], row["origin"], row["seconds"], annotations, detection_ids)

    def annotations(self, review_id: int) -> Annotations:
        """Return the annotations of one review, the current one of its image or an earlier one."""
        return self._cells(review_id)[0]

    def _cells(self, review_id: int) -> tuple[Annotations, tuple[int | None, ...]]:
        cells = self._db.rows(
            "SELECT x1, y1, x2, y2, class_id, detection_id FROM annotation WHERE review_id = ? ORDER BY id",
            (review_id,),
        )
        boxes = np.array([[c["x1"], c["y1"], c["x2"], c["y2"]] for c in cells], np.float32).reshape(-1, 4)
        labels = np.array([c["class_id"] for c in cells], np.int64)
        return Annotations(boxes, labels), tuple(c["detection_id"] for c in cells)

    def cells_per_class(self) -> Mapping[int, int]:
        """Return the number of annotated cells of each label, the test set left out."""
        rows = self._db.rows(
            "SELECT class_id, count(*) AS n FROM current_annotation"
            " JOIN image ON image.id = image_id WHERE split = 'work' GROUP BY class_id"
        )
        return {row["class_id"]: row["n"] for row in rows}

    def expert_seconds(self) -> float:
        """Return the time that all reviews took together."""
        return float(self._db.value("SELECT total(seconds) FROM review WHERE origin = 'expert'"))

    def save_draft(self, image_id: int, draft: Draft) -> None:
        """Keep an unfinished review; the last one wins."""
        self._db.write(
            "INSERT INTO draft VALUES (?, ?, ?, ?) ON CONFLICT (image_id) DO UPDATE SET"
            " boxes = excluded.boxes, seconds = excluded.seconds, updated_at = excluded.updated_at",
            (image_id, json.dumps(draft.boxes), draft.seconds, now()),
        )

    def draft(self, image_id: int) -> Draft | None:
        """Return the unfinished review of an image, or None."""
        row = self._db.row("SELECT boxes, seconds FROM draft WHERE image_id = ?", (image_id,))
        return None if row is None else Draft(json.loads(row["boxes"]), row["seconds"])

    def discard_draft(self, image_id: int) -> None:
        """Forget the unfinished review of an image."""
        self._db.write("DELETE FROM draft WHERE image_id = ?", (image_id,))
