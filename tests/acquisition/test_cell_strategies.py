"""Which cells are asked for, by each strategy over cells: every value here is worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rbcal.acquisition.cell_strategies import (
    CELL_STRATEGIES,
    DEFAULT_CELL_STRATEGY,
    check_arms,
    most_alike,
    rank_cells,
)
from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.strategies import STRATEGIES
from rbcal.errors import ScoringError
from rbcal.types import EMBEDDING_SIZE
from tests.acquisition.conftest import make_context, make_pool

SURE, HALF, FAIR = [0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.4, 0.1]  # given a cell, FAIR is 0.8 / 0.2
CHOOSING = [name for name in CELL_STRATEGIES if name != "cells_random"]


@pytest.mark.parametrize("name", CELL_STRATEGIES)
def test_n_cells_come_once_each_and_the_same_seed_gives_the_same(name, random_pool):
    context = make_context((5, 50, 500), rare=(0,))
    chosen = rank_cells(name, random_pool, context, 30)
    assert len(set(chosen.cells.tolist())) == 30
    assert chosen.values.shape == (len(random_pool),)
    assert np.isfinite(chosen.values).all()
    assert list(rank_cells(name, random_pool, context, 30).cells) == list(chosen.cells)


@pytest.mark.parametrize("name", CELL_STRATEGIES)
def test_more_than_there_are_gives_all(name, random_pool):
    chosen = rank_cells(name, random_pool, make_context((5, 50, 500)), 10_000)
    assert sorted(chosen.cells) == list(range(len(random_pool)))


@pytest.mark.parametrize("name", CELL_STRATEGIES)
def test_a_pool_without_any_cell_gives_none(name):
    assert len(rank_cells(name, make_pool([], np.empty((0, 3)), 3), make_context(), 5).cells) == 0


@pytest.mark.parametrize("name", CELL_STRATEGIES)
def test_nan_raises(name):
    with pytest.raises(ScoringError, match="NaN"):
        rank_cells(name, make_pool([0], [[0.0, np.nan, 0.0]]), make_context(), 1)


def test_a_chance_that_is_no_number_raises():
    with pytest.raises(ScoringError, match="must be a number"):
        rank_cells("cells_change", make_pool([0], [HALF]), make_context(chances=np.array([np.nan])), 1)


def test_chances_must_be_of_all_cells():
    with pytest.raises(ScoringError, match="of the 1 cells of the pool, but there are 2"):
        rank_cells("cells_change", make_pool([0], [HALF]), make_context(chances=np.array([0.1, 0.2])), 1)


def test_a_cell_that_is_background_for_certain_raises():
    with pytest.raises(ScoringError, match="background for certain"):
        rank_cells("cells_uncertain", make_pool([0], [[1.0, 0.0, 0.0]]), make_context(), 1)


def test_random_follows_the_seed_alone(random_pool):
    one, other = (
        list(rank_cells("cells_random", random_pool, make_context((1, 1, 1), seed=seed), 30).cells)
        for seed in (1, 2)
    )
    assert one != other


@pytest.mark.parametrize("name", ["cells_random", "cells_uncertain"])
def test_the_next_query_does_not_take_the_neighbours_of_the_last_one(name):
    pool = make_pool([0] * 400, [HALF] * 400)
    first = rank_cells(name, pool, make_context(), 40).cells
    left = np.delete(np.arange(400), first)
    second = rank_cells(name, pool.of_cells(left), make_context(), 40).cells
    assert len(set(first) & set(second)) < 20  # by chance 4 places


def test_uncertain_is_1_minus_max_p_given_a_cell():
    chosen = rank_cells("cells_uncertain", make_pool([0, 0, 1], [SURE, FAIR, HALF]), make_context(), 2)
    assert chosen.values == pytest.approx([0.0, 0.2, 0.5])
    assert list(chosen.cells) == [2, 1]


def test_of_equals_chance_decides_and_not_the_order_of_the_images():
    pool = make_pool([0] * 20, [HALF] * 20)
    assert list(rank_cells("cells_uncertain", pool, make_context(), 5).cells) != [0, 1, 2, 3, 4]


def test_relevance_counts_the_terms_of_equation_8_of_one_cell():
    u_c, u_d, u_r = [0.9, 0.8, 0.9, 0.9], [0.95, 0.9, 0.91, 0.5], [0, 0, 1, 0]
    pool = make_pool([0] * 4, [SURE] * 4, u_c=u_c, u_d=u_d, u_r=u_r)
    chosen = rank_cells("cells_relevance", pool, make_context(rare=(1,)), 4)
    assert list(chosen.values) == [0, 2, 10, 1]  # a score equal to its threshold fires; gamma is 10
    assert list(chosen.cells) == [2, 1, 3, 0]


def test_balanced_weighs_uncertainty_by_how_few_annotations_a_class_has():
    pool = make_pool([0] * 3, [HALF, [0.0, 0.4, 0.6], SURE])
    chosen = rank_cells("cells_balanced", pool, make_context((99, 1)), 3)
    values = [0.5 * (0.5 / 100 + 0.5 / 2), 0.4 * (0.4 / 100 + 0.6 / 2), 0.0]
    assert chosen.values == pytest.approx(values)
    assert list(chosen.cells) == [0, 1, 2]


def test_balanced_asks_for_classes_of_the_pool():
    with pytest.raises(ScoringError, match="counted for the 2 classes of the pool, but are for 3"):
        rank_cells("cells_balanced", make_pool([0], [HALF]), make_context((1, 1, 1)), 1)


def test_entropy_takes_one_of_each_class_in_turn():
    pool = make_pool([0] * 5, [[0, 0.5, 0.5], [0, 0.6, 0.4], [0, 0.7, 0.3], [0, 0.1, 0.9], [0, 0.05, 0.95]])
    quiet = make_context((10**9, 10**9))  # so many annotated cells that no noise is left
    chosen = rank_cells("cells_entropy", pool, quiet, 4)
    assert list(chosen.cells) == [0, 3, 1, 4]
    assert chosen.values[0] == pytest.approx(np.log(np.log(2)), abs=1e-6)


def test_the_noise_of_entropy_falls_with_annotated_cells():
    pool = make_pool([0] * 200, [HALF] * 200)
    early, late = (
        rank_cells("cells_entropy", pool, make_context((n, 0)), 1).values.std() for n in (100, 1000)
    )
    assert early == pytest.approx(10 * late)
    assert early == pytest.approx(np.pi / np.sqrt(6), rel=0.15)  # of Gumbel's distribution, scale 1


def test_change_is_per_second_and_for_classes_with_few_annotations():
    cost = CostModel(side_by_side=1.0, cell_change=4.0)
    context = make_context((9, 0), chances=np.array([0.25, 0.25, 0.5]), cost_model=cost)
    chosen = rank_cells("cells_change", make_pool([0] * 3, [SURE, [0, 0, 1], SURE]), context, 3)
    assert chosen.values == pytest.approx([0.25 / 10 / 2, 0.25 / 2, 0.5 / 10 / 3])
    assert list(chosen.cells) == [1, 2, 0]


def test_change_goes_by_the_calibration_where_no_chance_is_known():
    pool = make_pool([0, 0], [HALF, HALF], bald=[0.1, 0.3], rate=[1.0, 0.5])
    assert list(rank_cells("cells_change", pool, make_context(), 1).cells) == [1]


def test_the_chance_of_a_change_alone_is_an_order_too():
    context = make_context((9, 0), chances=np.array([0.25, 0.2, 0.5]))
    chosen = rank_cells("cells_chance", make_pool([0] * 3, [SURE, [0, 0, 1], SURE]), context, 3)
    assert list(chosen.values) == [0.25, 0.2, 0.5]
    assert list(chosen.cells) == [2, 0, 1]


def test_diverse_takes_cells_that_look_different():
    embeddings = np.zeros((12, EMBEDDING_SIZE), np.float32)
    embeddings[:11, 0], embeddings[11, 1] = 1, 1  # eleven alike and one of another look
    pool = make_pool([0] * 12, [[0, 0.5, 0.5]] * 12, embeddings=embeddings)
    for seed in range(5):
        assert 11 in rank_cells("cells_diverse", pool, make_context(seed=seed), 2).cells


def test_diverse_looks_at_the_most_uncertain_alone():
    probs = [[0, 0.5, 0.5]] * 30 + [[0, 0.9, 0.1]] * 30
    embeddings = np.random.default_rng(0).normal(size=(60, EMBEDDING_SIZE))
    pool = make_pool([0] * 60, probs, embeddings=embeddings)
    assert max(rank_cells("cells_diverse", pool, make_context(), 3).cells) < 30


@pytest.mark.parametrize("name", CHOOSING)
def test_the_value_of_a_cell_does_not_depend_on_the_order_of_the_cells(name, random_pool):
    context = make_context((500_000, 50, 5), rare=(0,))
    turned = np.random.default_rng(0).permutation(len(random_pool))
    columns = {
        each: getattr(random_pool, each)[turned]
        for each in ("image", "probs", "u_d", "u_c", "u_r", "bald", "agreement", "rate", "embeddings")
    }
    values, again = (
        rank_cells(name, pool, context, 20).values for pool in (random_pool, replace(random_pool, **columns))
    )
    np.testing.assert_allclose(again, values[turned], rtol=1e-6, atol=2e-3)  # of entropy's noise


def test_an_arm_is_a_strategy_over_images_or_cells_or_the_control():
    check_arms("random", "cells_random", "none")
    with pytest.raises(ScoringError, match=r"no strategy 'cells_best' over cells\. Choose one of: cells_bal"):
        check_arms("cells_best")
    with pytest.raises(ScoringError, match="no strategy 'best'"):
        check_arms("none", "best")


def test_names_tell_cells_from_images():
    assert all(name.startswith("cells_") for name in CELL_STRATEGIES)
    assert not any(name.startswith("cells_") for name in STRATEGIES)
    assert DEFAULT_CELL_STRATEGY in CELL_STRATEGIES


def test_cells_shown_together_cost_less_than_alone():
    cost, changed = CostModel(alone=3.0, side_by_side=1.0, cell_change=4.0), np.array([True, False, False])
    assert cost.seconds_of_cells(np.array([2, 2, 0]), changed) == 1 + 1 + 3 + 4
    assert cost.seconds_of_cells(np.array([2, 2, 2]), changed) == 3 + 4
    assert cost.seconds_of_cells(np.empty(0, np.int64), changed[:0]) == 0


def test_the_most_alike_have_the_smallest_angle_whatever_their_length():
    pool = make_pool([0, 0, 0], [SURE, SURE, SURE])
    looks = np.zeros((3, EMBEDDING_SIZE), np.float32)
    looks[:, :2] = [[1, 0], [3, 3], [0, 0]]  # cosines with (1, 1): 0.71, 1, and 0 for what looks like nothing
    chosen = most_alike(replace(pool, embeddings=looks), np.float32([1, 1, *[0] * (EMBEDDING_SIZE - 2)]), 2)
    assert chosen.cells.tolist() == [1, 0]
    assert chosen.values == pytest.approx([0.5**0.5, 1, 0])
