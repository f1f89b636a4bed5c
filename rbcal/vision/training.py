"""Approximate joint training of RPN and head on annotated images, equations (2) to (4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rbcal.boxes import Annotations, Floats, Ints, area
from rbcal.config import TrainConfig
from rbcal.errors import TrainingError
from rbcal.formats.pictures import Pixels
from rbcal.vision.detector import Detector

Sample = tuple[Pixels, Annotations]

_PRETRAINED_SHARE = 0.1  # of the learning rate: ImageNet's features are adapted, not learned anew
_MAX_GRADIENT = 10.0  # norm; one odd batch must not undo the others
_MIN_VISIBLE = 0.5  # of a cell's area; of less, the expert could not name it either


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step; losses fall as the detector learns."""

    step: int  # 1 .. steps
    steps: int
    loss: float  # equation (2) with the RPN's, the sum of the four below
    loss_class: float  # equation (4)
    loss_box: float  # equation (3)
    loss_objectness: float  # of the RPN: cell or background
    loss_proposal: float  # of the RPN: boxes


def train(
    detector: Detector,
    samples: Sequence[Sample],
    config: TrainConfig,
    report: Callable[[Progress], None],
) -> None:
    """Train the detector in place, and leave it ready for inference.

    Parameters
    ----------
    detector : Detector
        As :func:`rbcal.vision.detector.build` returned it.
    samples : sequence of (image (H, W, 3) uint8, Annotations)
        Read one at a time, whenever a step needs it. Images without cells teach what is background.
    config : TrainConfig
    report : callable
        Called after every step. What it raises ends the training and passes through: so one cancels.

    Raises
    ------
    TrainingError
        If no sample has an annotated cell, or the loss is no longer finite.

    Notes
    -----
    Two trainings with the same seed on the same CPU give identical weights. The global random state of
    torch is put back afterwards.
    """
    if not any(len(samples[index][1]) for index in range(len(samples))):
        raise TrainingError(
            f"Training needs at least 1 annotated cell; these {len(samples)} images have 0. "
            "Import annotations or review an image first."
        )
    rng = np.random.default_rng(config.seed)
    order = _shuffled(len(samples), rng)
    parameters = _parameter_groups(detector, config)
    optimizer = torch.optim.AdamW(parameters, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, config))
    cuda = [detector.device] if detector.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(config.seed)  # RoIs and dropout are drawn from the global state
        detector.train()
        try:
            for step in range(1, config.steps + 1):
                upright = bool(
                    rng.integers(2)
                )  # or all lying: portrait and landscape would need more padding
                batch = [
                    _augmented(detector, samples[next(order)], config, upright, rng)
                    for _ in range(config.batch_size)
                ]
                losses = detector([image for image, _ in batch], [target for _, target in batch])
                loss = torch.stack(list(losses.values())).sum()
                if not torch.isfinite(loss):
                    raise TrainingError(
                        f"The loss was no longer a finite number at step {step} of {config.steps}. "
                        f"Train with a learning rate below {config.learning_rate:g}."
                    )
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(detector.parameters(), _MAX_GRADIENT)
                optimizer.step()
                schedule.step()
                report(_progress(step, config.steps, loss, losses))
        finally:
            detector.eval()


def _progress(step: int, steps: int, loss: Tensor, parts: dict[str, Tensor]) -> Progress:
    names = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")
    return Progress(step, steps, loss.item(), *(parts[name].item() for name in names))


def _parameter_groups(detector: Detector, config: TrainConfig) -> list[dict[str, object]]:
    """Return new layers at the full rate, pretrained ones at a part of it, early ones not at all."""
    pretrained: set[nn.Parameter] = set()
    if config.init == "imagenet":
        for layer in detector.backbone.early_layers():
            layer.requires_grad_(False)
        layers = detector.backbone.pretrained_layers(detector.roi_heads.box_head)
        pretrained = {parameter for layer in layers for parameter in layer.parameters()}
    learning = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learning if p not in pretrained], "lr": config.learning_rate},
        {"params": [p for p in learning if p in pretrained], "lr": config.learning_rate * _PRETRAINED_SHARE},
    ]


def _rate(step: int, config: TrainConfig) -> float:
    """Return the share of the learning rate at a step: a linear rise, then half a cosine down to 0."""
    warmup = max(1, round(config.warmup * config.steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, config.steps - warmup)))


def _shuffled(n_samples: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield indices for ever; every image comes once before any comes again."""
    while True:
        yield from (int(index) for index in rng.permutation(n_samples))


def _augmented(
    detector: Detector, sample: Sample, config: TrainConfig, upright: bool, rng: np.random.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return a crop of the sample, turned and recoloured at random, at working scale, and its targets."""
    image, truth = sample
    scale = detector.scale_of(image)
    image, boxes, labels = _crop(image, truth, math.ceil(config.crop / scale), rng)
    turns, mirror = 2 * int(rng.integers(2)) + (not upright), bool(rng.integers(2))
    image, boxes = _turn(image, boxes, quarter_turns=turns, mirror=mirror)
    working = detector.rescale(image, scale)
    y, x = working.shape[1] / image.shape[0], working.shape[2] / image.shape[1]
    target = {
        "boxes": torch.from_numpy(boxes * np.array([x, y, x, y], np.float32)).to(detector.device),
        "labels": torch.from_numpy(labels + 1).to(detector.device),  # 0 is background
    }
    return _recolour(working, config.jitter, rng), target


def _crop(
    image: Pixels, truth: Annotations, side: int, rng: np.random.Generator
) -> tuple[Pixels, Floats, Ints]:
    """Return a window of at most side x side pixels around a random cell, and the cells that it shows."""
    height, width = image.shape[:2]
    if max(height, width) <= side:
        return image, truth.boxes, truth.labels
    size = np.array([min(width, side), min(height, side)])
    room = np.array([width, height]) - size
    corner = rng.integers(room + 1)
    if len(truth):
        box = truth.boxes[rng.integers(len(truth))]
        centre = (box[:2] + box[2:]) / 2
        corner = np.clip(centre - rng.uniform(0, 1, 2) * size, 0, room).astype(int)
    (left, top), (right, bottom) = corner, corner + size
    shift = np.array([left, top, left, top], np.float32)
    border = np.array([right - left, bottom - top] * 2, np.float32)
    boxes = np.clip(truth.boxes - shift, 0, border)
    shown = area(boxes) >= _MIN_VISIBLE * area(truth.boxes)
    return image[top:bottom, left:right], boxes[shown], truth.labels[shown]


def _recolour(image: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Return the image (3, h, w) in [0, 1] under another lamp: contrast, brightness and tint are random."""
    contrast, brightness = rng.uniform(1 - strength, 1 + strength, 2)
    tint = rng.uniform(1 - strength / 3, 1 + strength / 3, (3, 1, 1))
    light = torch.from_numpy(brightness * tint).to(image)
    mean = image.mean()
    return ((mean + contrast * (image - mean)) * light).clamp(0, 1)


def _turn(image: Pixels, boxes: Floats, *, quarter_turns: int, mirror: bool) -> tuple[Pixels, Floats]:
    """Return image and boxes mirrored and turned to the left; exact, since pixels only change places."""
    if mirror:
        width = np.float32(image.shape[1])
        image = image[:, ::-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    for _ in range(quarter_turns):
        width = np.float32(image.shape[1])
        image = np.rot90(image)
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], axis=1)
    return image, boxes
