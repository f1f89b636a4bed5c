"""What strategies choose from: every cell that a model predicts in the images of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.relevance import score_cells
from rbcal.acquisition.uncertainty import (
    box_agreement,
    detection_rate,
    entropy,
    mutual_information,
    rare_candidate,
    renamed_certainty,
    uncertainty_features,
)
from rbcal.config import ScoringConfig
from rbcal.errors import ScoringError
from rbcal.types import Floats, Ints, Prediction, Reals


@dataclass(frozen=True, eq=False)
class Pool:
    """The N cells that a model predicts in K images, one after the other.

    Parameters
    ----------
    image_ids : (K,) int
    image : (N,) int64
        Which image a cell is in, 0..K-1.
    probs : (N, C + 1) float32
        Mean class distribution over the passes, background first.
    u_d, u_c, u_r : (N,) float32 in [0, 1]
        Equations (5), (6) and (7).
    bald, agreement, rate : (N,) float32 in [0, 1]
        Mutual information, mean IoU to the mean box, share of the passes that see a cell.
    embeddings : (N, D) float32
        What the cells look like to the model; their directions count.
    """

    image_ids: Sequence[int]
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
        columns = [getattr(self, field.name) for field in fields(self)[1:]]
        lengths = {len(column) for column in columns}
        if len(lengths) > 1:
            raise ScoringError(
                f"All columns of a pool must have one row per cell, but got {sorted(lengths)}."
            )
        if any(np.isnan(column).any() for column in columns):
            raise ScoringError("A pool must not hold NaN. Rank the pool again.")

    @classmethod
    def of(
        cls,
        image_ids: Sequence[int],
        predictions: Sequence[Prediction],
        rare: Sequence[int],
        config: ScoringConfig,
    ) -> Self:
        """Return the pool of at least one image, and what a model predicts in each; `rare` are labels."""
        passes = [each.passes for each in predictions]
        scores = [score_cells(each.detections, each.passes, rare, config) for each in predictions]
        return cls(
            image_ids=image_ids,
            image=np.repeat(np.arange(len(predictions)), [len(each) for each in passes]),
            probs=np.concatenate([each.detections.probs for each in predictions]),
            u_d=np.concatenate([each.u_d for each in scores]),
            u_c=np.concatenate([each.u_c for each in scores]),
            u_r=np.concatenate([each.u_r for each in scores]),
            bald=np.concatenate([mutual_information(each) for each in passes]),
            agreement=np.concatenate([box_agreement(each) for each in passes]),
            rate=np.concatenate([detection_rate(each) for each in passes]),
            embeddings=np.concatenate([each.embeddings for each in predictions]),
        )

    def __len__(self) -> int:
        return len(self.image)

    @property
    def n_images(self) -> int:
        """K."""
        return len(self.image_ids)

    @property
    def n_classes(self) -> int:
        """C."""
        return self.probs.shape[1] - 1

    @property
    def n_cells(self) -> Reals:
        """(K,): predicted cells of each image."""
        return self.total(np.ones(len(self)))

    @property
    def entropy(self) -> Reals:
        """(N,) in [0, 1]: predictive entropy, in units of ln(C + 1)."""
        return entropy(self.probs)

    @property
    def uncertainty(self) -> Reals:
        """(N, 4) in [0, 1], all of them high where the model is unsure."""
        return uncertainty_features(self.probs, self.bald, self.agreement, self.rate)

    def of_cells(self, rows: Ints) -> Pool:
        """Return the pool with some of its cells alone, (n,) positions, in all of its images."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self)[1:]}
        return replace(self, **columns)

    def renamed(self, probs: Floats, rare: Sequence[int], config: ScoringConfig) -> Pool:
        """Return the pool with other class distributions (N, C + 1), by a live head; `rare` are labels."""
        u_c = renamed_certainty(self.u_c, self.probs, probs)
        return replace(self, probs=probs, u_c=u_c, u_r=rare_candidate(probs, rare, config.rare_threshold))

    def total(self, of_cells: NDArray[np.generic]) -> Reals:
        """Return the sum over the cells of each image, (K,), of what each cell (N,) is worth."""
        return np.bincount(self.image, of_cells, minlength=self.n_images).astype(np.float64)

    def mean(self, of_cells: NDArray[np.generic], empty: float = 0.0) -> Reals:
        """Return the mean over the cells of each image, (K,); `empty` where there is no cell."""
        n = self.n_cells
        return np.divide(self.total(of_cells), n, out=np.full(self.n_images, empty), where=n > 0)
