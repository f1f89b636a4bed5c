"""Which images are the test set, where no import drew one: some of those that the expert annotates anyway.

Every fourth image that is annotated by hand is a test image. It is drawn at random from groups that nobody
has touched, whatever the ranking says, and its whole group joins the test set: so it stands for the pool, and
no model has learnt from its slide. See docs/decisions/026.
"""

from __future__ import annotations

import random

import numpy as np

from rbcal.errors import ProjectError
from rbcal.store.classes import read_merges
from rbcal.store.database import Database, now
from rbcal.store.images import Split
from rbcal.store.log import IS_NAMED
from rbcal.types import Ints


class Splits:
    """The two sides of the test set of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @property
    def every(self) -> int:
        """Each so many-th image that is annotated becomes a test image; 0: the test set does not grow."""
        return int(self._db.value("SELECT test_every FROM project"))

    def grow(self, every: int) -> None:
        """Let each so many-th annotated image become a test image from now on; 0: none does."""
        if every == 1 or every < 0:
            raise ProjectError(
                f"At most every second image becomes a test image: 2 or more, or 0 for none, but got {every}."
            )
        self._db.write("UPDATE project SET test_every = ?", (every,))

    @property
    def names_are_hidden(self) -> bool:
        """Whether test images and spot checks are read without the names that the model gives."""
        return bool(self._db.value("SELECT hide_names FROM project"))

    def hide_names(self, *, hide: bool) -> None:
        """Hide the model's names in test images and spot checks, or show them."""
        self._db.write("UPDATE project SET hide_names = ?", (hide,))

    def is_frozen(self) -> bool:
        """Return whether a training began: from then on no annotated image changes its side."""
        return bool(
            self._db.value(
                "SELECT EXISTS (SELECT 1 FROM model) OR EXISTS (SELECT 1 FROM snapshot)"
                " OR EXISTS (SELECT 1 FROM job WHERE state IN ('queued', 'running'))"
            )
        )

    def waiting(self) -> list[int]:
        """Return the drawn test images of which some box was not read; the begun and put off last."""
        rows = self._db.tuples(
            "SELECT image_id FROM test_draw AS draw LEFT JOIN skipped USING (image_id)"
            " WHERE NOT EXISTS (SELECT 1 FROM counted_review AS done WHERE done.image_id = draw.image_id)"
            " ORDER BY skipped.at IS NOT NULL,"
            " EXISTS (SELECT 1 FROM review WHERE review.image_id = draw.image_id), draw.at, image_id"
        )
        return [image_id for (image_id,) in rows]

    def is_due(self) -> bool:
        """Return whether the next image should be a test image; images read in part do not count."""
        if not self.every:
            return False
        row = self._db.row(
            "SELECT count(*) FILTER (WHERE split = 'work' AND is_annotated) AS work,"
            " count(*) FILTER (WHERE split = 'test' AND (is_annotated OR is_drawn)) AS test FROM"
            " (SELECT split, EXISTS (SELECT 1 FROM current_review AS review WHERE image_id = image.id"
            "  AND NOT EXISTS (SELECT 1 FROM annotation"
            "   WHERE review_id = review.id AND review_status = 'open')) AS is_annotated,"
            "  EXISTS (SELECT 1 FROM test_draw WHERE image_id = image.id) AS is_drawn FROM image)"
        )
        return bool(row and row["work"] // (self.every - 1) > row["test"])

    def draw(self) -> int | None:
        """Draw a test image and return it; None where no group is left that nobody has touched.

        A new group is drawn until every fourth group is in the test set, then an image of those groups.
        """
        with self._db.transaction():
            splits = [split for (split,) in self._db.tuples("SELECT split FROM image_group")]
            enough = splits.count("test") >= max(1, len(splits) // (self.every or 4))
            eligible = self._eligible("test") if enough else self._eligible("work")
            if not eligible:
                return None
            n_drawn = self._db.value("SELECT count(*) FROM test_draw")
            seed = f"{self._db.project_id()} test image {n_drawn}"
            image_id = random.Random(seed).choice(eligible)
            group_id = self._db.value("SELECT group_id FROM image WHERE id = ?", (image_id,))
            self.move([group_id], "test")
            self._db.insert("test_draw", image_id=image_id, at=now())
        return image_id

    def move(self, group_ids: list[int], split: Split) -> None:
        """Put groups on one side of the test set.

        Raises
        ------
        ProjectError
            When a model was trained already: then only groups that nobody has touched may join the test set.
        """
        with self._db.transaction():
            if self.is_frozen() and (split == "work" or any(map(self._is_touched, group_ids))):
                raise ProjectError(
                    "The test set is frozen: a model was trained with it. It can only grow, by groups that "
                    "nobody has annotated."
                )
            # An image and its group change in two statements.
            self._db.write("PRAGMA defer_foreign_keys = ON")
            for group_id in group_ids:
                self._db.write("UPDATE image_group SET split = ? WHERE id = ?", (split, group_id))
                self._db.write("UPDATE image SET split = ? WHERE group_id = ?", (split, group_id))
            self._db.write(
                "DELETE FROM test_draw WHERE image_id IN (SELECT id FROM image WHERE split = 'work')"
            )

    def cells_by_group(self) -> dict[int, Ints]:
        """Return the read cells of each class, (C,), of each group that has an annotated image, by its id."""
        n_classes = self._db.value("SELECT count(*) FROM class")
        merges, counts = read_merges(self._db), dict[int, Ints]()
        rows = self._db.tuples(
            "SELECT group_id, class_id, count(annotation.id) FROM current_review"  # noqa: S608  our words
            " JOIN image ON image.id = image_id LEFT JOIN annotation"
            "  ON annotation.review_id = current_review.id"
            f"  AND {IS_NAMED}"
            " GROUP BY group_id, class_id ORDER BY group_id"
        )
        for group_id, label, n in rows:
            of_group = counts.setdefault(group_id, np.zeros(n_classes, np.int64))
            if label is not None:
                of_group[merges.target(label)] += n
        return counts

    def test_groups(self) -> set[int]:
        """Return the ids of the groups of the test set."""
        return {each for (each,) in self._db.tuples("SELECT id FROM image_group WHERE split = 'test'")}

    def _is_touched(self, group_id: int) -> bool:
        return bool(
            self._db.value(
                "SELECT EXISTS (SELECT 1 FROM act JOIN image ON image.id = image_id WHERE group_id = ?)",
                (group_id,),
            )
        )

    def _eligible(self, split: Split) -> list[int]:
        """Return the images of one side that may be the next test image."""
        rows = self._db.tuples(
            "SELECT id FROM image WHERE split = ?"
            " AND NOT EXISTS (SELECT 1 FROM act WHERE act.image_id = image.id)"
            " AND NOT EXISTS (SELECT 1 FROM test_draw WHERE test_draw.image_id = image.id)"
            " AND (split = 'test' OR group_id NOT IN"
            "  (SELECT group_id FROM image AS other JOIN act ON act.image_id = other.id)) ORDER BY id",
            (split,),
        )
        return [image_id for (image_id,) in rows]
