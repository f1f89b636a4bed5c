"""The subtypes of a project. A label is the position of its class: 0, 1, 2, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rbcal.class_merges import Merges
from rbcal.errors import ProjectError
from rbcal.formats.names import composed
from rbcal.store.database import Database, now

RBC7 = ("S.D", "S.N", "D", "E.1", "E.2", "E.3", "E.F")  # the paper's seven, in the order of its Fig. 1
RBC7_RARE = ("S.D", "E.F")
RBC7_SENTENCES = {
    "S.D": "Dehydrated stomatocyte: small, dense and dark, with a narrow slit in place of the pale centre.",
    "S.N": "Normal stomatocyte: of usual size, its pale centre a slit or a mouth.",
    "D": "Discocyte, the usual cell: round and smooth, with a round pale centre.",
    "E.1": "Primary echinocyte: still a disc, but its outline is wavy.",
    "E.2": "Secondary echinocyte: a disc with short, rounded spikes all over; the pale centre fades.",
    "E.3": "Tertiary echinocyte: rather a ball than a disc, star-like with many spikes.",
    "E.F": "Final echinocyte: a small, dark, dense ball with only fine remains of spikes.",
}
LONGEST_SENTENCE = 300  # characters
_LONGEST_NAME = 300
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class CellClass:
    """A subtype: its label, its name, whether it is rare, and the key and colour that the user chose for it.

    `merged_into` is the label of the class that its cells count as; None: it is a class of its own. One that
    is merged is neither rare nor has a key.
    """

    label: int
    name: str
    rare: bool
    key: str | None = None
    colour: str | None = None  # "#rrggbb"
    merged_into: int | None = None
    description: str | None = None  # what it is, in the user's own words

    @property
    def sentence(self) -> str:
        """What it is, in a sentence: the user's, else that of the paper's class, else empty."""
        return self.description or RBC7_SENTENCES.get(self.name, "")


def read_merges(database: Database) -> Merges:
    """Return which labels count as which."""
    rows = database.tuples(
        "SELECT class_id, target_id FROM class_merge"
        " WHERE id IN (SELECT max(id) FROM class_merge GROUP BY class_id) AND target_id IS NOT NULL"
    )
    return Merges.following(dict(rows))


class Classes:
    """The classes of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> tuple[CellClass, ...]:
        """Return the classes; the one with label k is at position k."""
        targets = self.merges().targets
        return tuple(
            CellClass(label, name, bool(rare), key, colour, description=description)
            if label not in targets
            else CellClass(label, name, rare=False, colour=colour, merged_into=targets[label])
            for label, name, rare, key, colour, description in self._db.tuples(
                "SELECT id, name, rare, key, colour, description FROM class ORDER BY id"
            )
        )

    def own(self) -> tuple[CellClass, ...]:
        """Return the classes that cells can have: those that are not merged into another one."""
        return tuple(each for each in self.all() if each.merged_into is None)

    def merges(self) -> Merges:
        """Return which labels count as which."""
        return read_merges(self._db)

    def names(self) -> tuple[str, ...]:
        """Return the names; the one with label k is at position k."""
        return tuple(row["name"] for row in self._db.rows("SELECT name FROM class ORDER BY id"))

    def rare_labels(self) -> tuple[int, ...]:
        """Return the labels of the rare classes."""
        return tuple(each.label for each in self.all() if each.rare)

    def add(self, names: Sequence[str], *, rare: Sequence[str] = ()) -> None:
        """Append the classes that are not there yet; those named `rare` are added and marked."""
        rare = [*map(composed, rare)]
        wanted = list(dict.fromkeys([*map(composed, names), *rare]))
        for name in wanted:
            _check_name(name)
        with self._db.transaction():
            there = self.names()
            new = [name for name in wanted if name not in there]
            self._db.write_many(
                "INSERT INTO class (id, name, rare) VALUES (?, ?, 0)",
                [(len(there) + position, name) for position, name in enumerate(new)],
            )
            self._db.write_many("UPDATE class SET rare = 1 WHERE name = ?", [(name,) for name in rare])

    def set_rare(self, names: Sequence[str]) -> None:
        """Mark these classes as rare, and no others; one that is merged keeps its mark for later."""
        if unknown := set(names) - set(self.names()):
            raise ProjectError(f"There is no class {sorted(unknown)[0]!r} in this project.")
        with self._db.transaction():
            self._db.write_many(
                "UPDATE class SET rare = 0 WHERE id = ?", [(each.label,) for each in self.own()]
            )
            self._db.write_many("UPDATE class SET rare = 1 WHERE name = ?", [(name,) for name in names])

    def set_names(self, names: Sequence[str]) -> None:
        """Rename the classes, in the order of their labels; what was annotated keeps its class.

        Raises
        ------
        ProjectError
            When two classes would have the same name, or one none.
        """
        names = [composed(name.strip()) for name in names]
        for name in names:
            _check_name(name)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ProjectError(
                f"Two classes are called {twice!r}. Give each a name of its own, or merge them."
            )
        with self._db.transaction():
            changed = [
                (name, label)
                for label, (was, name) in enumerate(zip(self.names(), names, strict=True))
                if was != name
            ]
            apart = [(f"\x01{label}", label) for _, label in changed]  # two may swap their names
            self._db.write_many("UPDATE class SET name = ? WHERE id = ?", [*apart, *changed])

    def set_colours(self, colours: Sequence[str | None]) -> None:
        """Set the colour of each class, in the order of their labels; None: by its place.

        Raises
        ------
        ProjectError
            When one is not of the form #rrggbb.
        """
        for colour in colours:
            if colour is not None and not _COLOUR.fullmatch(colour):
                raise ProjectError(f"A colour is written like #0072b2, but got {colour!r}.")
        with self._db.transaction():
            self._db.write_many(
                "UPDATE class SET colour = ? WHERE id = ?",
                [(colour and colour.lower(), label) for label, colour in enumerate(colours)],
            )

    def describe(self, descriptions: Mapping[int, str]) -> None:
        """Say of classes, by their labels, what they are; an empty sentence takes the user's own back.

        Raises
        ------
        ProjectError
            When one is too long.
        """
        for sentence in descriptions.values():
            if len(sentence.strip()) > LONGEST_SENTENCE:
                raise ProjectError(
                    f"The sentence about a class has at most {LONGEST_SENTENCE} characters, but this one has "
                    f"{len(sentence.strip()):,}."
                )
        with self._db.transaction():
            self._db.write_many(
                "UPDATE class SET description = ? WHERE id = ?",
                [(sentence.strip() or None, label) for label, sentence in descriptions.items()],
            )

    def merge(self, label: int, target: int) -> None:
        """Let all cells of a class count as those of another one; :meth:`unmerge` takes it back.

        Classes that were merged into it before go with it. No annotation, review or act is changed.

        Raises
        ------
        ProjectError
            When one of the two is merged already, they are the same, or there is no such class.
        """
        with self._db.transaction():
            own = {each.label: each.name for each in self.own()}
            if label not in own or target not in own or label == target:
                raise ProjectError("Choose two different classes, neither of which is merged already.")
            self._record_merge(label, target)

    def unmerge(self, label: int) -> None:
        """Make a merged class one of its own again, with the cells that it had.

        Raises
        ------
        ProjectError
            When it is not merged.
        """
        with self._db.transaction():
            if label not in self.merges().targets:
                raise ProjectError("This class is not merged into another one.")
            self._record_merge(label, None)

    def _record_merge(self, label: int, target: int | None) -> None:
        self._db.write(
            "INSERT INTO class_merge (class_id, target_id, who, at) VALUES (?, ?, ?, ?)",
            (label, target, self._db.signature(), now()),
        )

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


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise ProjectError(f"A class name has 1 to {_LONGEST_NAME} characters, but got {name[:40]!r}.")
