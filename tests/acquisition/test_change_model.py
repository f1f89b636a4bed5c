"""The chance of a change and the promise of green cells, on cells whose true chance is known."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.change_model import ChangeModel, change_features, cross_fitted, green_limit


def cells(n, seed=0, n_groups=5):
    """Return features, changes, slides and chances of cells that a known model makes wrong."""
    rng = np.random.default_rng(seed)
    features = np.stack([rng.normal(1, 2, n), -rng.exponential(1, n)], axis=1)
    chance = ChangeModel(-1.0, -1.0, -0.5)(features)
    return features, rng.uniform(size=n) < chance, np.arange(n) % n_groups, chance


def test_a_fit_finds_the_chances_that_made_the_cells():
    features, changed, _, chance = cells(20_000)
    assert abs(ChangeModel.fit(features, changed)(features) - chance).max() < 0.03


@pytest.mark.parametrize("n", [0, 199])
def test_of_too_few_cells_nothing_is_known(n):
    features, changed, group, _ = cells(n)
    assert ChangeModel.fit(features, changed) is None
    assert cross_fitted(features, changed, group) is None


def test_of_cells_that_were_all_right_nothing_is_known():
    features, *_ = cells(400)
    assert ChangeModel.fit(features, np.zeros(400, bool)) is None


def test_of_one_slide_alone_nothing_can_be_promised_for_another():
    features, changed, _, _ = cells(400)
    assert cross_fitted(features, changed, np.zeros(400, np.int64)) is None


def test_a_cell_s_chance_does_not_know_its_own_slide():
    features, changed, group, _ = cells(2000)
    before = cross_fitted(features, changed, group)
    changed[group == 2] = True  # a slide that is misnamed as a whole
    after = cross_fitted(features, changed, group)
    np.testing.assert_array_equal(after[group == 2], before[group == 2])
    assert after[group != 2].mean() > before[group != 2].mean() + 0.1


def test_a_name_that_stands_alone_in_its_image_is_less_sure_than_one_of_many():
    probs = np.array([[0, 0.8, 0.2]] * 9 + [[0, 0.2, 0.8]] + [[0, 0.2, 0.8]] * 9, np.float32)
    image = np.repeat([0, 1], [10, 9])
    confidence, company = change_features(probs, image).T
    assert np.ptp(confidence) < 1e-6
    assert company[9] < company[0] == pytest.approx(company[10], abs=0.1)


def test_a_promise_is_kept_in_all_but_a_few_of_many_projects():
    n_broken = n_green = 0
    for seed in range(200):
        _, changed, _, chance = cells(3000, seed)
        limit = green_limit(chance, changed, 0.05)
        if limit is not None:
            n_green += 1
            n_broken += chance[chance <= limit].mean() > 0.05
    assert n_green > 150
    assert n_broken <= 0.05 * 200 + 7  # 5 %, and two standard deviations


def test_where_no_chance_keeps_the_promise_nothing_is_green():
    *_, chance = cells(3000)
    assert green_limit(chance, np.random.default_rng(0).uniform(size=3000) < 0.4, 0.02) is None


def test_spot_checks_that_were_wrong_take_green_back():
    _, _, _, chance = cells(3000)
    changed = np.zeros(3000, bool)
    drawn = np.zeros(3000, bool)
    drawn[np.argsort(chance)[:20]] = True
    assert green_limit(chance, changed, 0.02, drawn) == chance.max()
    changed[np.flatnonzero(drawn)[:3]] = True  # 3 of 20, among 3,000 that were right
    assert green_limit(chance, changed, 0.02) is not None
    assert green_limit(chance, changed, 0.02, drawn) is None
