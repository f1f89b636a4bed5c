"""The second look and the live head say the same of the same last layer."""

from __future__ import annotations

import numpy as np
import torch

from rbcal.config import ScoringConfig
from rbcal.detector.faster_rcnn import Detector
from rbcal.detector.mc_dropout import McDropout, embed
from rbcal.detector.second_look import mixed
from rbcal.live_head import LastLayer, LiveHead
from rbcal.types import CROP_EMBEDDING_SIZE
from tests.detector.conftest import picture


@torch.inference_mode()
def test_the_live_head_gives_what_the_second_look_would_with_that_last_layer(detector: Detector) -> None:
    look = detector.second_look
    assert look is not None
    rng = np.random.default_rng(0)
    of_boxes = torch.from_numpy(rng.dirichlet(np.ones(3), 20).astype(np.float32))
    features = torch.from_numpy(rng.uniform(0, 2, (20, len(look.centre))).astype(np.float32))
    look.components.copy_(torch.from_numpy(rng.normal(size=look.components.shape) / 30))
    own, stored = look.last_layer(), mixed(of_boxes, look(features)).numpy()
    weight = (own.weight + rng.normal(size=own.weight.shape) / 10).astype(np.float32)
    fitted = LastLayer(weight, own.bias + np.array([1, -1], np.float32))
    look.set_last_layer(fitted)
    expected = mixed(of_boxes, look(features)).numpy()
    live = LiveHead(own, fitted).probs(stored, look.embeddings(features).numpy())
    np.testing.assert_allclose(live, expected, atol=1e-5)
    assert np.abs(stored - expected).max() > 0.05


def test_a_prediction_and_a_true_box_have_the_embeddings_that_the_last_layer_takes(
    detector: Detector,
) -> None:
    image, truth = picture(0)
    prediction = McDropout(detector, ScoringConfig(passes=2, cell_threshold=0.3)).predict(image)
    assert prediction.embeddings.shape == (len(prediction.detections), CROP_EMBEDDING_SIZE)
    assert embed(detector, image, truth.boxes).shape == (len(truth), CROP_EMBEDDING_SIZE)
