"""A training that was stopped, with all that is needed to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rbcal.config import TrainConfig
from rbcal.errors import ProjectError
from rbcal.json_values import to_json
from rbcal.store.database import Database, now
from rbcal.store.images import Image
from rbcal.store.models import Purpose
from rbcal.store.rows import from_row


@dataclass(frozen=True)
class Snapshot:
    """How far a training was when it was last written down.

    `image_revisions` holds (purpose, image id, review id) in the order of the training: it goes on with the
    annotations that it began with, whatever was reviewed since.
    """

    job_id: int | None
    parent_id: int | None
    config: TrainConfig
    n_classes: int
    step: int
    seconds: float
    n_bytes: int
    created_at: str
    image_revisions: tuple[tuple[Purpose, int, int], ...]


class Snapshots:
    """The one training of a project that can be resumed."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(
        self,
        state: bytes,
        *,
        config: TrainConfig,
        n_classes: int,
        step: int,
        seconds: float,
        images: Mapping[Purpose, Sequence[Image]],
        parent_id: int | None,
    ) -> None:
        """Keep the state of a training in place of any earlier one."""
        used = [(purpose, image) for purpose, each in images.items() for image in each]
        with self._db.transaction():
            self.discard()
            self._db.insert(
                "snapshot",
                id=1,
                job_id=self._db.value("SELECT id FROM job WHERE state = 'running'"),
                parent_id=parent_id,
                config=to_json(config),
                n_classes=n_classes,
                step=step,
                seconds=seconds,
                n_bytes=len(state),
                created_at=now(),
            )
            self._db.write_chunks("snapshot_chunk", 1, state)
            self._db.write_many(
                "INSERT INTO snapshot_image VALUES (1, ?, ?, ?, ?)",
                [
                    (position, image.id, image.review_id, purpose)
                    for position, (purpose, image) in enumerate(used)
                ],
            )

    def current(self) -> Snapshot | None:
        """Return the training that can be resumed, or None."""
        row = self._db.row("SELECT * FROM snapshot")
        if row is None:
            return None
        images = self._db.tuples("SELECT purpose, image_id, review_id FROM snapshot_image ORDER BY position")
        return from_row(Snapshot, {**row, "image_revisions": images})

    def state(self) -> bytes:
        """Return what the training itself wrote down.

        Raises
        ------
        ProjectError
            If it is not whole.
        """
        state = self._db.read_chunks("snapshot_chunk", 1)
        if not state or len(state) != self._db.value("SELECT n_bytes FROM snapshot"):
            raise ProjectError("There is no training to resume. Start a new one.")
        return state

    def discard(self) -> None:
        """Forget the training that could be resumed."""
        self._db.write("DELETE FROM snapshot")
