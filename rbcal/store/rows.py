"""Rows of the database as dataclasses, and back: what is no plain value is JSON in its column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.evaluation.metrics import ClassIntervals, Comparison, Evaluation
from rbcal.json_values import CONVERTER, reading
from rbcal.store.cell_filters import CellFilter
from rbcal.store.job_requests import JobRequest

_T = TypeVar("_T")
JSON_COLUMNS: Mapping[str, Any] = {  # every one that holds JSON, and as what it is read
    "cell_filter.choice": CellFilter,
    "class_evaluation.intervals": ClassIntervals,
    "comparison.result": Comparison,
    "job.config": JobRequest,
    "model.config": TrainConfig,
    "ranking.config": ScoringConfig,
    "ranking.context": Mapping[str, Any],
    "score.terms": Mapping[str, float],
    "simulation.config": SimulationConfig,
    "simulation_point.cells_by_class": tuple[int, ...],
    "simulation_point.evaluation": Evaluation,
    "simulation_point.query": tuple[int, ...],
    "snapshot.config": TrainConfig,
}
_JSON = {"request", *(column.partition(".")[2] for column in JSON_COLUMNS)}


def from_row(kind: type[_T], row: Mapping[str, Any]) -> _T:
    """Return a dataclass from the columns that have the names of its fields; the others are left out.

    Raises
    ------
    DamagedError
        When one of them is of another type than its field.
    """
    wanted = {field.name for field in fields(kind)} & row.keys()  # type: ignore[arg-type]
    with reading(kind):
        plain = {name: json.loads(row[name]) if name in _JSON else row[name] for name in wanted}
        return CONVERTER.structure(plain, kind)


def to_row(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as columns."""
    row: dict[str, Any] = CONVERTER.unstructure(value)
    return {name: json.dumps(each) if name in _JSON else each for name, each in row.items()}
