"""Simulations: learning curves of several strategies, on annotated images that an oracle reviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rbcal import __version__
from rbcal.config import SimulationConfig
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.json_values import to_json
from rbcal.store.database import Database, now
from rbcal.store.rows import from_row, to_row


@dataclass(frozen=True)
class Simulation:
    """One experiment. `images` is the SHA-256 of the images and annotations that it runs on."""

    id: int
    config: SimulationConfig
    images: str
    code_version: str
    created_at: str
    finished: bool


class Simulations:
    """The simulations of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, config: SimulationConfig, images: str) -> int:
        """Return the id of the simulation of this config on these images: an existing one, or a new one.

        More strategies or more repeats of the same experiment join the existing one: all its arms stay
        comparable, for those of a repeat start from the same model and are trained alike.
        """
        with self._db.transaction():
            existing = self.find(config, images)
            if existing is None:
                return self._db.insert(
                    "simulation",
                    config=to_json(config),
                    images=images,
                    code_version=__version__,
                    created_at=now(),
                )
            wider = replace(
                config,
                strategies=(*existing.config.strategies, *config.strategies),
                repeats=max(existing.config.repeats, config.repeats),
            )
            self._db.write(
                "UPDATE simulation SET config = ?, finished_at = NULL WHERE id = ?",
                (to_json(wider), existing.id),
            )
            return existing.id

    def find(self, config: SimulationConfig, images: str | None = None) -> Simulation | None:
        """Return the newest simulation of this config, whatever its strategies and repeats, on these images.

        Without `images` it may be of any.
        """
        for each in reversed(self.all()):
            same_images = images in (None, each.images) and each.code_version == __version__
            if same_images and _same_experiment(each.config, config):
                return each
        return None

    def add(self, simulation_id: int, points: Sequence[SimulationPoint]) -> None:
        """Store the points of one arm, all or none."""
        with self._db.transaction():
            for point in points:
                columns = to_row(point)
                self._db.insert("simulation_point", simulation_id=simulation_id, created_at=now(), **columns)

    def finish(self, simulation_id: int) -> None:
        """Say that every arm is done."""
        self._db.write("UPDATE simulation SET finished_at = ? WHERE id = ?", (now(), simulation_id))

    def remove(self, simulation_id: int) -> None:
        """Forget a simulation and its points."""
        self._db.write("DELETE FROM simulation WHERE id = ?", (simulation_id,))

    def all(self) -> list[Simulation]:
        """Return the simulations, the oldest first."""
        rows = self._db.rows("SELECT *, finished_at IS NOT NULL AS finished FROM simulation ORDER BY id")
        return [from_row(Simulation, row) for row in rows]

    def points(self, simulation_id: int) -> list[SimulationPoint]:
        """Return the points of a simulation, by repeat, strategy and round."""
        rows = self._db.rows(
            "SELECT * FROM simulation_point WHERE simulation_id = ? ORDER BY repeat, strategy, round",
            (simulation_id,),
        )
        return [from_row(SimulationPoint, row) for row in rows]


def _same_experiment(one: SimulationConfig, other: SimulationConfig) -> bool:
    return one == replace(other, strategies=one.strategies, repeats=one.repeats)
