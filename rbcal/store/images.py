"""The images of a project: their bytes as imported, their groups, and which of them are the test set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rbcal.errors import ReplacedError
from rbcal.formats.names import composed
from rbcal.store.database import Database, now
from rbcal.store.log import IS_NAMED

Split = Literal["work", "test"]

# What rbcal.synth calls what it draws.
_DRAWN_GROUPS, _DRAWN_IMAGES, _DRAWN_ELSEWHERE = "synthetic slide *", "synthetic_*", "*/synthetic_*"
LARGEST_FILE = 999_000_000  # bytes; SQLite holds no row of more than 10^9

_SELECT = f"""
SELECT image.id, image.name, width, height, layer, image_group.name AS "group",
       image.split, current_review.id AS review_id, coalesce(current_review.revision, 0) AS revision,
       (SELECT count(*) FROM annotation WHERE annotation.review_id = current_review.id
        AND {IS_NAMED}) AS n_cells,
       (SELECT count(*) FROM annotation WHERE annotation.review_id = current_review.id
        AND review_status = 'open') AS n_unread,
       (SELECT count(*) FROM annotation WHERE annotation.review_id = current_review.id
        AND review_status = 'unsure') AS n_unsure
FROM image JOIN image_group ON image_group.id = image.group_id
LEFT JOIN current_review ON current_review.image_id = image.id
"""  # noqa: S608  our words


@dataclass(frozen=True)
class Image:
    """An image and how far its annotation is.

    Width and height are pixels; `layer` says which picture of its file it is; `revision` is 0 and
    `review_id` None while it is not annotated. `n_cells` were named; `n_unread` boxes were saved open; of
    `n_unsure` the expert could not say what they are.
    """

    id: int
    name: str
    width: int
    height: int
    layer: str
    group: str
    split: Split
    review_id: int | None
    revision: int
    n_cells: int
    n_unread: int = 0
    n_unsure: int = 0

    @property
    def n_boxes(self) -> int:
        """How many annotations are stored, named or not."""
        return self.n_cells + self.n_unread + self.n_unsure


@dataclass(frozen=True)
class Group:
    """A slide or patient: how many images it has, and on which side of the test set they are."""

    name: str
    split: Split
    images: int


Status = Literal["waiting", "annotated", "in part"]
_STATUS: dict[Status, str] = {
    "waiting": "current_review.id IS NULL",
    "annotated": "current_review.id IS NOT NULL AND n_unread = 0",
    "in part": "n_unread > 0",
}


@dataclass(frozen=True)
class ImageFilter:
    """Which images to list: of one side of the test set, of one group, in one state; None: of any."""

    split: Split | None = None
    group: str | None = None
    status: Status | None = None


@dataclass(frozen=True)
class Counts:
    """How many images and annotated cells a project has; the test set is counted apart.

    Cells are those that were named; a test image with a box that was not read is in none of the two.
    Unsure cells are those of both.
    """

    images: int
    pool_images: int
    annotated_images: int
    annotated_cells: int
    test_images: int
    test_cells: int
    unsure_cells: int
    groups: int


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, by which an image is known."""
    return hashlib.sha256(content).hexdigest()


