"""Merged classes: labels and probabilities are read as those of the target."""

from __future__ import annotations

import numpy as np

from rbcal.class_merges import Merges


def test_without_a_merge_everything_stays():
    probs = np.float32([[0.5, 0.2, 0.3]])
    assert Merges().probs(probs) is probs
    assert not Merges()


def test_a_merged_class_gives_its_share_to_its_target():
    folded = Merges({1: 0}).probs(np.float32([[0.1, 0.2, 0.3, 0.4]]))
    np.testing.assert_allclose(folded, [[0.1, 0.5, 0, 0.4]], atol=1e-6)


def test_rows_of_every_pass_still_sum_to_1():
    rng = np.random.default_rng(0)
    passes = rng.dirichlet(np.ones(6), (20, 7)).astype(np.float32)
    folded = Merges.following({4: 2, 2: 0, 3: 1}).probs(passes)
    np.testing.assert_allclose(folded.sum(-1), 1, atol=1e-5)
    assert not folded[..., [3, 4, 5]].any()


def test_a_target_younger_than_the_model_gets_a_column():
    folded = Merges({0: 3}).probs(np.float32([[0.2, 0.8]]))
    np.testing.assert_allclose(folded, [[0.2, 0, 0, 0, 0.8]], atol=1e-6)


def test_a_merged_class_that_the_model_never_knew_changes_nothing():
    probs = np.float32([[0.2, 0.8]])
    assert Merges({3: 0}).probs(probs) is probs


def test_labels_are_those_of_the_targets_and_the_given_ones_stay():
    given = np.array([0, 1, 2, 1])
    assert Merges({1: 2}).labels(given).tolist() == [0, 2, 2, 2]
    assert given.tolist() == [0, 1, 2, 1]


def test_the_members_of_a_class_are_all_labels_that_count_as_it():
    merges = Merges({1: 0, 3: 0})
    assert (merges.members(0), merges.members(1), merges.members(2)) == ([0, 1, 3], [], [2])
