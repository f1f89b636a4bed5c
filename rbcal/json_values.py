"""Dataclasses that are stored as JSON, and checked against their types when they are read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.errors import CattrsError, ForbiddenExtraKeysError

from rbcal.errors import RESTORE, DamagedError

_T = TypeVar("_T")
CONVERTER = Converter(forbid_extra_keys=True, detailed_validation=False)  # a typing slip must not train else


def to_json(value: Any, kind: Any = None) -> str:
    """Return a value as JSON text; `kind` is a union of which it is one."""
    return json.dumps(CONVERTER.unstructure(value, kind))


def from_json(kind: type[_T], text: str) -> _T:
    """Return what :func:`to_json` wrote.

    Raises
    ------
    DamagedError
        When it is no JSON, or a field is missing, unknown, or of another type.
    """
    with reading(kind):
        return CONVERTER.structure(json.loads(text), kind)


@contextmanager
def reading(kind: Any) -> Iterator[None]:
    """Say in words that what a project file holds is no value of a type."""
    name = getattr(kind, "__name__", str(kind))
    try:
        yield
    except ForbiddenExtraKeysError as err:
        words = f"has no setting {sorted(err.extra_fields)[0]!r}"
    except (
        AttributeError,
        CattrsError,
        LookupError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as err:
        words = f"cannot be read: {type(err).__name__} {err!s:.100}"
    else:
        return
    raise DamagedError(f"The project file is damaged: {name} {words}. {RESTORE}")


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
