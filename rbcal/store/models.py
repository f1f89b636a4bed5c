"""Trained detectors: their weights, and what they were trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from rbcal import __version__
from rbcal.config import TrainConfig
from rbcal.errors import ProjectError
from rbcal.store.database import Database, Row, now
from rbcal.store.images import Image

CHUNK_BYTES = 8 * 2**20  # far below SQLite's limit of 1 GB a value; VGG-16 takes 70 of them


@dataclass(frozen=True)
class Model:
    """A trained detector; its number is its id."""

    id: int
    config: TrainConfig
    n_images: int
    n_cells: int
    n_bytes: int
    sha256: str
    seconds: float
    created_at: str


class Models:
    """The models of one project. The newest one serves: it pre-annotates and ranks."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, config: TrainConfig, checkpoint: bytes, trained_on: Sequence[Image], seconds: float) -> int:
        """Store a detector and return its id.

        Parameters
        ----------
        checkpoint : bytes
            A safetensors file.
        trained_on : sequence of Image
            As they were read for training; the database refuses an image of the test set.
        seconds : float
            How long training took.
        """
        with self._db.transaction():
            model_id = self._db.write(
                "INSERT INTO model (config, code_version, n_images, n_cells, n_bytes, sha256, seconds,"
                " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    json.dumps(config.to_json()),
                    __version__,
                    len(trained_on),
                    sum(image.n_cells for image in trained_on),
                    len(checkpoint),
                    hashlib.sha256(checkpoint).hexdigest(),
                    seconds,
                    now(),
                ),
            )
            for position, start in enumerate(range(0, len(checkpoint), CHUNK_BYTES)):
                self._db.write(
                    "INSERT INTO checkpoint_chunk VALUES (?, ?, ?)",
                    (model_id, position, checkpoint[start : start + CHUNK_BYTES]),
                )
            self._db.write_many(
                "INSERT INTO training_image (model_id, image_id, split, review_id) VALUES (?, ?, ?, ?)",
                [(model_id, image.id, image.split, image.review_id) for image in trained_on],
            )
        return model_id

    def all(self) -> list[Model]:
        """Return the models, the oldest first."""
        return [_model(row) for row in self._db.rows("SELECT * FROM model ORDER BY id")]

    def serving(self) -> Model | None:
        """Return the model that pre-annotates and ranks, or None before the first training."""
        row = self._db.row("SELECT * FROM model ORDER BY id DESC LIMIT 1")
        return None if row is None else _model(row)

    def checkpoint(self, model_id: int) -> bytes:
        """Return the safetensors file of a model, checked against its hash."""
        rows = self._db.rows(
            "SELECT content, sha256 FROM checkpoint_chunk JOIN model ON model.id = model_id"
            " WHERE model_id = ? ORDER BY position",
            (model_id,),
        )
        content = b"".join(row["content"] for row in rows)
        if not rows or hashlib.sha256(content).hexdigest() != rows[0]["sha256"]:
            raise ProjectError(f"The checkpoint of model {model_id} is damaged. Train again.")
        return content


def _model(row: Row) -> Model:
    return Model(
        id=row["id"],
        config=TrainConfig.from_json(json.loads(row["config"])),
        n_images=row["n_images"],
        n_cells=row["n_cells"],
        n_bytes=row["n_bytes"],
        sha256=row["sha256"],
        seconds=row["seconds"],
        created_at=row["created_at"],
    )
