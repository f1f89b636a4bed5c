"""AdamW as trainings use it: which weights learn how fast, and how the rate rises and falls."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from rbcal.config import TrainConfig
from rbcal.detector.faster_rcnn import Detector
from rbcal.detector.second_look import SecondLook

_NEW_SHARE = 3.0  # of the learning rate: a second look's last two layers are small, and begin from nothing
_PRETRAINED_SHARE = 0.1  # of the learning rate: ImageNet's features are adapted, not learned anew


def make_optimizer(detector: Detector, config: TrainConfig) -> torch.optim.AdamW:
    """Return the optimiser of a detector without its second look; its groups have the rates at their peak."""
    groups = _parameter_groups(detector, config)
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)


def make_name_optimizer(second_look: SecondLook, config: TrainConfig) -> torch.optim.AdamW:
    """Return the optimiser of a second look: its own, for it takes several steps in one of the detector."""
    if config.init != "random":
        _hold_still(second_look.early_layers(), second_look.body)
    body = [parameter for parameter in second_look.body.parameters() if parameter.requires_grad]
    groups = [
        {
            "params": [*second_look.narrow.parameters(), *second_look.classes.parameters()],
            "lr": config.learning_rate * _NEW_SHARE,
        },
        {"params": body, "lr": config.learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)


def _parameter_groups(detector: Detector, config: TrainConfig) -> list[dict[str, object]]:
    """Return new layers at the full rate, pretrained ones at a part of it, early ones not at all."""
    pretrained: set[nn.Parameter] = set()
    if config.init != "random":
        _hold_still(detector.backbone.early_layers(), detector.backbone)
        layers = detector.backbone.pretrained_layers(detector.roi_heads.box_head)
        pretrained = {parameter for layer in layers for parameter in layer.parameters()}
    parts = (detector.backbone, detector.rpn, detector.roi_heads)  # all but the second look
    learning = [each for part in parts for each in part.parameters() if each.requires_grad]
    return [
        {"params": [p for p in learning if p not in pretrained], "lr": config.learning_rate},
        {"params": [p for p in learning if p in pretrained], "lr": config.learning_rate * _PRETRAINED_SHARE},
    ]


def _hold_still(early_layers: Iterable[nn.Module], body: nn.Module) -> None:
    """Let early layers keep their weights, and those that filter each channel of a body by itself.

    The latter have few weights, and finding how to change them takes up to half of a step.
    """
    depthwise = [layer for layer in body.modules() if isinstance(layer, nn.Conv2d) and layer.groups > 1]
    for layer in (*early_layers, *depthwise):
        layer.requires_grad_(False)


def rate_share(step: int, config: TrainConfig) -> float:
    """Return the share of the learning rate at a step: a linear rise, then half a cosine down to 0."""
    warmup = max(1, round(config.warmup * config.steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, config.steps - warmup)))
