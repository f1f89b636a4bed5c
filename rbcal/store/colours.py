"""What makes a cell green: how likely a change of it is, and which share of green cells may be wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.change_model import ChangeModel, change_features
from rbcal.errors import ProjectError
from rbcal.store.database import Database, now
from rbcal.types import Floats, Ints, Reals

ColourBy = Literal["chance", "paper"]
MOST_WRONG = 0.5  # of the green cells; more, and green would mean nothing


@dataclass(frozen=True)
class StoredChangeModel:
    """The change model of a ranking, and up to which chance a cell is green; None: no promise holds.

    It rests on `n_cells` cells whose truth is known, of which the detector had `n_wrong` wrong. Changes of an
    image vary `spread` times as much as those of independent cells.
    """

    model: ChangeModel
    green_limit: float | None
    n_cells: int
    n_wrong: int
    spread: float = 1.0

    def chances(self, probs: Floats, image: Ints) -> Reals:
        """Return e of cells (N, C + 1), each in the image that `image` (N,) says: (N,)."""
        return self.model(change_features(probs, image))

    def is_green(self, chances: Reals) -> NDArray[np.bool_]:
        """Return which cells of these chances, (N,), the promise holds for: (N,)."""
        return chances <= (-1.0 if self.green_limit is None else self.green_limit)

    def judged(self, own: Floats, named: Floats, image: Ints) -> tuple[Reals, NDArray[np.bool_]]:
        """Return e of cells and which are green, each (N,), as the names are by now.

        Known is how often the model's own names are wrong. One that has changed since is not green, and e is
        the greater of the two.

        Parameters
        ----------
        own, named : (N, C + 1) float32
            By the model, and by the live head.
        image : (N,) int64
            Which image each cell is in, from 0 on.
        """
        e = self.chances(own, image)
        if own is named or not len(own):
            return e, self.is_green(e)
        renamed = own[:, 1:].argmax(axis=1) != named[:, 1:].argmax(axis=1)
        e = np.where(renamed, np.maximum(e, self.chances(named, image)), e)
        return e, self.is_green(e) & ~renamed


class Colours:
    """The colours of the cells of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @property
    def by(self) -> ColourBy:
        """What makes a cell green: the chance that it is right, or the paper's thresholds."""
        return cast(ColourBy, self._db.value("SELECT colour_by FROM project"))

    @property
    def promise(self) -> float:
        """Which share of the green cells may be wrong."""
        return float(self._db.value("SELECT promise FROM project"))

    def choose(self, by: ColourBy, promise: float) -> None:
        """Say what makes a cell green, and which share of the green cells may be wrong."""
        if by not in get_args(ColourBy):
            raise ProjectError(f"Colours go by 'chance' or 'paper', but got {by!r}.")
        if not 0 < promise <= MOST_WRONG:
            raise ProjectError(
                f"Of green cells a share above 0 and at most {MOST_WRONG} may be wrong, but got {promise}."
            )
        self._db.write("UPDATE project SET colour_by = ?, promise = ?", (by, promise))

    def get(self, ranking_id: int) -> StoredChangeModel | None:
        """Return the change model of a ranking; None while nobody knows how often its model errs."""
        row = self._db.row("SELECT * FROM change_model WHERE ranking_id = ?", (ranking_id,))
        if row is None:
            return None
        model = ChangeModel(row["intercept"], row["confidence"], row["company"])
        return StoredChangeModel(model, row["green_limit"], row["n_cells"], row["n_wrong"], row["spread"])

    def save(self, ranking_id: int, change: StoredChangeModel | None) -> None:
        """Store the change model of a ranking in place of an earlier one; None: there is none any more."""
        with self._db.transaction():
            self._db.write("DELETE FROM change_model WHERE ranking_id = ?", (ranking_id,))
            if change is not None:
                self._db.insert(
                    "change_model",
                    ranking_id=ranking_id,
                    intercept=change.model.intercept,
                    confidence=change.model.confidence,
                    company=change.model.company,
                    green_limit=change.green_limit,
                    n_cells=change.n_cells,
                    n_wrong=change.n_wrong,
                    spread=change.spread,
                    fitted_at=now(),
                )

    def save_red(self, ranking_id: int, red: Iterable[tuple[int, int | None]]) -> None:
        """Store how many cells of images are red, as (image, number); None: as many as the paper flags."""
        self._db.write_many(
            "UPDATE score SET n_red = ? WHERE ranking_id = ? AND image_id = ?",
            [(n, ranking_id, image_id) for image_id, n in red],
        )
