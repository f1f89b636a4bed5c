"""The live head: what the expert answers moves the last layer, and the layer moves the names."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from rbcal import live_head
from rbcal.class_merges import Merges
from rbcal.errors import ShapeError
from rbcal.live_head import LastLayer, LiveHead, fit


def layer(n_classes, width=4, seed=0):
    rng = np.random.default_rng(seed)
    return LastLayer(
        rng.normal(size=(n_classes, width)).astype(np.float32), rng.normal(size=n_classes).astype(np.float32)
    )


def drawn(n, n_classes, width=4, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(n, width)).astype(np.float32), rng.integers(n_classes, size=n)


def test_the_gradient_is_that_of_the_loss():
    embeddings, labels = drawn(50, 3)
    e = np.pad(embeddings, ((0, 0), (0, 1)), constant_values=1).astype(np.float64)
    w, theta_0 = live_head._weights(labels).astype(np.float64), np.zeros((3, 5))

    def part(number):
        return lambda flat: live_head._loss(flat.reshape(3, 5), e, labels, w, theta_0, 0.5)[number]

    point = np.random.default_rng(2).normal(size=15).astype(np.float32).astype(np.float64)
    assert check_grad(part(0), part(1), point, epsilon=2e-3) < 0.01 * np.linalg.norm(part(1)(point))


def test_a_bias_moves_to_the_share_of_the_classes_when_nothing_pulls():
    nothing = LastLayer(np.zeros((2, 1), np.float32), np.zeros(2, np.float32))
    labels = np.array([0] * 16 + [1] * 4)  # weights 1/4 and 1/2: 4 against 2
    fitted = fit(nothing, np.zeros((20, 1), np.float32), labels, 2, pull=1e-6)
    assert fitted.bias[0] - fitted.bias[1] == pytest.approx(np.log(2), abs=1e-3)


def test_without_answers_or_under_a_strong_pull_the_layer_stays_the_models():
    own, (embeddings, labels) = layer(3), drawn(40, 3)
    assert fit(own, embeddings[:0], labels[:0], 3).weight.tolist() == own.weight.tolist()
    np.testing.assert_allclose(fit(own, embeddings, labels, 3, pull=1e9).weight, own.weight, atol=1e-4)


def test_the_same_answers_give_the_same_layer_and_name_what_they_teach():
    own, (embeddings, labels) = layer(3), drawn(200, 3)
    embeddings[np.arange(200), labels] += 2
    fitted = fit(own, embeddings, labels, 3)
    np.testing.assert_array_equal(fitted.weight, fit(own, embeddings, labels, 3).weight)
    right = [(each.probs(embeddings).argmax(axis=1) == labels).mean() for each in (own, fitted)]
    assert right[1] > 0.95 > right[0]


def test_a_class_that_the_model_does_not_know_is_learnt_from_answers():
    own, (embeddings, labels) = layer(2), drawn(60, 3)
    embeddings[labels == 2, 3] += 3
    live = LiveHead(own, fit(own, embeddings, labels, 3))
    probs = np.pad(own.probs(embeddings) * 0.9, ((0, 0), (1, 1)))
    probs[:, 0] = 0.1
    renamed = live.probs(probs, embeddings)
    np.testing.assert_allclose(renamed.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(renamed[:, 0], probs[:, 0])
    assert (renamed[labels == 2].argmax(axis=1) == 3).mean() > 0.9


def test_the_models_own_layer_changes_nothing():
    own, (embeddings, _) = layer(3), drawn(20, 3)
    probs = np.random.default_rng(3).dirichlet(np.ones(4), 20).astype(np.float32)
    np.testing.assert_allclose(LiveHead(own, own).probs(probs, embeddings), probs, atol=1e-5)
    assert LiveHead(own, own).probs(probs[:0], embeddings[:0]).shape == (0, 4)


def test_a_merged_class_gives_its_chances_to_its_target():
    own, (embeddings, labels) = layer(3), drawn(50, 2)
    merges = Merges({2: 0})
    probs = merges.probs(np.random.default_rng(3).dirichlet(np.ones(4), 50).astype(np.float32))
    renamed = LiveHead(own, fit(own, embeddings, labels, 3)).probs(probs, embeddings, merges)
    assert not renamed[:, 3].any()
    np.testing.assert_allclose(renamed.sum(axis=1), 1, atol=1e-5)


def test_a_layer_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match="weights"):
        LastLayer(np.zeros((2, 3), np.float32), np.zeros(3, np.float32))
    with pytest.raises(ShapeError, match="finite"):
        LastLayer(np.full((2, 3), np.nan, np.float32), np.zeros(2, np.float32))
