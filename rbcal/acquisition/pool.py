"""What strategies choose from, and what they may take into account."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.uncertainty import entropy
from rbcal.config import ScoringConfig
from rbcal.errors import ScoringError
from rbcal.types import Floats, Ints

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """Every cell that a model found in the K images of a pool, one after the other: N cells in all.

    Parameters
    ----------
    n_images : int
        K.
    image : (N,) int64
        Which image a cell is in, 0..K-1.
    probs : (N, C + 1) float32
        Mean class distribution over the passes, background first.
    u_d, u_c, u_r : (N,) float32 in [0, 1]
        Equations (5), (6) and (7).
    bald, agreement, rate : (N,) float32 in [0, 1]
        Mutual information, mean IoU to the mean box, share of the passes that see a cell.
    looks : (N, D) float32
        What the cells look like to the model: unit vectors.
    """

    n_images: int
    image: Ints
    probs: Floats
    u_d: Floats
    u_c: Floats
    u_r: Floats
    bald: Floats
    agreement: Floats
    rate: Floats
    embeddings: Floats

    def __post_init__(self) -> None:
        columns = (
            self.probs,
            self.u_d,
            self.u_c,
            self.u_r,
            self.bald,
            self.agreement,
            self.rate,
            self.embeddings,
        )
        lengths = {len(column) for column in (self.image, *columns)}
        if len(lengths) > 1:
            raise ScoringError(
                f"All columns of a pool must have one row per cell, but got {sorted(lengths)}."
            )
        if any(np.isnan(column).any() for column in columns):
            raise ScoringError("A pool must not hold NaN. Rank the pool again.")

    def __len__(self) -> int:
        return len(self.image)

    @property
    def n_classes(self) -> int:
        """C."""
        return self.probs.shape[1] - 1

    @property
    def n_cells(self) -> Reals:
        """(K,): cells found in each image."""
        return self.total(np.ones(len(self)))

    @property
    def entropy(self) -> Reals:
        """(N,) in [0, 1]: predictive entropy, in units of ln(C + 1)."""
        return entropy(self.probs)

    @property
    def uncertainty(self) -> Reals:
        """(N, 4) in [0, 1], all of them high where the model is unsure."""
        return uncertainty(self.bald, self.entropy, self.agreement, self.rate)

    def total(self, of_cells: NDArray[np.generic]) -> Reals:
        """Return the sum over the cells of each image, (K,), of what each cell (N,) is worth."""
        return np.bincount(self.image, of_cells, minlength=self.n_images).astype(np.float64)

    def mean(self, of_cells: NDArray[np.generic], empty: float = 0.0) -> Reals:
        """Return the mean over the cells of each image, (K,); `empty` where there is no cell."""
        n = self.n_cells
        return np.divide(self.total(of_cells), n, out=np.full(self.n_images, empty), where=n > 0)


def uncertainty(bald: Floats, entropy_: Reals, agreement: Floats, rate: Floats) -> Reals:
    """Return four measures of doubt as columns (N, 4), each in [0, 1] and high where the model is unsure."""
    share = np.clip(rate.astype(np.float64), 1e-12, 1 - 1e-12)
    wavering = -(share * np.log2(share) + (1 - share) * np.log2(1 - share))  # entropy of seen or not seen
    return np.stack([bald, entropy_, 1 - agreement, wavering], axis=1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class AcquisitionContext:
    """What a strategy may take into account beside the pool.

    Parameters
    ----------
    scoring : ScoringConfig
        alpha, beta and gamma of equation (8).
    annotated : (C,) int64
        Annotated cells of each class.
    rare : tuple of int
        Labels of the classes that the expert marked as rare.
    f1 : (C,) float64 in [0, 1], NaN where it is not known
        How well the model knew each class in images that it had not been trained on.
    looks : (M, D) float32
        Of cells in annotated images.
    calibration : Calibration
        Turns doubts into the probability that the expert would change a cell.
    effort : Effort
        What an image costs of the expert's time.
    seed : int
    """

    scoring: ScoringConfig
    annotated: Ints
    rare: tuple[int, ...] = ()
    f1: Reals = field(default_factory=lambda: np.empty(0))
    embeddings: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    calibration: Calibration = field(default_factory=Calibration)
    cost_model: CostModel = field(default_factory=CostModel)
    seed: int = 0
