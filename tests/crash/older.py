"""Project files of older formats, with reviews, drafts, a model and a ranking in them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np

from rbcal.store import project as project_module
from rbcal.store import schema
from rbcal.store.database import Database
from rbcal.store.project import Project

_LAST_WITH_DRAFTS = 3  # the format
_SOME = [0.25, 0.75]
Cells = list[tuple[tuple[float, ...], int]]


@dataclass
class Planted:
    """What was put into a file of an older format, and must be there after every upgrade."""

    format: int
    pictures: dict[int, bytes] = field(default_factory=dict)
    reviews: dict[int, Cells] = field(default_factory=dict)
    drafts: dict[int, Cells] = field(default_factory=dict)

    def expect_in(self, path: Path) -> None:
        """Raise unless all of it is in a project, which is brought up to date by this."""
        with Project.open(path) as project:
            for image_id, content in self.pictures.items():
                assert project.images.content(image_id) == content, f"picture {image_id}"
            for review_id, cells in self.reviews.items():
                found = project.reviews.annotations(review_id)
                boxes = [tuple(box) for box in found.boxes.tolist()]
                assert list(zip(boxes, found.labels.tolist(), strict=True)) == cells, f"review {review_id}"
            for image_id, cells in self.drafts.items():
                work = project.log.work(image_id)
                states = [(state.box, state.label) for state in work.boxes.values()]
                assert (states, work.seconds) == (cells, 2.5), f"draft of {image_id}"
            assert project.models.serving() is not None
            assert project.classes.names() == ("disc", "slit")


def plant_older(path: Path, version: int, *, n_images: int = 24, n_cells: int = 10) -> Planted:
    """Create a project file of an older format; every image has two reviews, every second one a draft.

    From format 4 on drafts are part of the log, so those files are planted in format 3 and upgraded.
    """
    if version > _LAST_WITH_DRAFTS:
        planted = plant_older(path, _LAST_WITH_DRAFTS, n_images=n_images, n_cells=n_cells)
        with _only(version), closing(Database(path)) as database, database.transaction():
            project_module._migrate(database)
        planted.format = version
        return planted
    planted, rng = Planted(version), random.Random(version)
    with _only(version), Project.create(path, classes=["disc", "slit"]) as old, old.transaction():
        write = old._database.write
        write("INSERT INTO image_group (id, name, split) VALUES (1, 'slide', 'work')")
        for image_id in range(1, n_images + 1):
            _plant_image(write, planted, image_id, rng)
            for revision in (1, 2):
                _plant_review(write, planted, image_id, revision, _cells(rng, n_cells))
        write(
            "INSERT INTO model (config, code_version, n_images, n_cells, n_bytes, sha256, seconds,"
            " created_at) VALUES ('{}', '0.1.0', 1, 1, 1, ?, 1, '2026-01-01T00:00:00+00:00')",
            ("0" * 64,),
        )
        if version > 1:
            write("INSERT INTO serving (model_id, chosen_by, at) VALUES (1, 'gate', 'then')")
        write(
            "INSERT INTO ranking (id, model_id, config, created_at, finished_at)"
            " VALUES (1, 1, '{}', 'a', 'b')"
        )
        for image_id in range(1, n_images + 1, 2):
            _plant_detection(write, image_id)
            _plant_draft(write, planted, image_id, _cells(rng, n_cells))
    return planted


@contextmanager
def _only(version: int) -> Iterator[None]:
    """Let projects be of an older format."""
    with (
        patch.object(schema.migrations, "_migrations", schema.migrations._migrations[:version]),
        patch.object(project_module, "USER_VERSION", version),
    ):
        yield


def _cells(rng: random.Random, n: int) -> Cells:
    corners = [(rng.randrange(400) / 4, rng.randrange(300) / 4) for _ in range(n)]
    return [((x, y, x + 20.5, y + 21.0), rng.randrange(2)) for x, y in corners]


def _plant_image(write, planted, image_id, rng):
    content = planted.pictures[image_id] = rng.randbytes(3000)
    write(
        "INSERT INTO image (id, sha256, name, width, height, group_id, split, added_at)"
        " VALUES (?, ?, ?, 160, 120, 1, 'work', 'then')",
        (image_id, hashlib.sha256(content).hexdigest(), f"{image_id:03}.png"),
    )
    write("INSERT INTO image_content VALUES (?, ?)", (image_id, content))


def _plant_review(write, planted, image_id, revision, cells):
    review_id = write(
        "INSERT INTO review (image_id, revision, origin, seconds, created_at) VALUES (?, ?, ?, 1.5, 'then')",
        (image_id, revision, "import" if revision == 1 else "expert"),
    )
    planted.reviews[review_id] = cells
    for box, label in cells:
        write(
            "INSERT INTO annotation (review_id, class_id, x1, y1, x2, y2) VALUES (?, ?, ?, ?, ?, ?)",
            (review_id, label, *box),
        )


def _plant_detection(write, image_id):
    write(
        "INSERT INTO detection (ranking_id, image_id, x1, y1, x2, y2, u_d, u_c, u_r, probs)"
        " VALUES (1, ?, 1, 2, 3, 4, 1, 1, 0, ?)",
        (image_id, np.array(_SOME, "<f4").tobytes()),
    )


def _plant_draft(write, planted, image_id, cells):
    planted.drafts[image_id] = cells
    rows = [
        {"id": number, "box": box, "label": label, "detection_id": None}
        | ({"how": "drawn"} if planted.format > 2 else {"flagged": False, "touched": True})
        for number, (box, label) in enumerate(cells)
    ]
    write(
        "INSERT INTO draft (image_id, boxes, seconds, updated_at) VALUES (?, ?, 2.5, 'then')",
        (image_id, json.dumps(rows)),
    )
