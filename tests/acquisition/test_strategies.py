"""Which image comes first, by each strategy."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.pool import Pool
from rbcal.acquisition.ranking import audited, by_value
from rbcal.acquisition.relevance import CellScores, relevance
from rbcal.acquisition.strategies import DEFAULT_STRATEGY, STRATEGIES, expected_gains, offered, rank_pool
from rbcal.acquisition.submodular import class_weights
from rbcal.config import ScoringConfig
from rbcal.errors import ScoringError
from rbcal.types import EMBEDDING_SIZE
from tests.acquisition.conftest import make_context, make_pool

UNSURE, SURE = [0.0, 0.5, 0.5], [0.0, 1.0, 0.0]


def test_the_expert_is_offered_all_but_the_ablations():
    assert STRATEGIES.keys() - offered().keys() == {"balanced_plain", "balanced_alike", "balanced_free"}
    assert DEFAULT_STRATEGY in offered()


def test_an_unknown_strategy_is_named_with_those_that_there_are():
    with pytest.raises(ScoringError, match=r"no strategy 'best'\. Choose one of: balanced, relevance"):
        rank_pool("best", make_pool([0], [SURE]), make_context())


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_image_comes_once(name, random_pool):
    order = rank_pool(name, random_pool, make_context((5, 50, 500), rare=(0,)))
    assert sorted(order.images) == list(range(40))
    assert np.isfinite(order.values).all()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_pool_without_any_cell_has_an_order(name):
    empty = make_pool([], np.empty((0, 3)), n_images=3)
    assert sorted(rank_pool(name, empty, make_context()).images) == [0, 1, 2]


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "random"])
def test_the_order_of_the_images_does_not_depend_on_their_numbers(name, random_pool):
    context = make_context((5, 50, 500), rare=(0,))
    pool = random_pool
    plain = rank_pool(name, pool, context)
    new_number = np.random.default_rng(0).permutation(40)
    names = ("probs", "u_d", "u_c", "u_r", "bald", "agreement", "rate", "embeddings")
    turned = Pool(range(40), new_number[pool.image], **{each: getattr(pool, each) for each in names})
    values = rank_pool(name, turned, context).values[new_number]
    if name in ("balanced", "balanced_plain", "balanced_free"):  # k-means sees the cells in the same order
        np.testing.assert_allclose(np.sort(values), np.sort(plain.values), rtol=0.05)
    else:
        np.testing.assert_allclose(values, plain.values, rtol=1e-9)


def test_relevance_is_equation_8_of_each_image(random_pool):
    config = ScoringConfig()
    values = rank_pool("relevance", random_pool, make_context((1, 1, 1))).values
    for k in range(40):
        cells = random_pool.image == k
        scores = CellScores(random_pool.u_d[cells], random_pool.u_c[cells], random_pool.u_r[cells])
        assert values[k] == relevance(scores, config)


def test_relevance_per_cell_does_not_prefer_crowded_images():
    pool = make_pool([0, 0, 0, 1], [SURE] * 4, u_c=[0.5, 0.5, 1.0, 0.5])  # R = 2 of 3 cells; 1 of 1
    assert list(rank_pool("relevance", pool, make_context()).images) == [0, 1]
    assert list(rank_pool("relevance_per_cell", pool, make_context()).images) == [1, 0]


def test_random_follows_the_seed_alone(random_pool):
    one, same, other = (
        rank_pool("random", random_pool, make_context((1, 1, 1), seed=seed)).images for seed in (1, 1, 2)
    )
    assert list(one) == list(same) != list(other)


def test_entropy_takes_the_mean_and_its_sum_the_crowd():
    pool = make_pool([0, 1, 1, 1, 1], [UNSURE, UNSURE, SURE, UNSURE, SURE])
    mean = rank_pool("entropy", pool, make_context())
    assert list(mean.images) == [0, 1]
    assert mean.values == pytest.approx([np.log(2) / np.log(3), np.log(2) / np.log(3) / 2])
    assert list(rank_pool("entropy_sum", pool, make_context()).images) == [1, 0]


def test_boxal_multiplies_its_three_certainties():
    pool = make_pool([0, 1], [UNSURE, SURE], agreement=[0.5, 0.9], rate=[0.8, 0.9])
    order = rank_pool("boxal", pool, make_context())
    certainty = (1 - np.log(2) / np.log(3)) * 0.5 * 0.8, 0.9 * 0.9
    assert order.terms["certainty"] == pytest.approx(certainty, rel=1e-6)
    assert list(order.images) == [0, 1]


def test_bald_takes_contradiction_and_not_entropy():
    pool = make_pool([0, 1], [UNSURE, SURE], bald=[0.0, 0.3])
    assert list(rank_pool("bald", pool, make_context()).images) == [1, 0]


def test_balanced_takes_the_class_with_few_annotations_first():
    pool = make_pool([0, 1], [[0, 1, 0], [0, 0, 1]], bald=[0.2, 0.2])
    assert list(rank_pool("balanced", pool, make_context((500, 5))).images) == [1, 0]
    assert list(rank_pool("balanced", pool, make_context((5, 500))).images) == [0, 1]


def test_a_class_without_an_annotated_cell_counts_in_the_order_and_is_not_named():
    pool = make_pool([0, 1], [[0, 1, 0], [0, 0, 1]], bald=[0.2, 0.2])
    ranking = rank_pool("balanced", pool, make_context((500, 0)))
    assert list(ranking.images) == [1, 0]
    assert {name for name in ranking.terms if name.startswith("gain")} == {"gain 0"}
    assert "gain 1" in rank_pool("balanced", pool, make_context((500, 1))).terms


def test_balanced_avoids_a_second_image_like_the_first():
    embeddings = np.zeros((3, EMBEDDING_SIZE), np.float32)
    embeddings[[0, 1], 0], embeddings[2, 1] = 1, 1  # the first two look alike
    cells = [[0.0, 0.5, 0.5]] * 3
    pool = make_pool([0, 1, 2], cells, bald=[0.3, 0.3, 0.3], embeddings=embeddings)
    assert list(rank_pool("balanced", pool, make_context()).images).index(1) == 2


def test_balanced_prefers_the_image_that_costs_less():
    image = [0] * 20 + [1] * 2
    probs = [[0, 1, 0]] * 18 + [[0, 0.5, 0.5]] * 2 + [[0, 0.5, 0.5]] * 2
    bald = [0.0] * 18 + [0.4] * 4
    pool = make_pool(image, probs, bald=bald)
    costly = make_context((9, 9), cost_model=CostModel(image=1, cell=30, change=0))
    assert rank_pool("balanced", pool, costly).images[0] == 1
    assert rank_pool("balanced_free", pool, costly).images[0] == 0


def test_balanced_is_the_greedy_choice_of_the_whole_set(random_pool):
    context = make_context((5, 50, 500), rare=(0,))
    order = rank_pool("balanced_alike", random_pool, context)
    change = context.calibration(random_pool.uncertainty)
    new = np.stack([random_pool.total(random_pool.probs[:, k + 1] * change) for k in range(3)], axis=1)
    minutes = context.cost_model.seconds(random_pool.n_cells, random_pool.total(change)) / 60
    weights = class_weights(context.annotated, context)
    have, left, greedy = context.annotated.astype(float), list(range(40)), []
    while left:
        gain = [weights @ np.log1p(new[k] / (1 + have)) / minutes[k] for k in left]
        greedy.append(left.pop(int(np.argmax(gain))))
        have += new[greedy[-1]]
    with_cells = [k for k in greedy if new[k].any()]
    assert [k for k in order.images if new[k].any()] == with_cells


def test_a_class_of_poor_f1_weighs_more():
    same = np.array([100, 100])
    weights = class_weights(same, make_context(same, f1=np.array([0.9, 0.3])))
    assert weights == pytest.approx(np.array([0.2, 0.7]) / 0.45)  # at least 0.2; the mean is 1
    unknown = class_weights(same, make_context(same, f1=np.array([0.9, np.nan])))
    assert unknown == pytest.approx(np.array([0.2, 1.0]) / 0.6)


def test_a_rare_class_weighs_three_times_as_much():
    same = np.array([100, 100])
    assert class_weights(same, make_context(same, rare=(1,))) == pytest.approx([0.5, 1.5])


def test_expected_gains_add_up_the_cells_and_the_minutes_of_an_image():
    pool = make_pool([0, 0], [[0.1, 0.6, 0.3], [0.0, 0.2, 0.8]])
    context = make_context(cost_model=CostModel(image=10, cell=5, change=0))
    expected = expected_gains(pool, context, np.array([0.25, 0.5]), spread=4.0)
    assert expected["change_sd"].tolist() == pytest.approx([2 * (0.25 * 0.75 + 0.25) ** 0.5])
    assert expected["change"] == pytest.approx([0.75])
    assert expected["new 0"] == pytest.approx([0.8])
    assert expected["new 1"] == pytest.approx([1.1])
    assert expected["minutes"] == pytest.approx([20 / 60])


def test_a_pool_refuses_columns_of_different_lengths_and_nan():
    with pytest.raises(ScoringError, match="one row per cell"):
        make_pool([0, 0], [SURE, SURE], u_d=[1.0])
    with pytest.raises(ScoringError, match="NaN"):
        make_pool([0], [SURE], bald=[np.nan])


def test_one_image_in_ten_is_drawn_at_random_with_its_propensity():
    plain = by_value(np.arange(100.0)[::-1].copy(), {})
    firsts = []
    for seed in range(400):
        mixed = audited(plain, np.random.default_rng(seed))
        assert sorted(mixed.images) == list(range(100))
        drawn = ~np.isnan(mixed.propensity)
        assert drawn.sum() == 10
        assert drawn[mixed.images[9::10]].all()
        chosen = [k for k in mixed.images if not drawn[k]]
        assert chosen == sorted(chosen)  # the others keep their order
        firsts.append(mixed.images[9])
        assert mixed.propensity[mixed.images[9]] == pytest.approx(1 / 91)
    assert min(firsts) == 9  # what came before it cannot be drawn
    assert np.mean(firsts) == pytest.approx(54, abs=4)  # the mean of 9..99, six standard errors
