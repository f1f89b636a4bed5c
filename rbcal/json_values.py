"""Dataclasses that are stored as JSON, and checked against their types when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from cattrs import Converter
from cattrs.errors import ForbiddenExtraKeysError

from rbcal.errors import ProjectError

CONVERTER = Converter(forbid_extra_keys=True, detailed_validation=False)


class JsonValue:
    """A dataclass that becomes JSON and comes back.

    An unknown key is an error: a typing slip must not train something else.
    """

    def to_json(self) -> dict[str, Any]:
        """Return the fields as values that :mod:`json` can write."""
        return CONVERTER.unstructure(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` wrote.

        Raises
        ------
        ProjectError
            When a field is missing, unknown, or of another type.
        """
        try:
            return CONVERTER.structure(document, cls)
        except ForbiddenExtraKeysError as err:
            raise ProjectError(f"{cls.__name__} has no setting {sorted(err.extra_fields)[0]!r}.") from err
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise ProjectError(f"{cls.__name__} cannot be read: {err}.") from err
