"""Equations (5), (6) and (7), by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbcal.acquisition.uncertainty import class_certainty, detection_certainty, modal_class, rare_candidate
from rbcal.errors import ScoringError, ShapeError
from rbcal.types import Floats, Passes

WHOLE, LEFT_HALF, ELSEWHERE = [0, 0, 4, 4], [0, 0, 2, 4], [8, 8, 9, 9]


def one_cell(boxes: list[list[float]], probs: list[list[float]] | None = None) -> Passes:
    """One cell in T passes; without probs every pass is sure of class 0."""
    probs = probs or [[0, 1, 0]] * len(boxes)
    return Passes(np.array(boxes)[:, None], np.array(probs)[:, None])


def voting(*columns: int, n_columns: int = 4) -> Passes:
    """One cell in T passes, each certain of one column of probs."""
    return one_cell([WHOLE] * len(columns), np.eye(n_columns)[list(columns)].tolist())


def random_passes(seed: int, n_passes: int, n_cells: int, n_classes: int = 3) -> Passes:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 20, (n_passes, n_cells, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 30, corners.shape)], axis=2)
    return Passes(boxes, rng.dirichlet(np.ones(n_classes + 1), (n_passes, n_cells)))


def test_passes_that_agree_on_the_box_are_certain_of_it() -> None:
    assert detection_certainty(one_cell([WHOLE] * 5)).tolist() == [1]


def test_passes_that_never_meet_the_first_box_are_not_certain_of_it() -> None:
    assert detection_certainty(one_cell([WHOLE, ELSEWHERE, ELSEWHERE])).tolist() == [0]


def test_box_certainty_is_the_mean_overlap_with_the_first_pass() -> None:
    # IoU with the first: 1, 1/2, 0; the IoU of the second with the third is not in (5)
    assert detection_certainty(one_cell([WHOLE, WHOLE, LEFT_HALF, ELSEWHERE])) == pytest.approx([1.5 / 3])


def test_a_box_that_one_pass_loses_at_the_border_counts_as_no_overlap() -> None:
    assert detection_certainty(one_cell([WHOLE, WHOLE, [0, 0, 0, 4]])).tolist() == [0.5]


def test_passes_that_agree_on_the_class_are_certain_of_it() -> None:
    assert class_certainty(voting(2, 2, 2)).tolist() == [1]


def test_one_flip_in_twenty_passes_costs_a_twentieth() -> None:
    assert class_certainty(voting(*[1] * 19, 2)) == pytest.approx([0.95])


def test_contradicting_passes_share_the_certainty() -> None:
    assert class_certainty(voting(1, 2, 3, 1, 2, 3)) == pytest.approx([1 / 3])


def test_a_pass_that_sees_background_agrees_with_no_class() -> None:
    assert class_certainty(voting(0, 0, 0, 1)).tolist() == [0.25]


def test_a_cell_that_every_pass_takes_for_background_has_no_certainty() -> None:
    assert class_certainty(voting(0, 0)).tolist() == [0]


def test_a_tie_in_the_mode_goes_to_the_more_probable_class() -> None:
    passes = one_cell([WHOLE] * 2, [[0, 0.6, 0.4], [0, 0.1, 0.9]])  # one vote each; means 0.35 and 0.65
    assert modal_class(passes).tolist() == [2]
    assert class_certainty(passes).tolist() == [0.5]


def test_a_rare_class_above_the_threshold_makes_a_candidate() -> None:
    probs = np.array([[0.1, 0.6, 0.3], [0.1, 0.8, 0.1]], np.float32)
    assert rare_candidate(probs, [1], 0.2).tolist() == [1, 0]


def test_a_probability_at_the_threshold_makes_no_candidate() -> None:
    assert rare_candidate(np.array([[0.5, 0.25, 0.25]], np.float32), [0, 1], 0.25).tolist() == [0]


def test_rare_classes_do_not_add_up() -> None:
    assert rare_candidate(np.array([[0.7, 0.15, 0.15]], np.float32), [0, 1], 0.2).tolist() == [0]


def test_background_is_no_rare_class() -> None:
    assert rare_candidate(np.array([[0.9, 0.1]], np.float32), [0], 0.2).tolist() == [0]


def test_a_project_without_rare_classes_has_no_candidate() -> None:
    assert rare_candidate(np.array([[0.0, 1.0]], np.float32), [], 0.2).tolist() == [0]


def test_an_image_without_cells_has_no_scores() -> None:
    passes = Passes(np.empty((3, 0, 4)), np.empty((3, 0, 4)))
    scores = detection_certainty(passes), class_certainty(passes), rare_candidate(np.empty((0, 4)), [0], 0.2)
    assert [score.shape for score in scores] == [(0,)] * 3
    assert {score.dtype for score in scores} == {np.dtype(np.float32)}


@pytest.mark.parametrize("score", [detection_certainty, class_certainty])
def test_one_pass_is_refused(score) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScoringError, match="at least 2; got 1"):
        score(one_cell([WHOLE]))


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ScoringError, match="got NaN"):
        rare_candidate(np.array([[0.5, np.nan]], np.float32), [0], 0.2)
    with pytest.raises(ShapeError, match="must be finite"):
        one_cell([WHOLE] * 2, [[0, np.nan, 0]] * 2)


def test_a_rare_class_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ScoringError, match="one of the 2 labels from 0, but got 2"):
        rare_candidate(np.array([[0.5, 0.3, 0.2]], np.float32), [2], 0.2)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(0, 6))
def test_certainties_lie_between_0_and_1(seed: int, n_passes: int, n_cells: int) -> None:
    passes = random_passes(seed, n_passes, n_cells)
    for score in (detection_certainty(passes), class_certainty(passes)):
        assert score.shape == (n_cells,)
        assert ((score >= 0) & (score <= 1)).all()


@given(st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_the_order_of_cells_and_of_later_passes_changes_nothing(seed: int, random) -> None:  # type: ignore[no-untyped-def]
    passes = random_passes(seed, 6, 5)
    cells, later = random.sample(range(5), 5), [0, *random.sample(range(1, 6), 5)]

    def shuffled(of: Floats) -> Floats:
        return of[later][:, cells]

    permuted = Passes(shuffled(passes.boxes), shuffled(passes.probs))
    np.testing.assert_allclose(detection_certainty(permuted), detection_certainty(passes)[cells], rtol=1e-6)
    np.testing.assert_array_equal(class_certainty(permuted), class_certainty(passes)[cells])
