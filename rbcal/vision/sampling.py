"""What a detector sees in one image: once for evaluation, T times at random for scoring."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import nms

from rbcal.boxes import Detections, Passes
from rbcal.config import ScoringConfig
from rbcal.formats.pictures import Pixels
from rbcal.vision.detector import Detector, Glimpse

_SAME_CELL = 0.5  # IoU above which two boxes are one cell, whatever their classes: a cell comes out once
_FAINT = 0.05  # AP needs the doubtful detections too
_MIN_SIDE = 1.0  # image pixels


@torch.inference_mode()
def sample(detector: Detector, image: Pixels, config: ScoringConfig) -> tuple[Detections, Passes]:
    """Return the cells of one image, and how T stochastic passes see each of them.

    Backbone, RPN, RoI pooling and the first layer run once; what follows a dropout runs T times. A pass is
    one thinned network, the same for all proposals and, given the seed, for all images.

    Parameters
    ----------
    detector : Detector
    image : (H, W, 3) uint8
    config : ScoringConfig
        passes, cell_threshold and seed.

    Returns
    -------
    Detections
        N cells; boxes and probs are those of the mean over the passes.
    Passes
        The same N cells in each pass. The box is that of the most probable cell class of the pass:
        background has no box.

    References
    ----------
    Sadafi et al. 2019, section 2.2; what is cached and why that is exact: docs, "What rbcal settles".
    """
    glimpse = detector.look(image)
    keep = _dropout(config, detector)
    outcomes = [detector.thinned_pass(glimpse.first, *pair) for pair in keep]
    probs = torch.stack([logits for logits, _ in outcomes]).softmax(-1)  # (T, R, C + 1)
    deltas = torch.stack([deltas for _, deltas in outcomes])  # (T, R, 4 (C + 1))
    mean = probs.mean(0)
    boxes = _boxes(detector, glimpse, mean, deltas.mean(0))
    cells = _cells(boxes, mean, config.cell_threshold)
    probs, deltas = probs[:, cells], deltas[:, cells]
    boxes_of_passes = _boxes(detector, glimpse.of(cells), probs, deltas)
    return (
        Detections(boxes[cells].cpu().numpy(), mean[cells].cpu().numpy()),
        Passes(boxes_of_passes.cpu().numpy(), probs.cpu().numpy()),
    )


@torch.inference_mode()
def detect(detector: Detector, image: Pixels) -> Detections:
    """Return the cells of one image from one pass without dropout, doubtful ones included, for evaluation."""
    glimpse = detector.look(image)
    logits, deltas = detector.plain_pass(glimpse.first)
    probs = logits.softmax(-1)
    boxes = _boxes(detector, glimpse, probs, deltas)
    cells = _cells(boxes, probs, _FAINT)
    return Detections(boxes[cells].cpu().numpy(), probs[cells].cpu().numpy())


def _dropout(config: ScoringConfig, detector: Detector) -> list[tuple[Tensor, Tensor]]:
    """Return T pairs of the units (W,) bool that the two dropouts keep, drawn from the seed alone."""
    generator = torch.Generator().manual_seed(config.seed)
    head = detector.roi_heads.box_head
    chance = torch.rand((config.passes, 2, head.fc7.in_features), generator=generator)
    return [(first, second) for first, second in (chance >= head.dropout).to(detector.device)]


def _boxes(detector: Detector, glimpse: Glimpse, probs: Tensor, deltas: Tensor) -> Tensor:
    """Return the boxes (..., R, 4) in image pixels, each regressed for the most probable cell class."""
    best = probs[..., 1:].argmax(-1) + 1
    by_class = deltas.reshape(*probs.shape, 4)
    return detector.decode(by_class.take_along_dim(best[..., None, None], -2).squeeze(-2), glimpse)


def _cells(boxes: Tensor, probs: Tensor, threshold: float) -> Tensor:
    """Return the indices of the proposals that are cells, the most certain first, each cell once."""
    cellness = 1 - probs[:, 0]
    wide = ((boxes[:, 2:] - boxes[:, :2]) >= _MIN_SIDE).all(1)
    able = torch.where(wide & (cellness >= threshold))[0]
    return able[nms(boxes[able], cellness[able], _SAME_CELL)]
