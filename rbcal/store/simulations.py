"""Experiments: learning curves of several strategies, on images whose annotations play the expert."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from rbcal import __version__
from rbcal.config import SimulationConfig
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.database import Database, Row, now


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
        """Return the id of the simulation that this config means on these images: a known one, or a new one.

        More strategies or more repeats of the same experiment join the known one: all its arms stay
        comparable, for those of a repeat start from the same model and are trained alike.
        """
        with self._db.transaction():
            known = self.find(config, images)
            if known is not None:
                wider = replace(
                    config,
                    strategies=(*known.config.strategies, *config.strategies),
                    repeats=max(known.config.repeats, config.repeats),
                )
                self._db.write(
                    "UPDATE simulation SET config = ?, finished_at = NULL WHERE id = ?",
                    (json.dumps(wider.to_json()), known.id),
                )
                return known.id
            return self._db.write(
                "INSERT INTO simulation (config, images, code_version, created_at) VALUES (?, ?, ?, ?)",
                (json.dumps(config.to_json()), images, __version__, now()),
            )

    def find(self, config: SimulationConfig, images: str | None = None) -> Simulation | None:
        """Return the newest simulation of this config, whatever its strategies and repeats, on these images.

        Without `images` it may be of any.
        """
        for known in reversed(self.all()):
            same_images = images in (None, known.images) and known.code_version == __version__
            if same_images and _alike(known.config, config):
                return known
        return None

    def add(self, simulation_id: int, points: Sequence[SimulationPoint]) -> None:
        """Store the points of one arm, all or none."""
        with self._db.transaction():
            self._db.write_many(
                "INSERT INTO simulation_point VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        simulation_id,
                        point.repeat,
                        point.strategy,
                        point.round,
                        point.n_images,
                        point.n_cells,
                        json.dumps(point.cells_by_class),
                        point.expert_seconds,
                        json.dumps(asdict(point.evaluation)),
                        point.weights_sha256,
                        json.dumps(point.query),
                        point.seconds,
                        now(),
                    )
                    for point in points
                ],
            )

    def finish(self, simulation_id: int) -> None:
        """Say that every arm is done."""
        self._db.write("UPDATE simulation SET finished_at = ? WHERE id = ?", (now(), simulation_id))

    def remove(self, simulation_id: int) -> None:
        """Forget a simulation and its points."""
        self._db.write("DELETE FROM simulation WHERE id = ?", (simulation_id,))

    def all(self) -> list[Simulation]:
        """Return the simulations, the oldest first."""
        return [_simulation(row) for row in self._db.rows("SELECT * FROM simulation ORDER BY id")]

    def points(self, simulation_id: int) -> list[SimulationPoint]:
        """Return the points of a simulation, by repeat, strategy and round."""
        rows = self._db.rows(
            "SELECT * FROM simulation_point WHERE simulation_id = ? ORDER BY repeat, strategy, round",
            (simulation_id,),
        )
        return [_point(row) for row in rows]


def _alike(one: SimulationConfig, other: SimulationConfig) -> bool:
    return one == replace(other, strategies=one.strategies, repeats=one.repeats)


def _simulation(row: Row) -> Simulation:
    return Simulation(
        id=row["id"],
        config=SimulationConfig.from_json(json.loads(row["config"])),
        images=row["images"],
        code_version=row["code_version"],
        created_at=row["created_at"],
        finished=row["finished_at"] is not None,
    )


def _point(row: Row) -> SimulationPoint:
    return SimulationPoint(
        repeat=row["repeat"],
        strategy=row["strategy"],
        round=row["round"],
        n_images=row["n_images"],
        n_cells=row["n_cells"],
        cells_by_class=tuple(json.loads(row["cells_by_class"])),
        expert_seconds=row["expert_seconds"],
        evaluation=Evaluation.from_json(json.loads(row["evaluation"])),
        weights_sha256=row["weights_sha256"],
        query=tuple(json.loads(row["query"])),
        seconds=row["seconds"],
    )
