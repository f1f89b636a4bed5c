"""What the expert wants to reach before the work ends."""

from __future__ import annotations

from collections.abc import Mapping

from rbcal.errors import ProjectError
from rbcal.store.database import Database

TARGETS: Mapping[str, str] = {  # as the store calls them, and as the user does
    "precision_all": "Precision_all",
    "rare_ap_50": "Rare-class AP@0.5",
}


class Targets:
    """The targets of one project: AP in (0, 1] on the test set, by the name of the figure."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> dict[str, float]:
        """Return the targets that are set; the names are those of :data:`TARGETS`."""
        return {row["metric"]: row["value"] for row in self._db.rows("SELECT metric, value FROM target")}

    def set(self, metric: str, value: float | None) -> None:
        """Set a target in place of an earlier one; None: there is none."""
        if metric not in TARGETS:
            raise ProjectError(f"There is no target {metric!r}. Choose one of: {', '.join(TARGETS)}.")
        if value is None:
            self._db.write("DELETE FROM target WHERE metric = ?", (metric,))
            return
        if not 0 < value <= 1:
            raise ProjectError(f"A target for AP is above 0 and at most 1, but got {value}.")
        self._db.write("INSERT OR REPLACE INTO target VALUES (?, ?)", (metric, value))
