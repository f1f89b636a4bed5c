"""Dataclasses that are stored as JSON, and checked against their types when they are read."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.errors import ForbiddenExtraKeysError

from rbcal.errors import ProjectError

_T = TypeVar("_T")
CONVERTER = Converter(forbid_extra_keys=True, detailed_validation=False)  # a typing slip must not train else


def to_json(value: Any, kind: Any = None) -> str:
    """Return a value as JSON text; `kind` is a union of which it is one."""
    return json.dumps(CONVERTER.unstructure(value, kind))


def from_json(kind: type[_T], text: str) -> _T:
    """Return what :func:`to_json` wrote.

    Raises
    ------
    ProjectError
        When it is no JSON, or a field is missing, unknown, or of another type.
    """
    try:
        document = json.loads(text)
    except (RecursionError, TypeError, ValueError) as err:
        raise ProjectError(f"{_name(kind)} cannot be read: {err}.") from err
    return from_plain(kind, document)


def from_plain(kind: type[_T], document: Any) -> _T:
    """Return a value made of dicts, lists and plain values as what it is; it raises as :func:`from_json`."""
    try:
        return CONVERTER.structure(document, kind)
    except ForbiddenExtraKeysError as err:
        raise ProjectError(f"{_name(kind)} has no setting {sorted(err.extra_fields)[0]!r}.") from err
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as err:
        raise ProjectError(f"{_name(kind)} cannot be read: {type(err).__name__} {err}.") from err


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", "A value")


def _plain(value: Any, kind: Any) -> Any:
    """Return a plain value, or raise: cattrs would make a text of any."""
    wanted: tuple[type, ...] = {float: (float, int), bool: (bool, int)}.get(kind, (kind,))
    if type(value) not in wanted or (kind is float and not math.isfinite(value)):
        raise TypeError(f"{value!r:.60} is no {kind.__name__}")
    if kind is str:
        value.encode()  # half a character breaks whoever shows it
    return kind(value)


def moment(text: str, _: Any = None) -> datetime:
    """Return the moment that a text says; its clock must be known, and every place on earth must have it.

    >>> moment("2026-11-03T14:02:33+00:00").hour
    14
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not 1970 <= at.year < 9999:
        raise ValueError(f"{text!r} is no moment in UTC")
    return at


for _kind in (bool, int, float, str):
    CONVERTER.register_structure_hook(_kind, _plain)
CONVERTER.register_structure_hook(datetime, moment)
