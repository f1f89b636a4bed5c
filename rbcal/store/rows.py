"""Rows of the database as dataclasses, and back: what is no plain value is JSON in its column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import cattrs

from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig

_T = TypeVar("_T")
_JSON = frozenset(
    ("config", "context", "terms", "result", "evaluation", "cells_by_class", "query")
)  # columns
_converter = cattrs.Converter()
for _config in (TrainConfig, ScoringConfig, SimulationConfig):  # an unknown setting is an error
    _converter.register_structure_hook(_config, lambda settings, kind: kind.from_json(settings))


def from_row(kind: type[_T], row: Mapping[str, Any]) -> _T:
    """Return a dataclass from the columns that have the names of its fields; the others are left out."""
    values = {name: json.loads(value) if name in _JSON else value for name, value in row.items()}
    return _converter.structure(values, kind)


def to_row(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as columns."""
    fields: dict[str, Any] = _converter.unstructure(value)
    return {name: json.dumps(each) if name in _JSON else each for name, each in fields.items()}


def from_json(kind: type[_T], text: str) -> _T:
    """Return a dataclass from what :func:`to_json` made of it."""
    return _converter.structure(json.loads(text), kind)


def to_json(value: Any) -> str:
    """Return a dataclass as JSON, for a column."""
    return json.dumps(_converter.unstructure(value))
