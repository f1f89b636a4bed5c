"""How relevant one image is: the scores of its cells, their flags, and R_img of equation (8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.uncertainty import class_certainty, detection_certainty, rare_candidate
from rbcal.config import ScoringConfig
from rbcal.errors import ScoringError
from rbcal.types import Detections, Floats, Passes

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CellScores:
    """The scores of the N cells of one image.

    Parameters
    ----------
    u_d : (N,) float32 in [0, 1]
        Certainty of the box, equation (5).
    u_c : (N,) float32 in [0, 1]
        Certainty of the class, equation (6).
    u_r : (N,) float32, 0 or 1
        Whether the cell may be of a rare class, equation (7).
    """

    u_d: Floats
    u_c: Floats
    u_r: Floats

    def __post_init__(self) -> None:
        for name in ("u_d", "u_c", "u_r"):
            scores = np.array(getattr(self, name), dtype=np.float32)
            if scores.shape != np.shape(self.u_d) or scores.ndim != 1:
                raise ScoringError(f"{name} must hold one score per cell, but has shape {scores.shape}.")
            if not ((scores >= 0) & (scores <= 1)).all():  # false for NaN, too
                raise ScoringError(f"{name} must lie in [0, 1], but got {scores.tolist()}.")
            scores.setflags(write=False)
            object.__setattr__(self, name, scores)

    def __len__(self) -> int:
        return len(self.u_d)


@dataclass(frozen=True, eq=False)
class Flags:
    """Which of the three terms of equation (8) fire, for each of N cells."""

    class_unsure: Bools  # U^c <= alpha
    box_unsure: Bools  # U^d <= beta
    maybe_rare: Bools  # U^r = 1

    @property
    def any(self) -> Bools:
        """(N,) bool: the cell is flagged, and drawn in red; the others are green."""
        return self.class_unsure | self.box_unsure | self.maybe_rare


@dataclass(frozen=True)
class Score:
    """How relevant an image is, equation (8), how many of its cells fire each term, and its place.

    `value`, `terms` and `propensity` are those of :class:`rbcal.acquisition.ranking.Ranking`; None and empty
    while no strategy has ordered the pool. `n_red` cells are red; None: those that (8) flags are.
    """

    relevance: float
    n_cells: int
    n_flagged: int
    n_class: int
    n_box: int
    n_rare: int
    value: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    propensity: float | None = None
    n_red: int | None = None

    @property
    def red(self) -> int:
        """How many cells are red."""
        return self.n_flagged if self.n_red is None else self.n_red


def score_cells(
    detections: Detections, passes: Passes, rare: Sequence[int], config: ScoringConfig
) -> CellScores:
    """Return U^d, U^c and U^r of every cell of one image.

    Parameters
    ----------
    detections : Detections
        N cells; probs are the means over the passes.
    passes : Passes
        The same N cells in T >= 2 stochastic passes.
    rare : sequence of int
        Labels of the rare classes.
    config : ScoringConfig

    Returns
    -------
    CellScores

    Raises
    ------
    ScoringError
        If the two disagree on the number of cells, or T < 2.
    """
    if len(detections) != len(passes):
        raise ScoringError(
            f"Detections and passes must be of the same cells, but got {len(detections)} and {len(passes)}."
        )
    return CellScores(
        u_d=detection_certainty(passes),
        u_c=class_certainty(passes),
        u_r=rare_candidate(detections.probs, rare, config.rare_threshold),
    )


def flags(scores: CellScores, config: ScoringConfig) -> Flags:
    """Return which terms of equation (8) fire for each cell; a score equal to its threshold fires."""
    return Flags(
        class_unsure=scores.u_c <= np.float32(config.alpha),
        box_unsure=scores.u_d <= np.float32(config.beta),
        maybe_rare=scores.u_r > 0,
    )


def relevance(scores: CellScores, config: ScoringConfig) -> float:
    """Return R_img: how much the expert's look at this image would teach; high means look here first.

    Parameters
    ----------
    scores : CellScores
        An image without cells has R_img = 0.
    config : ScoringConfig
        alpha, beta and gamma.

    Returns
    -------
    float >= 0

    Notes
    -----
    The paper's text calls alpha the detection and beta the classification threshold; the equation has
    them the other way round, and this follows the equation.

    References
    ----------
    Sadafi et al. 2019, equation (8):
    R_img = sum_j (U^c_j <= alpha) + sum_j (U^d_j <= beta) + gamma * sum_j U^r_j.

    >>> cells = CellScores(u_d=np.float32([0.95, 0.5]), u_c=np.float32([0.8, 1]), u_r=np.float32([0, 1]))
    >>> relevance(cells, ScoringConfig(alpha=0.8, beta=0.9, gamma=10))
    12.0
    """
    fired = flags(scores, config)
    return float(fired.class_unsure.sum() + fired.box_unsure.sum() + config.gamma * fired.maybe_rare.sum())


def score_image(scores: CellScores, config: ScoringConfig) -> Score:
    """Return R_img, and how many cells fire each term, while no strategy has ordered the pool."""
    fired = flags(scores, config)
    return Score(
        relevance=relevance(scores, config),
        n_cells=len(scores),
        n_flagged=int(fired.any.sum()),
        n_class=int(fired.class_unsure.sum()),
        n_box=int(fired.box_unsure.sum()),
        n_rare=int(fired.maybe_rare.sum()),
    )
