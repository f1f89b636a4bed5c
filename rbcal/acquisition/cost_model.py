"""What images and cells cost of the expert's time.

An image: a start, a glance at each cell, and the change of some. Cells of all images, like with like: a
glance at each, longer at one that has none like it beside it, and the change of some.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbcal.types import Ints

FEWEST = 10  # reviews; of fewer, the assumed times hold
_CONFIDENCE = 1.0  # the assumed times weigh as one review; they keep what the data cannot tell apart
_BUSY = 600.0  # seconds; a review that took longer was not one stretch of work


@dataclass(frozen=True)
class CostModel:
    """Seconds that the expert needs; the defaults are assumptions until the project has reviews of its own.

    Parameters
    ----------
    image, cell, change : float >= 0, seconds
        For each image, for each of its cells, and on top for each cell that is changed.
    n_reviews : int
        How many reviews these three rest on; 0: they are assumed.
    alone, side_by_side, cell_change : float >= 0, seconds
        For a cell that is asked for without its image: shown alone, or beside others of the same predicted
        class; and on top for each that is changed. They are assumed.
    """

    image: float = 5.0
    cell: float = 1.0
    change: float = 4.0
    n_reviews: int = 0
    alone: float = 3.0
    side_by_side: float = 1.0  # a glance, as at a cell of an image
    cell_change: float = 4.0  # as in an image

    def seconds(self, n_cells: ArrayLike, n_changes: ArrayLike) -> np.ndarray:
        """Return the expected time for images with so many cells, of which so many are changed.

        >>> float(CostModel(image=5, cell=1, change=4).seconds(20, 3))
        37.0
        """
        return self.image + self.cell * np.asarray(n_cells) + self.change * np.asarray(n_changes)

    def seconds_of_cells(self, predicted: Ints, changed: NDArray[np.bool_]) -> float:
        """Return the expected time for cells that are shown together, like with like.

        Parameters
        ----------
        predicted : (N,) int64
            The class that the model gives each; one of its class is shown alone.
        changed : (N,) bool

        >>> cost = CostModel(alone=3, side_by_side=1, cell_change=4)
        >>> cost.seconds_of_cells(np.array([0, 0, 5]), np.array([True, False, False]))  # 1 + 1 + 3 + 4
        9.0
        """
        if not len(predicted):
            return 0.0
        n_alone = int((np.bincount(predicted) == 1).sum())
        glances = self.alone * n_alone + self.side_by_side * (len(predicted) - n_alone)
        return float(glances + self.cell_change * changed.sum())

    @classmethod
    def fit(cls, seconds: ArrayLike, n_cells: ArrayLike, n_changes: ArrayLike) -> Self:
        """Return the times that fit past reviews (B,): non-negative least squares, drawn to the assumed.

        Reviews of no measured time, and of more than ten minutes, are left out; with fewer than 10 others
        the assumed times are returned.
        """
        rows = np.stack([np.asarray(each, np.float64) for each in (seconds, n_cells, n_changes)], axis=1)
        rows = rows[(rows[:, 0] > 0) & (rows[:, 0] <= _BUSY)]
        if len(rows) < FEWEST:
            return cls()
        from scipy.optimize import nnls  # late: pages start without it

        design = np.column_stack([np.ones(len(rows)), rows[:, 1:]])
        # The prior: each coefficient as if so many reviews of the usual size had told it alone.
        prior = np.diag(np.sqrt(_CONFIDENCE * np.maximum((design**2).mean(axis=0), 1e-6)))
        assumed = prior @ [cls.image, cls.cell, cls.change]
        (image, cell, change), _ = nnls(np.vstack([design, prior]), np.concatenate([rows[:, 0], assumed]))
        return cls(float(image), float(cell), float(change), len(rows))
