from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from rbcal.detector import onnx
from rbcal.detector.faster_rcnn import Detector
from rbcal.detector.mc_dropout import detect
from rbcal.detector.onnx import to_onnx
from rbcal.errors import DetectorError
from tests.detector.conftest import picture


def test_onnxruntime_finds_the_same_boxes(able: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(able, "precision", torch.float32)
    height, width = able.rescale(picture(0)[0], able.blueprint.scale).shape[1:]
    session = onnxruntime.InferenceSession(to_onnx(able, height, width, (96, 96)))
    for seed in (400, 401, 402):  # none of them is the one that was traced
        image, truth = picture(seed)
        working = able.rescale(image, able.blueprint.scale)
        pixels = image.transpose(2, 0, 1).astype(np.float32) / 255
        boxes, probs = session.run(None, {"picture": working.numpy(), "image": pixels})
        found = detect(able, image)
        assert len(found) >= len(truth)
        zoom = image.shape[0] / height
        np.testing.assert_allclose(boxes * zoom, found.boxes, atol=1e-3)
        np.testing.assert_allclose(probs, found.probs, atol=1e-4)


def test_without_the_package_the_error_says_what_to_install(
    able: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    with pytest.raises(DetectorError, match="Install it: python -m uv pip install onnx"):
        to_onnx(able, 64, 64, (64, 64))
