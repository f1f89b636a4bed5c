"""Small pictures of 16 px cells, and a detector that never saw ImageNet: quick to build."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from filelock import FileLock

from rbcal.config import TrainConfig
from rbcal.detector.checkpoint import load, save
from rbcal.detector.faster_rcnn import Blueprint, Detector, build, with_second_look
from rbcal.detector.trainer import train
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations

RANDOM = TrainConfig(init="random", device="cpu", steps=2, crops=4, second_look=False)
SIDES = np.array([16, 18, 20, 30], np.float32)


def picture(seed: int, n_cells: int = 6, side: int = 96) -> tuple[Pixels, Annotations]:
    """Dark squares (class 0) and bright ones (class 1) on grey; nothing touches."""
    rng = np.random.default_rng(seed)
    image = rng.integers(118, 138, (side, side, 3), np.uint8)
    spots = rng.permutation((side // 24) ** 2)[:n_cells]
    labels = rng.integers(0, 2, n_cells)
    boxes = np.empty((n_cells, 4), np.float32)
    for box, spot, label in zip(boxes, spots, labels, strict=True):
        x, y = 24 * np.array(divmod(int(spot), side // 24)) + rng.integers(1, 6, 2)
        size = int(rng.integers(15, 18))
        image[y : y + size, x : x + size] = 40 if label == 0 else 220
        box[:] = x, y, x + size, y + size
    return image, Annotations(boxes, labels)


def eager(detector: Detector) -> Detector:
    """Make a new detector believe in its proposals and see cells everywhere, differently in each pass."""
    predictor = detector.roi_heads.box_predictor
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(3)
        torch.nn.init.normal_(predictor.cls_score.weight, std=0.3)
        torch.nn.init.normal_(predictor.bbox_pred.weight, std=0.1)
    detector.precision = torch.float32
    return detector


def tiny_detector() -> Detector:
    """Return a random lite detector for two classes, at a scale that keeps small pictures small."""
    return eager(build(replace(RANDOM, second_look=True), 2, box_sides=np.full(4, 40, np.float32)))


@pytest.fixture
def detector() -> Detector:
    """A random lite detector for two classes."""
    return tiny_detector()


@pytest.fixture
def without_second_look(detector: Detector) -> Detector:
    """The same, which names cells by its box head alone."""
    return eager(with_second_look(detector, wanted=False, box_sides=SIDES))


@pytest.fixture
def vgg(blueprint: Blueprint) -> Detector:
    """A random VGG-16 detector for two classes with a narrow head."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        detector = Detector(blueprint)
        for module in detector.backbone.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return eager(detector.eval())


@pytest.fixture(scope="session")
def able(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """A detector that has learnt to find dark and bright squares; one process of several trains it."""
    folder = tmp_path_factory.getbasetemp()
    path = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "able.safetensors"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            config = TrainConfig(steps=30, device="cpu", crops=6)
            detector = build(config, 2, box_sides=SIDES)
            train(detector, [picture(seed) for seed in range(8)], config)
            path.write_bytes(save(detector))
    return load(path.read_bytes())


@pytest.fixture
def blueprint() -> Blueprint:
    """A tiny VGG-16: the convolutions are the real ones, the head is 64 wide."""
    return Blueprint("vgg16", n_classes=2, scale=1.0, anchor_sides=(32.0,), head_width=64)
