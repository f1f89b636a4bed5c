"""The subtypes of a project. A label is the position of its class: 0, 1, 2, ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rbcal.errors import ProjectError
from rbcal.store.database import Database

RBC7 = ("S.D", "S.N", "D", "E.1", "E.2", "E.3", "E.F")  # the paper's seven, in the order of its Fig. 1
RBC7_RARE = ("S.D", "E.F")
_LONGEST_NAME = 300


@dataclass(frozen=True)
class CellClass:
    """A subtype: its label, its name, whether it is rare, and the key that the user chose for it."""

    label: int
    name: str
    rare: bool
    key: str | None = None


class Classes:
    """The classes of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> tuple[CellClass, ...]:
        """Return the classes; the one with label k is at position k."""
        rows = self._db.rows("SELECT id, name, rare, key FROM class ORDER BY id")
        return tuple(CellClass(row["id"], row["name"], bool(row["rare"]), row["key"]) for row in rows)

    def names(self) -> tuple[str, ...]:
        """Return the names; the one with label k is at position k."""
        return tuple(row["name"] for row in self._db.rows("SELECT name FROM class ORDER BY id"))

    def rare_labels(self) -> tuple[int, ...]:
        """Return the labels of the rare classes."""
        return tuple(each.label for each in self.all() if each.rare)

    def add(self, names: Sequence[str], *, rare: Sequence[str] = ()) -> None:
        """Append the classes that are not there yet; those named `rare` are added and marked."""
        wanted = list(dict.fromkeys([*names, *rare]))
        for name in wanted:
            if not name.strip() or len(name) > _LONGEST_NAME:
                raise ProjectError(
                    f"A class name has 1 to {_LONGEST_NAME} characters, but got {name[:40]!r}."
                )
        with self._db.transaction():
            there = self.names()
            new = [name for name in wanted if name not in there]
            self._db.write_many(
                "INSERT INTO class (id, name, rare) VALUES (?, ?, 0)",
                [(len(there) + position, name) for position, name in enumerate(new)],
            )
            self._db.write_many("UPDATE class SET rare = 1 WHERE name = ?", [(name,) for name in rare])

    def set_rare(self, names: Sequence[str]) -> None:
        """Mark these classes as rare, and no others."""
        if unknown := set(names) - set(self.names()):
            raise ProjectError(f"There is no class {sorted(unknown)[0]!r} in this project.")
        with self._db.transaction():
            self._db.write("UPDATE class SET rare = 0")
            self._db.write_many("UPDATE class SET rare = 1 WHERE name = ?", [(name,) for name in names])

    def set_keys(self, keys: Sequence[str | None]) -> None:
        """Set the key of each class, in the order of their labels; None: by its place.

        Raises
        ------
        ProjectError
            When two classes would have the same key.
        """
        taken = [key for key in keys if key is not None]
        if len(set(taken)) < len(taken):
            raise ProjectError("Two classes have the same key. Give each a key of its own.")
        with self._db.transaction():
            self._db.write("UPDATE class SET key = NULL")
            self._db.write_many(
                "UPDATE class SET key = ? WHERE id = ?", [(key, label) for label, key in enumerate(keys)]
            )
