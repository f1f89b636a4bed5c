"""Which cells the expert wants to see on the wall, and choices of them that were saved under a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rbcal.acquisition.cell_strategies import DEFAULT_CELL_STRATEGY
from rbcal.errors import ProjectError
from rbcal.json_values import from_json, to_json
from rbcal.store.database import Database, now

Kind = Literal["doubtful", "unsure", "in_bulk", "named"]
Size = Literal["largest", "smallest"]
OfTest = Literal["without", "with", "only"]
LONGEST_NAME = 60  # characters


@dataclass(frozen=True)
class CellFilter:
    """Which cells are wanted, and in which order.

    Parameters
    ----------
    kind : Kind, optional
        Answered cells, to look at again; None: those that nobody has read.
    label : int, optional
        Only cells that are named so: unread ones by the model, answered ones by the expert.
    group : str, optional
        Only cells of images of that slide.
    strategy : str
        Of unread cells: which come first.
    by_size : "largest" or "smallest", optional
        Those come first, whatever the strategy.
    annotator : str, optional
        Only cells that this person answered; "": those that were answered without a name, or imported.
    of_test : "without", "with" or "only"
        Of answered cells: those of test images.
    resembles : int, optional
        Of doubtful answers: only those on cells that look like this class.
    """

    kind: Kind | None = None
    label: int | None = None
    group: str | None = None
    strategy: str = DEFAULT_CELL_STRATEGY
    by_size: Size | None = None
    annotator: str | None = None
    of_test: OfTest = "without"
    resembles: int | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """The sides of the test set whose images count: of some kinds never those of the test set."""
        if self.kind in (None, "doubtful") or self.of_test == "without":
            return ("work",)
        return ("test",) if self.of_test == "only" else ("work", "test")

    @property
    def n_limits(self) -> int:
        """How many of the choices that are made now and then are made: all but kind, class and order."""
        only = (self.group, self.annotator, self.resembles)
        return sum(each is not None for each in only) + (self.splits != ("work",))


class CellFilters:
    """The saved filters of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> dict[str, CellFilter]:
        """Return the saved filters by their names, in the order of the alphabet."""
        rows = self._db.tuples("SELECT name, choice FROM cell_filter ORDER BY name COLLATE NOCASE, name")
        return {name: from_json(CellFilter, choice) for name, choice in rows}

    def save(self, name: str, choice: CellFilter) -> None:
        """Save a filter under a name, in place of an earlier one of that name.

        Raises
        ------
        ProjectError
            When the name is empty or too long.
        """
        if not 1 <= len(name.strip()) <= LONGEST_NAME:
            raise ProjectError(
                f"The name of a filter has 1 to {LONGEST_NAME} characters, but this one has "
                f"{len(name.strip())}. Choose another one."
            )
        self._db.write(
            "INSERT OR REPLACE INTO cell_filter VALUES (?, ?, ?)", (name.strip(), to_json(choice), now())
        )

    def remove(self, name: str) -> None:
        """Forget a saved filter."""
        self._db.write("DELETE FROM cell_filter WHERE name = ?", (name,))
