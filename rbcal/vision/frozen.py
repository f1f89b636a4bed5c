"""Training of neck and head on a trunk that stays as it is: a tenth of the cost, for simulations.

The trunk runs once for each view of a picture, and what it made of it is kept. An annotated image has a few
views, each turned, resized and recoloured at random once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rbcal.boxes import Annotations
from rbcal.config import TrainConfig
from rbcal.formats.pictures import Pixels
from rbcal.vision.augmentation import window
from rbcal.vision.detector import Detector, Traced
from rbcal.vision.training import Training, show


@dataclass(frozen=True)
class TracedView:
    """A view of an annotated image: what the trunk made of it, and the targets of the losses."""

    traced: Traced
    target: dict[str, Tensor]


class FrozenTraining(Training):
    """A training whose samples are the :func:`views` of annotated images; the trunk must be frozen."""

    def _draw(self, sample: Sequence[TracedView], rng: np.random.Generator, upright: bool) -> TracedView:
        """Return one of the views, of the wanted orientation if there is one."""
        turned = [view for view in sample if (view.traced.size[0] >= view.traced.size[1]) == upright]
        return (turned or sample)[int(rng.integers(len(turned or sample)))]

    def _show(self, view: TracedView) -> tuple[Traced, dict[str, Tensor]]:
        return view.traced, view.target


def freeze(detector: Detector) -> None:
    """Let no training move the trunk."""
    for layer in detector.backbone.trunk_layers():
        layer.requires_grad_(False)


@torch.no_grad()
def views(
    detector: Detector, image: Pixels, truth: Annotations, config: TrainConfig, n: int, seed: Sequence[int]
) -> list[TracedView]:
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
        working, target = show(detector, view)
        seen.append(TracedView(detector.trace(working), target))
    return seen
