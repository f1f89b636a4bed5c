"""What the expert said about each image: every review is kept, the last one holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from rbcal.errors import ConflictError
from rbcal.store.classes import read_merges
from rbcal.store.database import Database, now
from rbcal.store.images import Split
from rbcal.store.log import IS_NAMED, NOT_NAMED, Boxes, BoxState, Log, ReviewStatus
from rbcal.store.outcomes import Outcomes, read_outcomes
from rbcal.types import Annotations

Origin = Literal["import", "expert"]


@dataclass(frozen=True)
class Review:
    """The annotations of one image as of one revision.

    `detection_ids` says, cell by cell, which detection it came from; None for a cell drawn by hand.
    `review_status` says what the expert did with it; None where it was imported.
    """

    revision: int
    origin: Origin
    seconds: float
    created_at: str
    ranking_id: int | None
    annotations: Annotations
    detection_ids: tuple[int | None, ...]
    review_status: tuple[ReviewStatus | None, ...]


@dataclass(frozen=True)
class Version:
    """One of the reviews of an image: who saved it, when, and how many of its cells were read."""

    review_id: int
    revision: int
    origin: Origin
    who: str
    created_at: str
    seconds: float
    n_cells: int


@dataclass(frozen=True)
class Reviewed:
    """An image that has annotations, how many cells of it were read, and when it got the last ones."""

    image_id: int
    name: str
    split: Split
    origin: Origin
    n_cells: int
    seconds: float
    created_at: str


class Reviews:
    """The annotations of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._log = Log(database)

    def save(
        self,
        image_id: int,
        annotations: Annotations,
        *,
        origin: Origin,
        base_revision: int,
        detection_ids: Sequence[int | None] | None = None,
        review_status: Sequence[ReviewStatus | None] | None = None,
        ranking_id: int | None = None,
        seconds: float = 0.0,
    ) -> int:
        """Store the annotations of an image as a new revision, all of them as new boxes, and return it.

        Parameters
        ----------
        base_revision : int
            The revision that they take the place of; 0 for an image that was not annotated.
        detection_ids : M ids or None, optional
            The detection that each box came from.
        review_status : M ReviewStatus or None, optional
            What the expert did with each box.
        ranking_id, seconds
            As in :meth:`save_boxes`.

        Raises
        ------
        ConflictError
            When somebody saved this image since; nothing is written.
        """
        nothing = [None] * len(annotations)
        cells = zip(
            annotations.boxes.tolist(),
            annotations.labels.tolist(),
            nothing if review_status is None else review_status,
            nothing if detection_ids is None else detection_ids,
            strict=True,
        )
        states = [BoxState((x1, y1, x2, y2), *rest) for (x1, y1, x2, y2), *rest in cells]
        with self._db.transaction():
            if self.revision(image_id) != base_revision:
                raise ConflictError(
                    "This image was saved elsewhere since you opened it. Nothing was overwritten; "
                    "open the image again to see both."
                )
            version = self._log.version(image_id)
            first = self._log.next_number(image_id) if version else 0
            return self.save_boxes(
                image_id,
                dict(enumerate(states, start=first)),
                origin=origin,
                version=version,
                ranking_id=ranking_id,
                seconds=seconds,
            )

    def save_boxes(
        self,
        image_id: int,
        boxes: Boxes,
        *,
        origin: Origin,
        version: int,
        spot_checks: Mapping[int, bool] | None = None,
        ranking_id: int | None = None,
        seconds: float = 0.0,
    ) -> int:
        """Store the boxes of an image as its annotations, and return the revision.

        The log gets the act; an image that was put off leaves that list.

        Parameters
        ----------
        version : int
            Of the boxes, in the log, that the saver started from.
        spot_checks : {detection id: wrong}, optional
            Green boxes that came back at random, and whether the expert changed or deleted them.
        ranking_id : int, optional
            Whose boxes the expert started from.
        seconds : float
            Time the expert spent since that version; the review gets that since the one before.

        Raises
        ------
        ConflictError
            When somebody changed this image since; nothing is written.
        """
        with self._db.transaction():
            boxes = self._log.as_stored(image_id, boxes)
            revision = self.revision(image_id) + 1
            before = self._log.work(image_id).seconds if version else 0.0
            review_id = self._db.insert(
                "review",
                image_id=image_id,
                revision=revision,
                origin=origin,
                ranking_id=ranking_id,
                seconds=before + seconds,
                created_at=now(),
            )
            self._log.record(
                image_id,
                "import" if origin == "import" else "save",
                boxes,
                version=version,
                seconds=seconds,
                review_id=review_id,
            )
            self._db.write_many(
                "INSERT INTO annotation"
                " (review_id, class_id, x1, y1, x2, y2, detection_id, review_status, note)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        review_id,
                        each.label,
                        *each.box,
                        each.detection_id,
                        each.review_status,
                        each.note or None,
                    )
                    for each in boxes.values()
                ],
            )
            self._db.write_many(
                "INSERT INTO spot_check VALUES (?, ?, ?)",
                [(review_id, detection, wrong) for detection, wrong in (spot_checks or {}).items()],
            )
            self._db.write("DELETE FROM skipped WHERE image_id = ?", (image_id,))
        return revision

    def revert(self, image_id: int, review_id: int) -> int:
        """Store the boxes of an earlier review as the newest one, and return its revision."""
        with self._db.transaction():
            boxes = self._log.reviewed_as_stored(review_id)
            version = self._log.record(
                image_id, "restore", boxes, version=self._log.version(image_id), review_id=review_id
            )
            return self.save_boxes(image_id, boxes, origin="expert", version=version)

    def revision(self, image_id: int) -> int:
        """Return the number of the last review of an image; 0: it is not annotated."""
        return int(
            self._db.value("SELECT coalesce(max(revision), 0) FROM review WHERE image_id = ?", (image_id,))
        )

    def current(self, image_id: int) -> Review | None:
        """Return the annotations that hold for an image, or None while it has none."""
        row = self._db.row(
            "SELECT id, revision, origin, seconds, created_at, ranking_id FROM current_review"
            " WHERE image_id = ?",
            (image_id,),
        )
        if row is None:
            return None
        annotations, detection_ids, review_status = self._cells(row["id"])
        return Review(
            row["revision"],
            row["origin"],
            row["seconds"],
            row["created_at"],
            row["ranking_id"],
            annotations,
            detection_ids,
            review_status,
        )

    def versions(self, image_id: int) -> list[Version]:
        """Return the reviews of an image, the newest first."""
        rows = self._db.rows(
            "SELECT review.id AS review_id, revision, origin, who, created_at, review.seconds,"  # noqa: S608  our words
            " (SELECT count(*) FROM annotation WHERE annotation.review_id = review.id"
            f"  AND {IS_NAMED}) AS n_cells"
            " FROM review JOIN act ON act.review_id = review.id AND kind IN ('import', 'save')"
            " WHERE review.image_id = ? ORDER BY revision DESC",
            (image_id,),
        )
        return [Version(**row) for row in rows]

    def annotations(self, review_id: int) -> Annotations:
        """Return the annotations of one review, the current one of its image or an earlier one."""
        return self._cells(review_id)[0]

    def count(self, name: str = "") -> int:
        """Return how many annotated images have `name` in their name; imported test images are left out."""
        return int(
            self._db.value(
                "SELECT count(*) FROM current_review JOIN image ON image.id = image_id"
                " WHERE (split = 'work' OR origin = 'expert') AND instr(lower(name), lower(?))",
                (name,),
            )
        )

    def latest(self, limit: int, offset: int = 0, name: str = "") -> list[Reviewed]:
        """Return some of the images that :meth:`count` counts, the one saved last first."""
        rows = self._db.rows(
            "SELECT image.id AS image_id, image.name, split, origin, seconds, created_at,"  # noqa: S608  our words
            " (SELECT count(*) FROM annotation WHERE review_id = current_review.id"
            f"  AND {IS_NAMED}) AS n_cells"
            " FROM current_review JOIN image ON image.id = image_id"
            " WHERE (split = 'work' OR origin = 'expert') AND instr(lower(image.name), lower(?))"
            " ORDER BY current_review.id DESC LIMIT ? OFFSET ?",
            (name, limit, offset),
        )
        return [Reviewed(**row) for row in rows]

    def spot_checks(self, model_id: int) -> tuple[int, int]:
        """Return how many green boxes of a model were wrong, and how many came back to be checked."""
        row = self._db.row(
            "SELECT coalesce(sum(wrong), 0) AS wrong, count(*) AS n FROM spot_check"
            " JOIN review ON review.id = review_id JOIN ranking ON ranking.id = ranking_id"
            " WHERE model_id = ?",
            (model_id,),
        )
        return (row["wrong"], row["n"]) if row else (0, 0)

    def answered_since(self, moment: datetime | None) -> int:
        """Return how many more cells the expert has read in his images than at a moment; None: at the start.

        Those of test images do not count.
        """
        n_read = f"(SELECT count(*) FROM annotation WHERE review_id = {{}}.id AND {IS_NAMED})"  # noqa: S608
        return int(
            self._db.value(
                f"SELECT total(max(0, {n_read.format('latest')} - coalesce("  # noqa: S608  our words
                f" (SELECT {n_read.format('earlier')} FROM review AS earlier"
                "   WHERE earlier.image_id = image.id AND earlier.created_at <= ?1"
                "   ORDER BY revision DESC LIMIT 1), 0)))"
                " FROM current_review AS latest JOIN image ON image.id = latest.image_id"
                " WHERE split = 'work' AND origin = 'expert' AND (?1 IS NULL OR latest.created_at > ?1)",
                (None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds"),),
            )
        )

    def outcomes(self) -> Outcomes:
        """Return what became by now of the model's cells that the expert began each image with."""
        return read_outcomes(self._db)

    def times(self) -> tuple[list[float], list[int], list[int]]:
        """Return seconds, read cells and changed cells of the expert's first reviews of whole images."""
        rows = self._db.tuples(
            "SELECT seconds, (SELECT count(*) FROM annotation WHERE review_id = review.id"
            " AND review_status IS NOT 'open'),"
            " (SELECT count(*) FROM annotation WHERE review_id = review.id"
            " AND review_status IN ('changed', 'drawn'))"
            " + (SELECT count(*) FROM detection WHERE detection.ranking_id = review.ranking_id"
            "    AND detection.image_id = review.image_id AND NOT EXISTS"
            "    (SELECT 1 FROM annotation WHERE review_id = review.id AND detection_id = detection.id))"
            " FROM review WHERE origin = 'expert' AND revision = 1 AND NOT EXISTS"
            "  (SELECT 1 FROM annotation WHERE review_id = review.id AND review_status = 'open') ORDER BY id"
        )
        seconds, n_cells, n_changes = zip(*rows, strict=True) if rows else ((), (), ())
        return list(seconds), list(n_cells), list(n_changes)

    def _cells(
        self, review_id: int
    ) -> tuple[Annotations, tuple[int | None, ...], tuple[ReviewStatus | None, ...]]:
        cells = self._db.tuples(
            "SELECT x1, y1, x2, y2, class_id, detection_id, review_status FROM annotation WHERE review_id = ?"
            " ORDER BY id",
            (review_id,),
        )
        if not cells:
            return Annotations.empty(), (), ()
        *sides, labels, detection_ids, review_status = zip(*cells, strict=True)
        counted = read_merges(self._db).labels(np.array(labels))
        read = np.array([status not in NOT_NAMED for status in review_status])
        return Annotations(np.array(sides, np.float32).T, counted, read), detection_ids, review_status

    def cells_per_class(self, split: Split = "work") -> Mapping[int, int]:
        """Return the number of annotated cells of each label on one side of the test set; of read ones."""
        rows = self._db.rows(
            "SELECT class_id, count(*) AS n FROM read_annotation WHERE split = ? GROUP BY class_id",
            (split,),
        )
        merges, counts = read_merges(self._db), Counter[int]()
        for row in rows:
            counts[merges.target(row["class_id"])] += row["n"]
        return counts

    def expert_seconds(self, until: str | None = None) -> float:
        """Return the time that all reviews took together, or those until a moment (ISO 8601, UTC)."""
        return float(
            self._db.value(
                "SELECT total(seconds) FROM review"
                " WHERE origin = 'expert' AND (?1 IS NULL OR created_at <= ?1)",
                (until,),
            )
        )
