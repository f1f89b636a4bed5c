"""A trunk that stays as it is: looked through once, and what it made is as good as the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.detector.faster_rcnn import build, with_second_look
from rbcal.detector.frozen_backbone import FrozenTraining, freeze, views
from rbcal.detector.mc_dropout import McDropout, detect
from tests.detector.conftest import RANDOM, SIDES, picture

FROZEN = replace(RANDOM, second_look=False)  # simulations go without: a crop is made of pixels


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "vgg16"])
def test_what_the_trunk_made_of_an_image_is_as_good_as_the_image(backbone):
    detector = build(replace(FROZEN, backbone=backbone), 2, box_sides=SIDES)
    image = picture(0)[0]
    sampler = McDropout(detector, ScoringConfig(passes=3))
    features = detector.tiled_features(image)
    assert features.n_bytes > 0
    one, other = sampler.predict(image), sampler.predict(features)
    np.testing.assert_array_equal(one.detections.boxes, other.detections.boxes)
    np.testing.assert_array_equal(one.passes.probs, other.passes.probs)
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    np.testing.assert_array_equal(detect(detector, image).probs, detect(detector, features).probs)


def test_an_image_in_tiles_is_traced_tile_by_tile():
    detector = build(FROZEN, 2, box_sides=SIDES)
    detector.tile = 128
    image = np.tile(picture(0)[0], (2, 2, 1))
    features = detector.tiled_features(image)
    assert len(features.tiles) > 1
    np.testing.assert_array_equal(detect(detector, image).boxes, detect(detector, features).boxes)


def unit(embeddings):
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def test_embeddings_are_unit_vectors_that_do_not_depend_on_the_passes(able):
    bare = with_second_look(able, wanted=False, box_sides=SIDES)
    image = picture(0)[0]
    one, other = (McDropout(bare, ScoringConfig(passes=50, seed=seed)).predict(image) for seed in (0, 1))
    assert np.linalg.norm(one.embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    assert len(one.embeddings) == len(one.detections) > 3
    alike = (
        one.embeddings @ other.embeddings.T
    )  # the order of the cells may differ, and which proposal is one
    assert np.isclose(alike.max(axis=1), 1, atol=1e-5).sum() >= len(one.embeddings) - 1


def test_those_of_a_second_look_depend_on_the_passes_by_the_box_alone(able):
    image = picture(0)[0]
    one, other = (McDropout(able, ScoringConfig(passes=2, seed=seed)).predict(image) for seed in (0, 1))
    alike = unit(one.embeddings) @ unit(other.embeddings).T
    # A box that is elsewhere by a part of a pixel is seen a little otherwise; another cell has -1.
    assert np.isclose(alike.max(axis=1), 1, atol=5e-2).sum() >= len(one.embeddings) - 1 >= 3


def test_cells_of_one_class_look_more_alike_than_others(able):
    seen = McDropout(able, ScoringConfig(passes=2)).predict(picture(1, n_cells=10)[0])
    labels = seen.detections.labels
    alike, same = unit(seen.embeddings) @ unit(seen.embeddings).T, labels[:, None] == labels
    np.fill_diagonal(alike, np.nan)
    assert np.nanmean(alike[same]) > np.nanmean(alike[~same]) + 0.1


def test_a_frozen_training_moves_all_but_the_trunk_and_learns():
    detector = build(replace(FROZEN, steps=30, batch_size=2), 2, box_sides=SIDES)
    freeze(detector)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    config = TrainConfig(init="random", steps=30, learning_rate=1e-3)
    samples = [views(detector, *picture(k), config, 2, [0, k]) for k in range(3)]
    assert [len(each) for each in samples] == [2, 2, 2]
    with FrozenTraining(detector, samples, config) as run:
        losses = [run.advance().loss for _ in range(30)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    for name, tensor in detector.state_dict().items():
        if name.startswith("backbone.body."):
            assert torch.equal(tensor, before[name]), name
    assert any(
        not torch.equal(tensor, before[name])
        for name, tensor in detector.state_dict().items()
        if name.startswith("roi_heads.")
    )


def test_views_follow_their_seed():
    detector = build(FROZEN, 2, box_sides=SIDES)
    config = TrainConfig(init="random", steps=1)
    one, same, other = (views(detector, *picture(0), config, 1, [seed])[0] for seed in (1, 1, 2))
    assert torch.equal(one.features.levels[0], same.features.levels[0])
    assert torch.equal(one.target["boxes"], same.target["boxes"])
    assert one.features.size != other.features.size or not torch.equal(
        one.features.levels[0], other.features.levels[0]
    )
