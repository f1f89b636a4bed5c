"""Training of neck and head on a trunk that stays as it is: a tenth of the cost, for simulations.

The trunk runs once for each view of a picture, and what it made of it is kept. An annotated image has a few
views, each turned, resized and recoloured at random once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rbcal.config import TrainConfig
from rbcal.detector.augmentation import window
from rbcal.detector.faster_rcnn import BackboneFeatures, Detector
from rbcal.detector.trainer import Training, example
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations


@dataclass(frozen=True)
class FeatureView:
    """A view of an annotated image: what the trunk made of it, and the targets of the losses."""

    features: BackboneFeatures
    target: dict[str, Tensor]


class FrozenTraining(Training):
    """A training whose samples are the :func:`views` of annotated images; the trunk must be frozen.

    A second look, which learns from pixels, stays as it is.
    """

    def __init__(self, detector: Detector, samples: Sequence[Any], config: TrainConfig) -> None:
        super().__init__(detector, samples, config)
        self._name_optimizer = None
        self._optimizers = self._optimizers[:1]

    def prepare(self, report: Callable[[int], None] = lambda n_images: None) -> None:
        """Do nothing: no crop is cut out of features."""

    def _draw(self, sample: Sequence[FeatureView], rng: np.random.Generator, upright: bool) -> FeatureView:
        """Return one of the views, of the wanted orientation if there is one."""
        turned = [view for view in sample if (view.features.size[0] >= view.features.size[1]) == upright]
        return (turned or sample)[int(rng.integers(len(turned or sample)))]

    def _example(self, view: FeatureView) -> tuple[BackboneFeatures, dict[str, Tensor]]:
        return view.features, view.target


def freeze(detector: Detector) -> None:
    """Let no training move the trunk."""
    for layer in detector.backbone.trunk_layers():
        layer.requires_grad_(False)


@torch.no_grad()
def views(
    detector: Detector, image: Pixels, truth: Annotations, config: TrainConfig, n: int, seed: Sequence[int]
) -> list[FeatureView]:
    """Return n random views of an annotated image as the trunk of a detector sees them.

    Parameters
    ----------
    detector : Detector
    image : (H, W, 3) uint8
    truth : Annotations
    config : TrainConfig
        crop, jitter and scale_jitter.
    n : int
    seed : sequence of int
        Determines the views.
    """
    rng = np.random.default_rng(seed)
    seen = []
    for number in range(n):
        view = window(image, truth, detector.blueprint.scale, config, rng, upright=number % 2 == 0)
        working, target = example(detector, view)
        seen.append(FeatureView(detector.backbone_features(working), target))
    return seen
