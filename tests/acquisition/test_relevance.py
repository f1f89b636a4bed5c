"""Flags and equation (8), by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.relevance import CellScores, flags, relevance, score_cells
from rbcal.config import ScoringConfig
from rbcal.errors import ScoringError
from rbcal.types import Detections, Passes

PAPER = ScoringConfig(alpha=0.80, beta=0.90, gamma=10, rare_threshold=0.2)


def cells(u_d: list[float], u_c: list[float], u_r: list[float]) -> CellScores:
    return CellScores(np.array(u_d), np.array(u_c), np.array(u_r))


def test_a_certain_common_cell_is_green_and_adds_nothing() -> None:
    scores = cells([0.95], [0.95], [0])
    assert not flags(scores, PAPER).any.any()
    assert relevance(scores, PAPER) == 0


def test_every_term_is_counted_for_every_cell() -> None:
    # class unsure; box unsure; both and rare; neither: 1 + 1 + (1 + 1 + 10) + 0
    scores = cells([0.95, 0.50, 0.10, 0.95], [0.50, 0.95, 0.10, 0.95], [0, 0, 1, 0])
    assert relevance(scores, PAPER) == 14
    assert flags(scores, PAPER).any.tolist() == [True, True, True, False]


def test_alpha_is_for_the_class_and_beta_for_the_box() -> None:
    fired = flags(cells([0.85], [0.85], [0]), PAPER)
    assert (fired.class_unsure.tolist(), fired.box_unsure.tolist()) == ([False], [True])


def test_a_score_equal_to_its_threshold_is_flagged() -> None:
    fired = flags(cells([0.90], [16 / 20], [0]), PAPER)
    assert (fired.class_unsure.tolist(), fired.box_unsure.tolist()) == ([True], [True])


def test_gamma_weighs_the_rare_term() -> None:
    assert relevance(cells([1, 1], [1, 1], [1, 1]), ScoringConfig(gamma=2.5)) == 5


def test_an_image_without_cells_has_no_relevance() -> None:
    scores = cells([], [], [])
    assert relevance(scores, PAPER) == 0
    assert flags(scores, PAPER).any.shape == (0,)


def test_the_order_of_cells_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    u_d, u_c, u_r = rng.uniform(size=50), rng.uniform(size=50), rng.integers(0, 2, 50)
    order = rng.permutation(50)
    shuffled = CellScores(u_d[order], u_c[order], u_r[order])
    assert relevance(shuffled, PAPER) == relevance(CellScores(u_d, u_c, u_r), PAPER)


def test_cells_are_scored_from_their_passes() -> None:
    box, probs = [0, 0, 4, 4], [[0, 0.9, 0.1], [0, 0.4, 0.6]]
    passes = Passes(np.array([[box], [box]]), np.array(probs)[:, None])
    scores = score_cells(Detections(np.array([box]), np.array([[0, 0.65, 0.35]])), passes, [1], PAPER)
    assert [scores.u_d.tolist(), scores.u_c.tolist(), scores.u_r.tolist()] == [[1], [0.5], [1]]


def test_detections_and_passes_of_different_cells_are_refused() -> None:
    passes = Passes(np.empty((2, 0, 4)), np.empty((2, 0, 3)))
    with pytest.raises(ScoringError, match="same cells, but got 1 and 0"):
        score_cells(Detections(np.array([[0, 0, 4, 4]]), np.array([[0, 1, 0]])), passes, [], PAPER)


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1, np.inf])
def test_a_score_outside_0_to_1_is_refused(wrong: float) -> None:
    with pytest.raises(ScoringError, match=r"u_c must lie in \[0, 1\]"):
        cells([0.5], [wrong], [0])


def test_scores_of_different_lengths_are_refused() -> None:
    with pytest.raises(ScoringError, match="one score per cell"):
        cells([0.5, 0.5], [0.5], [0])
