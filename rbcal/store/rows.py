"""Rows of the database as dataclasses, and back: what is no plain value is JSON in its column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from rbcal.json_values import CONVERTER, from_plain

_T = TypeVar("_T")
_JSON = frozenset(
    ("config", "request", "context", "terms", "result", "evaluation", "cells_by_class", "query")
)  # columns


def from_row(kind: type[_T], row: Mapping[str, Any]) -> _T:
    """Return a dataclass from the columns that have the names of its fields; the others are left out."""
    wanted = {field.name for field in fields(kind)} & row.keys()  # type: ignore[arg-type]
    return from_plain(kind, {name: json.loads(row[name]) if name in _JSON else row[name] for name in wanted})


def to_row(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as columns."""
    row: dict[str, Any] = CONVERTER.unstructure(value)
    return {name: json.dumps(each) if name in _JSON else each for name, each in row.items()}
