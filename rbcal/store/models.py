"""Trained detectors: their weights, and what they were trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rbcal import __version__
from rbcal.config import TrainConfig
from rbcal.errors import ProjectError
from rbcal.evaluation.metrics import Comparison
from rbcal.json_values import from_json, to_json
from rbcal.store.database import Database, now
from rbcal.store.images import Image
from rbcal.store.rows import from_row

Purpose = Literal["train", "validate"]
Chooser = Literal["gate", "expert"]
_KEPT_LATEST = 2


@dataclass(frozen=True)
class Model:
    """A trained detector; its number is its id.

    `has_weights` is False once its checkpoint was pruned: its figures stay. `kept_step` is the step of its
    training that gave the weights, and `validation` how good they were on the images that picked it.
    """

    id: int
    config: TrainConfig
    parent_id: int | None
    n_images: int
    n_cells: int
    n_bytes: int
    sha256: str
    seconds: float
    created_at: str
    code_version: str
    kept_step: int | None
    validation: float | None
    has_weights: bool


@dataclass(frozen=True)
class Question:
    """A new model that is worse than the one that serves; the expert is asked which of them shall."""

    model: Model
    serving: Model
    comparison: Comparison


@dataclass(frozen=True)
class StoredComparison:
    """How a model compared, when it was trained, to the one that served then."""

    serving_id: int
    comparison: Comparison


class Models:
    """The models of one project. One of them serves: it pre-annotates and ranks."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self,
        config: TrainConfig,
        checkpoint: bytes,
        images: Mapping[Purpose, Sequence[Image]],
        seconds: float,
        *,
        parent_id: int | None = None,
        kept_step: int | None = None,
        validation: float | None = None,
    ) -> int:
        """Store a detector and return its id. It does not serve before :meth:`promote` says so.

        Parameters
        ----------
        checkpoint : bytes
            A safetensors file.
        images : mapping of purpose to Images
            As they were read for training; the database refuses an image of the test set.
        seconds : float
            How long training took.
        parent_id : int, optional
            The model whose weights it started from.
        """
        used = [(purpose, image) for purpose, each in images.items() for image in each]
        with self._db.transaction():
            model_id = self._db.insert(
                "model",
                parent_id=parent_id,
                config=to_json(config),
                code_version=__version__,
                n_images=len(used),
                n_cells=sum(image.n_cells for _, image in used),
                kept_step=kept_step,
                validation=validation,
                n_bytes=len(checkpoint),
                sha256=hashlib.sha256(checkpoint).hexdigest(),
                seconds=seconds,
                created_at=now(),
            )
            self._db.write_chunks("checkpoint_chunk", model_id, checkpoint)
            self._db.write_many(
                "INSERT INTO training_image (model_id, image_id, split, review_id, purpose)"
                " VALUES (?, ?, ?, ?, ?)",
                [(model_id, image.id, image.split, image.review_id, purpose) for purpose, image in used],
            )
        return model_id

    def all(self) -> list[Model]:
        """Return the models, the oldest first."""
        return [from_row(Model, row) for row in self._db.rows(f"{_SELECT} ORDER BY id")]

    def get(self, model_id: int) -> Model:
        """Return one model.

        Raises
        ------
        ProjectError
            If there is none of that number.
        """
        row = self._db.row(f"{_SELECT} WHERE id = ?", (model_id,))
        if row is None:
            raise ProjectError(f"This project has no model {model_id}.")
        return from_row(Model, row)

    def serving(self) -> Model | None:
        """Return the model that pre-annotates and ranks, or None before the first training."""
        model_id = self._db.value("SELECT model_id FROM serving ORDER BY id DESC LIMIT 1")
        return None if model_id is None else self.get(model_id)

    def previous(self) -> Model | None:
        """Return the model that served before the serving one and still can, or None: the way back."""
        model_id = self._db.value(
            "SELECT model_id FROM serving WHERE model_id <> (SELECT model_id FROM serving ORDER BY id DESC)"
            " AND model_id IN (SELECT model_id FROM checkpoint_chunk) ORDER BY id DESC LIMIT 1"
        )
        return None if model_id is None else self.get(model_id)

    def promote(self, model_id: int, chosen_by: Chooser) -> None:
        """Let a model serve from now on; an open question is answered by it.

        Raises
        ------
        ProjectError
            If its checkpoint was pruned.
        """
        if not self.get(model_id).has_weights:
            raise ProjectError(
                f"The weights of model {model_id} were dropped, so it cannot be used. Choose another model."
            )
        with self._db.transaction():
            self._db.insert("serving", model_id=model_id, chosen_by=chosen_by, at=now())
            self._db.write("UPDATE comparison SET question = 'answered' WHERE question = 'open'")

    def compare(self, model_id: int, serving_id: int, comparison: Comparison) -> None:
        """Store how a new model compares to the serving one; if it is worse, the expert is asked."""
        with self._db.transaction():
            self._db.write("UPDATE comparison SET question = 'answered' WHERE question = 'open'")
            self._db.insert(
                "comparison",
                model_id=model_id,
                serving_id=serving_id,
                result=to_json(comparison),
                question="open" if comparison.worse else "none",
            )

    def comparisons(self) -> dict[int, StoredComparison]:
        """Return how each model compared to the one that served when it was trained, by its number."""
        rows = self._db.rows("SELECT model_id, serving_id, result FROM comparison ORDER BY model_id")
        return {
            row["model_id"]: StoredComparison(row["serving_id"], from_json(Comparison, row["result"]))
            for row in rows
        }

    def question(self) -> Question | None:
        """Return what the expert is asked: whether a worse model shall serve; or None."""
        row = self._db.row("SELECT * FROM comparison WHERE question = 'open'")
        if row is None:
            return None
        comparison = from_json(Comparison, row["result"])
        return Question(self.get(row["model_id"]), self.get(row["serving_id"]), comparison)

    def has_learnt_all(self, model_id: int) -> bool:
        """Return whether a model was trained with the annotated images as they are now, and no others."""
        of_model = "SELECT review_id FROM training_image WHERE model_id = ?1"
        of_now = "SELECT review.id FROM current_review AS review JOIN image ON image.id = image_id"
        of_now += " WHERE split = 'work'"
        return not self._db.value(
            f"SELECT EXISTS (SELECT * FROM ({of_model} EXCEPT {of_now})"  # noqa: S608  our own text
            f" UNION ALL SELECT * FROM ({of_now} EXCEPT {of_model}))",
            (model_id,),
        )

    def trained_groups(self, model_id: int | None) -> set[str]:
        """Return the groups whose images taught a model or one of its ancestors."""
        rows = self._db.rows(
            """
            WITH RECURSIVE line (id) AS (
              SELECT ? UNION SELECT parent_id FROM model JOIN line ON model.id = line.id)
            SELECT DISTINCT image_group.name FROM training_image
            JOIN line ON line.id = model_id
            JOIN image ON image.id = image_id JOIN image_group ON image_group.id = group_id
            WHERE purpose = 'train'
            """,
            (model_id,),
        )
        return {row["name"] for row in rows}

    def prune(self) -> list[int]:
        """Drop the checkpoints that nobody needs, and return the numbers of their models.

        Those of the serving model, of the best one on the test set and of the last two stay. The figures
        of all models stay.
        """
        with self._db.transaction():
            needed = {model.id for model in self.all()[-_KEPT_LATEST:]}
            if (serving := self.serving()) is not None:
                needed.add(serving.id)
            best = self._db.row(
                "SELECT model_id FROM evaluation WHERE model_id IN (SELECT model_id FROM checkpoint_chunk)"
                " ORDER BY precision_all DESC, model_id DESC"
            )
            if best is not None:
                needed.add(best["model_id"])
            pruned = [model.id for model in self.all() if model.has_weights and model.id not in needed]
            for model_id in pruned:
                self._db.write("DELETE FROM checkpoint_chunk WHERE model_id = ?", (model_id,))
                self._db.write("DELETE FROM model_detection WHERE model_id = ?", (model_id,))
        return pruned

    def checkpoint(self, model_id: int) -> bytes:
        """Return the safetensors file of a model, checked against its hash."""
        model = self.get(model_id)
        content = self._db.read_chunks("checkpoint_chunk", model_id)
        if not content:
            raise ProjectError(f"The weights of model {model_id} were dropped. Choose another model.")
        if hashlib.sha256(content).hexdigest() != model.sha256:
            raise ProjectError(
                f"The weights of model {model_id} are damaged. Choose another model, or train again."
            )
        return content


_SELECT = (
    "SELECT *, EXISTS (SELECT 1 FROM checkpoint_chunk WHERE model_id = model.id) AS has_weights FROM model"
)
