"""An upgrade to prove the machinery on: one more migration, which the tests bring, and files before it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
from safetensors.numpy import save as safetensors
from sqlite_utils import Database as SqliteUtils

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.store import migrations
from rbcal.store.database import Database
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Score
from rbcal.types import Annotations

OLD, NEW = migrations.USER_VERSION, migrations.USER_VERSION + 1  # formats
_STATEMENTS = (  # what migrations are made of: columns, tables, a table made anew, an index
    "ALTER TABLE image ADD COLUMN n_bytes INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE cell_count (image_id INTEGER PRIMARY KEY REFERENCES image (id), n INTEGER NOT NULL) STRICT",
    "CREATE TABLE wider (image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,"
    " content BLOB NOT NULL, width INTEGER NOT NULL DEFAULT 160) STRICT",
    "INSERT INTO wider (image_id, content) SELECT image_id, content FROM thumbnail",
    "DROP TABLE thumbnail",
    "ALTER TABLE wider RENAME TO thumbnail",
    "DROP INDEX image_by_group",
    "CREATE INDEX image_by_group ON image (group_id, name)",
)


def migrate(db: SqliteUtils) -> None:
    """Change the tables, and fill in what is new, image by image."""
    for statement in _STATEMENTS:
        db.execute(statement)
    count = "INSERT INTO cell_count SELECT ?1, count(*) FROM current_annotation WHERE image_id = ?1"
    for image_id, content in db.execute("SELECT image_id, content FROM image_content").fetchall():
        db.execute("UPDATE image SET n_bytes = ? WHERE id = ?", (len(content), image_id))
        db.execute(count, (image_id,))


@contextmanager
def next_format() -> Iterator[None]:
    """Let this rbcal be one with a migration more, in this process."""
    later = migrations.Migrations("rbcal")
    later._migrations = [*migrations.MIGRATIONS._migrations]
    later(name="m_next")(migrate)
    with patch.object(migrations, "MIGRATIONS", later), patch.object(migrations, "USER_VERSION", NEW):
        yield


@dataclass
class Planted:
    """What was put into a file of the older format, and must be there after every upgrade."""

    pictures: dict[int, bytes] = field(default_factory=dict)
    reviews: dict[int, Annotations] = field(default_factory=dict)  # by id of the review
    unfinished: dict[int, dict[int, BoxState]] = field(default_factory=dict)
    thumbnails: dict[int, bytes] = field(default_factory=dict)

    def expect_in(self, path: Path) -> None:
        """Raise unless all of it is in a project, which is brought up to date by this."""
        with Project.open(path) as project:
            for image_id, content in self.pictures.items():
                assert project.images.content(image_id) == content, f"picture {image_id}"
                assert project.images.thumbnail(image_id) == self.thumbnails.get(image_id)
            for review_id, cells in self.reviews.items():
                stored = project.reviews.annotations(review_id)
                assert np.array_equal(stored.boxes, cells.boxes), f"review {review_id}"
                assert np.array_equal(stored.labels, cells.labels), f"review {review_id}"
            for image_id, boxes in self.unfinished.items():
                work = project.log.work(image_id)
                assert (work.boxes, work.seconds) == (boxes, 2.5), f"unfinished work on {image_id}"
            assert project.models.serving() is not None
            assert [len(project.rankings.cells(1, image_id)) for image_id in self.unfinished] == (
                [1] * len(self.unfinished)
            )
            assert project.classes.names() == ("disc", "slit")
            if migrations.USER_VERSION == NEW:
                self._expect_upgraded(project)

    def _expect_upgraded(self, project: Project) -> None:
        database = project._database
        assert database.value("PRAGMA user_version") == NEW
        sizes = {image_id: len(content) for image_id, content in self.pictures.items()}
        assert dict(database.tuples("SELECT id, n_bytes FROM image")) == sizes
        counts = {image.id: image.n_cells for image in project.images.all()}
        assert dict(database.tuples("SELECT image_id, n FROM cell_count")) == counts
        names = [*(each.name for each in migrations.MIGRATIONS._migrations[:OLD]), "m_next"]
        assert [row["name"] for row in database.rows("SELECT name FROM _sqlite_migrations")] == names


def plant_older(path: Path, *, n_images: int = 24, n_cells: int = 10) -> Planted:
    """Create a project of the older format; an image has two reviews, every second one unfinished work."""
    planted, rng = Planted(), random.Random(OLD)
    with Project.create(path, classes=["disc", "slit"]) as project, project.transaction():
        for image_id in range(1, n_images + 1):
            planted.pictures[image_id] = rng.randbytes(3000)
            size = {"width": 160, "height": 120}
            name = f"{image_id:03}.png"
            project.images.add(planted.pictures[image_id], name=name, group="slide", split="work", **size)
            for revision in (0, 1):
                origin = "expert" if revision else "import"
                cells = planted.reviews[len(planted.reviews) + 1] = _cells(rng, n_cells)
                project.reviews.save(image_id, cells, origin=origin, base_revision=revision, seconds=1.5)
        images = {"train": project.images.annotated()}
        model_id = project.models.add(TrainConfig(), safetensors({}), images, 1.0)
        project.models.promote(model_id, "gate")
        ranking_id = project.rankings.begin(model_id, ScoringConfig())
        for image_id in range(1, n_images + 1, 2):
            cell = Cell(0, np.float32([1, 2, 3, 4]), 1.0, 1.0, 0.0, np.float32([0.25, 0.5, 0.25]))
            project.rankings.add(ranking_id, image_id, Score(1, 1, 0, 0, 0, 0), [cell])
            planted.unfinished[image_id] = _edit(project, image_id, rng)
            planted.thumbnails[image_id] = rng.randbytes(300)
            project.images.save_thumbnail(image_id, planted.thumbnails[image_id])
        project.rankings.finish(ranking_id)
    return planted


def stop_half_way(path: Path) -> None:
    """Do a part of the migration, and commit it: what a migration without a transaction would leave."""
    with closing(Database(path)) as database:
        database.write(_STATEMENTS[0])


def _cells(rng: random.Random, n: int) -> Annotations:
    corners = [(rng.randrange(400) / 4, rng.randrange(300) / 4) for _ in range(n)]
    boxes = [(x, y, x + 20.5, y + 21.0) for x, y in corners]
    return Annotations(np.float32(boxes), [rng.randrange(2) for _ in boxes])


def _edit(project: Project, image_id: int, rng: random.Random) -> dict[int, BoxState]:
    version, boxes = project.log.version(image_id), project.log.boxes(image_id)
    del boxes[min(boxes)]
    x = rng.randrange(400) / 4
    boxes[project.log.next_number(image_id)] = BoxState((x, 1.0, x + 9.5, 9.0), 0, "drawn")
    project.log.record(image_id, "edit", boxes, version=version, seconds=2.5)
    return boxes
