"""How good each model was on the frozen test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from rbcal.config import TrainConfig
from rbcal.evaluation.metrics import ClassIntervals, Evaluation
from rbcal.json_values import from_json, to_json
from rbcal.store.classes import read_merges
from rbcal.store.database import Database, Row, now
from rbcal.store.images import Split
from rbcal.types import Detections

_Training = tuple[int | None, int | None, int]  # whose weights it went on from, step that was kept, steps


@dataclass(frozen=True)
class CurvePoint:
    """A model, what it was trained on, and how good it is: one point of the learning curve.

    `same_cells_as` is the model of the point before, where both were trained on the same annotations: no new
    cell explains how they differ. `ancestors` are the models whose weights it went on from, the last one
    first, and `n_steps` the steps of training that its weights took, theirs included.
    """

    model_id: int
    n_images: int
    n_cells: int
    created_at: str
    evaluation: Evaluation
    same_cells_as: int | None = None
    ancestors: tuple[int, ...] = ()
    n_steps: int = 0


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
            [None if each is None else to_json(each) for each in evaluation.intervals or nobody_counted],
            strict=True,
        )
        del figures["intervals"]
        with self._db.transaction():
            self._db.write("DELETE FROM evaluation WHERE model_id = ?", (model_id,))
            evaluation_id = self._db.write(
                f"INSERT INTO evaluation (model_id, created_at, {', '.join(figures)})"  # noqa: S608  our names
                f" VALUES (?, ?{', ?' * len(figures)})",
                (model_id, now(), *figures.values()),
            )
            self._db.write_many(
                "INSERT INTO class_evaluation (evaluation_id, class_id, n_cells, ap_50, n_named, n_correct,"
                " intervals) VALUES (?, ?, ?, ?, ?, ?, ?)",
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
        training = {
            row["id"]: (row["parent_id"], row["kept_step"], from_json(TrainConfig, row["config"]).steps)
            for row in self._db.rows("SELECT id, parent_id, kept_step, config FROM model")
        }
        return [self._point(row, training, before) for before, row in zip([None, *rows], rows, strict=False)]

    def _same_cells(self, row: Row, before: Row | None) -> bool:
        """Return whether two models were trained on the same annotations."""
        numbers = ("model_images", "model_cells")
        if before is None or any(row[each] != before[each] for each in numbers):
            return False
        return not self._db.value(
            "SELECT EXISTS (SELECT review_id FROM training_image WHERE model_id = ?"
            " EXCEPT SELECT review_id FROM training_image WHERE model_id = ?)",
            (row["model_id"], before["model_id"]),
        )

    def _point(self, row: Row, training: Mapping[int, _Training], before: Row | None) -> CurvePoint:
        ancestors = _ancestors(row["model_id"], training)
        classes = self._db.rows(
            "SELECT n_cells, ap_50, n_named, n_correct, intervals FROM class_evaluation"
            " WHERE evaluation_id = ? ORDER BY class_id",
            (row["id"],),
        )
        return CurvePoint(
            model_id=row["model_id"],
            n_images=row["model_images"],
            n_cells=row["model_cells"],
            created_at=row["model_created_at"],
            same_cells_as=before["model_id"] if before and self._same_cells(row, before) else None,
            ancestors=ancestors,
            n_steps=sum(_steps(training[each]) for each in (row["model_id"], *ancestors)),
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
                intervals=_intervals(classes),
            ),
        )


def _ancestors(model_id: int, training: Mapping[int, _Training]) -> tuple[int, ...]:
    """Return the models whose weights one went on from, the last one first; never in a circle."""
    ancestors: list[int] = []
    parent = training[model_id][0]
    while parent is not None and parent in training and parent not in (model_id, *ancestors):
        ancestors.append(parent)
        parent = training[parent][0]
    return tuple(ancestors)


def _steps(training: _Training) -> int:
    """Return the steps of one training that its weights took."""
    _, kept, planned = training
    return planned if kept is None else kept


def _counted(classes: Sequence[Row], column: str) -> tuple[int, ...] | None:
    """Return a count of each class; None where the model was measured by an rbcal that did not count."""
    counts = [each[column] for each in classes]
    return None if None in counts else tuple(counts)


def _intervals(classes: Sequence[Row]) -> tuple[ClassIntervals | None, ...] | None:
    """Return where the figures of each class may lie; None where nobody worked it out for any."""
    stored = [each["intervals"] for each in classes]
    if not any(stored):
        return None
    return tuple(None if each is None else from_json(ClassIntervals, each) for each in stored)