class Images:
    """The images of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add_group(self, name: str, split: Split) -> None:
        """Put a group on one side of the test set; one that is on a side already stays there."""
        self._db.write(
            "INSERT INTO image_group (name, split) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, split)
        )

    def remove_empty_groups(self, names: Iterable[str]) -> None:
        """Remove those of some groups that have no image."""
        with self._db.transaction():
            for name in names:
                self._db.write(
                    "DELETE FROM image_group WHERE name = ?"
                    " AND NOT EXISTS (SELECT 1 FROM image WHERE group_id = image_group.id)",
                    (name,),
                )

    def add(
        self,
        content: bytes,
        *,
        name: str,
        width: int,
        height: int,
        group: str,
        split: Split,
        layer: str = "",
        perceptual_hash: bytes | None = None,
    ) -> int:
        """Store an image and return its id. A group that exists keeps the side of the test set it is on.

        Parameters
        ----------
        content : bytes
            The file as it is; it is never changed.
        width, height : int
            Of the picture as shown, in pixels.
        layer : str
            Which picture of its file is meant, in the words of :class:`rbcal.formats.stacks.Layer`.
        likeness : bytes, optional
            Its :func:`~rbcal.interchange.near_duplicates.perceptual_hash`, where it is known.

        Raises
        ------
        sqlite3.IntegrityError
            When the same bytes are there already, or the group is on the other side.
        """
        with self._db.transaction():
            self.add_group(group, split)
            group_id = self._db.value("SELECT id FROM image_group WHERE name = ?", (group,))
            image_id = self._db.insert(
                "image",
                sha256=digest(content),
                name=name,
                layer=layer,
                width=width,
                height=height,
                group_id=group_id,
                split=split,
                added_at=now(),
            )
            self._db.insert("image_content", image_id=image_id, content=content)
            if perceptual_hash is not None:
                self.save_hash(image_id, perceptual_hash)
        return image_id

    def find(self, sha256: str) -> Image | None:
        """Return the image with these bytes, or None."""
        row = self._db.row(f"{_SELECT} WHERE image.sha256 = ?", (sha256,))
        return None if row is None else Image(**row)

    def get(self, image_id: int) -> Image:
        """Return one image."""
        row = self._db.row(f"{_SELECT} WHERE image.id = ?", (image_id,))
        if row is None:
            raise KeyError(image_id)
        return Image(**row)

    def named(self, name: str) -> list[Image]:
        """Return the images of that name; where there is none, the one of that number."""
        rows = self._db.rows(f"{_SELECT} WHERE image.name = ? ORDER BY image.id", (composed(name),))
        if not rows and name.isdecimal():
            rows = self._db.rows(f"{_SELECT} WHERE image.id = CAST(? AS INTEGER)", (name,))
        return [Image(**row) for row in rows]

    def content(self, image_id: int) -> bytes:
        """Return the bytes of the file as it was imported."""
        return bytes(self._db.value("SELECT content FROM image_content WHERE image_id = ?", (image_id,)))

    def digest(self, image_id: int) -> str:
        """Return the SHA-256 of the file as it was imported."""
        return str(self._db.value("SELECT sha256 FROM image WHERE id = ?", (image_id,)))

    def check(self, image_id: int, sha256: str) -> None:
        """Raise ReplacedError unless an image is the one with these bytes: after a restore, ids return."""
        if self.digest(image_id) != sha256:
            raise ReplacedError(
                "This image is not in the project any more: a backup was restored. Nothing was saved. Open "
                "another image."
            )

    def thumbnail(self, image_id: int) -> bytes | None:
        """Return the small copy of an image, or None while it has none."""
        return self._db.value("SELECT content FROM thumbnail WHERE image_id = ?", (image_id,))

    def save_thumbnail(self, image_id: int, content: bytes) -> None:
        """Store a small copy of an image."""
        self._db.write("INSERT OR REPLACE INTO thumbnail VALUES (?, ?)", (image_id, content))

    def save_hash(self, image_id: int, perceptual_hash: bytes) -> None:
        """Store the perceptual hash of an image; an empty one says that its picture cannot be read."""
        self._db.write("INSERT OR REPLACE INTO perceptual_hash VALUES (?, ?)", (image_id, perceptual_hash))

    def perceptual_hashes(self) -> dict[int, bytes]:
        """Return the perceptual hashes that are stored, by image."""
        return dict(
            self._db.tuples("SELECT image_id, hash FROM perceptual_hash WHERE hash <> x'' ORDER BY image_id")
        )

    def without_hash(self) -> list[int]:
        """Return the images without a stored perceptual hash, in the order of import."""
        rows = self._db.tuples(
            "SELECT id FROM image"
            " WHERE NOT EXISTS (SELECT 1 FROM perceptual_hash WHERE image_id = image.id) ORDER BY id"
        )
        return [image_id for (image_id,) in rows]

    def all(self) -> list[Image]:
        """Return every image, in the order of import."""
        return self._where("TRUE")

    def listed(self, which: ImageFilter, limit: int, offset: int = 0) -> list[Image]:
        """Return some of the images that a filter lets through, in the order of import."""
        where, values = _condition(which)
        rows = self._db.rows(
            f"{_SELECT} WHERE {where} ORDER BY image.id LIMIT ? OFFSET ?", (*values, limit, offset)
        )
        return [Image(**row) for row in rows]

    def count(self, which: ImageFilter) -> int:
        """Return how many images a filter lets through."""
        where, values = _condition(which)
        return int(self._db.value(f"SELECT count(*) FROM ({_SELECT} WHERE {where})", values))  # noqa: S608  our words

    def pool(self) -> list[Image]:
        """Return the images that wait for annotation, in the order of import."""
        return self._where("image.split = 'work' AND current_review.id IS NULL")

    def read_in_part(self) -> list[Image]:
        """Return the annotated images with boxes that were not read, in the order of import."""
        return self._where("image.split = 'work' AND n_unread > 0")

    def annotated(self) -> list[Image]:
        """Return the images that may be trained on, in the order of import."""
        return self._where("image.split = 'work' AND current_review.id IS NOT NULL")

    def test(self) -> list[Image]:
        """Return the images of the frozen test set whose every box was read, in the order of import."""
        return self._where("image.split = 'test' AND current_review.id IS NOT NULL AND n_unread = 0")

    def group_splits(self) -> dict[str, Split]:
        """Return for each group the side of the test set it is on."""
        return {row["name"]: row["split"] for row in self._db.rows("SELECT name, split FROM image_group")}

    def groups(self) -> list[Group]:
        """Return the groups that have images, by name."""
        rows = self._db.rows(
            "SELECT image_group.name, image_group.split, count(*) AS images FROM image"
            " JOIN image_group ON image_group.id = group_id GROUP BY group_id ORDER BY image_group.name"
        )
        return [Group(**row) for row in rows]

    def reviewed_of_test(self) -> list[Image]:
        """Return the images of the test set that somebody has begun to annotate, in the order of import."""
        return self._where("image.split = 'test' AND current_review.id IS NOT NULL")

    def test_is_closed(self) -> bool:
        """Return whether a model was evaluated already: from then on no image joins the test set."""
        return bool(self._db.value("SELECT EXISTS (SELECT 1 FROM evaluation)"))

    def counts(self) -> Counts:
        """Return how many images and annotated cells there are."""
        row = self._db.row(
            f"""
            SELECT count(*) AS images,
                   count(*) FILTER (WHERE split = 'work' AND n_cells IS NULL) AS pool_images,
                   count(*) FILTER (WHERE split = 'work' AND n_cells IS NOT NULL) AS annotated_images,
                   coalesce(sum(n_cells) FILTER (WHERE split = 'work'), 0) AS annotated_cells,
                   count(*) FILTER (WHERE split = 'test' AND is_counted) AS test_images,
                   coalesce(sum(n_cells) FILTER (WHERE split = 'test' AND is_counted), 0) AS test_cells,
                   (SELECT count(*) FROM current_annotation WHERE review_status = 'unsure') AS unsure_cells,
                   (SELECT count(DISTINCT group_id) FROM image) AS groups
            FROM (SELECT image.split,
                         CASE WHEN review.id IS NOT NULL THEN
                           (SELECT count(*) FROM annotation
                            WHERE review_id = review.id
                              AND {IS_NAMED}) END AS n_cells,
                         EXISTS (SELECT 1 FROM counted_review WHERE id = review.id) AS is_counted
                  FROM image LEFT JOIN current_review AS review ON review.image_id = image.id)
            """  # noqa: S608  our words
        )
        return Counts(**row or {})

    def any_of_test(self, image_ids: Iterable[int]) -> bool:
        """Return whether any of some images is of the test set by now."""
        return bool(
            self._db.value(
                "SELECT EXISTS (SELECT 1 FROM json_each(?) AS wanted JOIN image ON image.id = wanted.value"
                " WHERE split = 'test')",
                (json.dumps(sorted(set(image_ids))),),
            )
        )

    def any_synthetic(self) -> bool:
        """Return whether any image was drawn, not photographed: its name says so, or that of its group.

        So a project stays marked for as long as it lives, and one that imports its exports is marked, too.
        """
        return bool(
            self._db.value(
                "SELECT EXISTS (SELECT 1 FROM image_group WHERE name GLOB ?)"
                " OR EXISTS (SELECT 1 FROM image WHERE name GLOB ? OR name GLOB ?)",
                (_DRAWN_GROUPS, _DRAWN_IMAGES, _DRAWN_ELSEWHERE),
            )
        )

    def usual_size(self) -> tuple[int, int] | None:
        """Return the height and width that most images have, in pixels, or None without an image."""
        row = self._db.row(
            "SELECT height, width FROM image GROUP BY height, width ORDER BY count(*) DESC, min(id) LIMIT 1"
        )
        return None if row is None else (row["height"], row["width"])

    def _where(self, condition: str) -> list[Image]:
        return [Image(**row) for row in self._db.rows(f"{_SELECT} WHERE {condition} ORDER BY image.id")]


def _condition(which: ImageFilter) -> tuple[str, tuple[str, ...]]:
    """Return a filter as SQL, and the values that it asks for."""
    equal = {"image.split = ?": which.split, "image_group.name = ?": which.group}
    chosen = {sql: value for sql, value in equal.items() if value is not None}
    state = () if which.status is None else (_STATUS[which.status],)
    return " AND ".join([*chosen, *state]) or "TRUE", tuple(chosen.values())
