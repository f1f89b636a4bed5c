"""How good each model was on the frozen test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from rbcal.evaluation.metrics import Evaluation
from rbcal.store.classes import read_merges
from rbcal.store.database import Database, Row, now
from rbcal.store.images import Split
from rbcal.types import Detections


@dataclass(frozen=True)
class CurvePoint:
    """A model, what it was trained on, and how good it is: one point of the learning curve."""

    model_id: int
    n_images: int
    n_cells: int
    created_at: str
    evaluation: Evaluation


class Evaluations:
    """The evaluations of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, model_id: int, evaluation: Evaluation) -> None:
        """Store the evaluation of a model in place of an earlier one."""
        figures = asdict(evaluation)
        nobody_counted = (None,) * len(evaluation.n_cells)
        by_class = zip(
            figures.pop("n_cells"),
            figures.pop("ap_50"),
            figures.pop("n_named") or nobody_counted,
            figures.pop("n_correct") or nobody_counted,
            strict=True,
        )
        with self._db.transaction():
            self._db.write("DELETE FROM evaluation WHERE model_id = ?", (model_id,))
            evaluation_id = self._db.write(
                f"INSERT INTO evaluation (model_id, created_at, {', '.join(figures)})"  # noqa: S608  our names
                f" VALUES (?, ?{', ?' * len(figures)})",
                (model_id, now(), *figures.values()),
            )
            self._db.write_many(
                "INSERT INTO class_evaluation (evaluation_id, class_id, n_cells, ap_50, n_named, n_correct)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(evaluation_id, label, *of_class) for label, of_class in enumerate(by_class)],
            )

    def save_detections(self, model_id: int, image_id: int, detections: Detections) -> None:
        """Store what a model predicted in one annotated image, in place of what it predicted before."""
        self._db.write(
            "INSERT OR REPLACE INTO model_detection VALUES (?, ?, ?, ?)",
            (
                model_id,
                image_id,
                detections.boxes.astype("<f4").tobytes(),
                detections.probs.astype("<f4").tobytes(),
            ),
        )

    def n_predicted(self, model_id: int, split: Split = "test") -> int:
        """Return in how many images :meth:`detections` has something of a model."""
        return int(
            self._db.value(
                "SELECT count(*) FROM model_detection JOIN image ON image.id = image_id"
                " WHERE model_id = ? AND split = ?",
                (model_id, split),
            )
        )

    def detections(self, model_id: int, split: Split = "test") -> dict[int, Detections]:
        """Return the detections of a model in the test set, or in other annotated images, by image id.

        Nothing for a pruned model. Classes that were merged count as their targets.
        """
        merges = read_merges(self._db)
        rows = self._db.rows(
            "SELECT image_id, boxes, probs FROM model_detection JOIN image ON image.id = image_id"
            " WHERE model_id = ? AND split = ? ORDER BY image_id",
            (model_id, split),
        )
        detections = {}
        for row in rows:
            boxes = np.frombuffer(row["boxes"], "<f4").reshape(-1, 4)
            probs = np.frombuffer(row["probs"], "<f4").reshape(len(boxes), -1 if len(boxes) else 1)
            detections[row["image_id"]] = Detections(boxes, merges.probs(probs))
        return detections

    def of(self, model_id: int) -> Evaluation | None:
        """Return the evaluation of a model, or None."""
        return next((point.evaluation for point in self.curve() if point.model_id == model_id), None)

    def curve(self) -> list[CurvePoint]:
        """Return the learning curve, the oldest model first."""
        rows = self._db.rows(
            "SELECT evaluation.*, model.n_images AS model_images, model.n_cells AS model_cells,"
            " model.created_at AS model_created_at"
            " FROM evaluation JOIN model ON model.id = model_id ORDER BY model_id"
        )
        return [self._point(row) for row in rows]

    def _point(self, row: Row) -> CurvePoint:
        classes = self._db.rows(
            "SELECT n_cells, ap_50, n_named, n_correct FROM class_evaluation"
            " WHERE evaluation_id = ? ORDER BY class_id",
            (row["id"],),
        )
        return CurvePoint(
            model_id=row["model_id"],
            n_images=row["model_images"],
            n_cells=row["model_cells"],
            created_at=row["model_created_at"],
            evaluation=Evaluation(
                precision_all=row["precision_all"],
                map_50=row["map_50"],
                map_50_95=row["map_50_95"],
                rare_ap_50=row["rare_ap_50"],
                ap_50=tuple(each["ap_50"] for each in classes),
                n_cells=tuple(each["n_cells"] for each in classes),
                n_images=row["n_images"],
                n_named=_counted(classes, "n_named"),
                n_correct=_counted(classes, "n_correct"),
            ),
        )


def _counted(classes: Sequence[Row], column: str) -> tuple[int, ...] | None:
    """Return a count of each class; None where the model was measured by an rbcal that did not count."""
    counts = [each[column] for each in classes]
    return None if None in counts else tuple(counts)
