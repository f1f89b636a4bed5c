"""Faster R-CNN at the scale of a project's own cells: the equations (2) to (4), from torchvision's parts.

The forward pass reads top to bottom::

    picture -> tiles -> working scale -> backbone -> RPN -> RoI pooling -> first layer
                                  | dropout -> second layer | dropout -> classes, boxes

Everything before the first bar is the same in every stochastic pass: :meth:`Detector.look` runs it once.
What follows it runs once in the plain pass, T times in :mod:`rbcal.detector.mc_dropout`. There, too, the
boxes that are cells get the second look: :mod:`rbcal.detector.second_look`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image

from rbcal.config import TrainConfig
from rbcal.detector.backbones import BACKBONES, Levels
from rbcal.detector.box_head import BoxHead
from rbcal.detector.crops import by_tile
from rbcal.detector.devices import inference_precision, resolve_device
from rbcal.detector.second_look import SecondLook
from rbcal.detector.tiling import Tile, tiles
from rbcal.errors import TrainingError
from rbcal.formats.pictures import Pixels
from rbcal.types import Floats

_FEATURES_PER_CELL = 5  # a median cell at working scale; RoI pooling to 7 x 7 then loses nothing
_NEAR_ENOUGH = 0.1  # a scale this close to 1 is 1: resampling would only blur
_TILE = 2048  # working pixels; a larger picture is looked at in tiles, which bounds the memory of one pass
_OVERLAP = 2.0  # of two tiles, in sides of the largest anchor: a cell up to that size is whole in one of them
_STEP = 32  # pixels; pictures are padded to a multiple of it, for the deepest features are that wide
_CUDA_STEP = 320  # cuDNN compiles its kernels for each new size, which takes seconds: let there be few
_ANCHOR_STEP = 1.5  # two neighbouring anchors; a box in between still has IoU 0.67 with one of them
_MIN_OBJECTNESS = 0.05  # in inference: proposals below it hold next to no cell, and would cost in every pass
_PROPOSAL_IOU = 0.7  # in training, where a cell should be seen from several proposals
_FINAL_IOU = 0.5  # in inference, where one will do


@dataclass(frozen=True)
class Blueprint:
    """All that is needed to rebuild a detector, apart from its weights."""

    backbone: str
    n_classes: int
    scale: float  # working pixels per image pixel
    anchor_sides: tuple[float, ...]  # working pixels
    head_width: int
    cell_side: float = 0.0  # image pixels, median, for the second look; 0: without one, as in the paper


@dataclass(frozen=True)
class RoiFeatures:
    """What all passes over one image share: R proposals and their features up to the first dropout."""

    first: Tensor  # (R, W) float32
    proposals: Tensor  # (R, 4) float32, image pixels
    image_size: tuple[int, int]  # height, width

    def of(self, rows: Tensor) -> RoiFeatures:
        """Return what was seen of some of the proposals."""
        return replace(self, first=self.first[rows], proposals=self.proposals[rows])


@dataclass(frozen=True)
class BackboneFeatures:
    """What the trunk made of a picture, kept for a neck and a head that go on learning."""

    levels: Levels  # (c, h, w) each, the finest first
    size: tuple[int, int]  # height, width; working pixels

    @property
    def n_bytes(self) -> int:
        """How much memory it takes."""
        return sum(level.nbytes for level in self.levels)


@dataclass(frozen=True)
class TiledFeatures:
    """The same of a whole image (H, W), tile by tile."""

    tiles: tuple[tuple[Tile, BackboneFeatures], ...]
    size: tuple[int, int]  # image pixels
    pixels: Pixels | None = None  # of the image, for a second look

    @property
    def n_bytes(self) -> int:
        """How much memory it takes."""
        of_pixels = 0 if self.pixels is None else self.pixels.nbytes
        return of_pixels + sum(features.n_bytes for _, features in self.tiles)


class Detector(nn.Module):
    """Faster R-CNN whose stochastic part can be run on its own.

    `precision` is that of :meth:`look`; `tile` is the largest side, in working pixels, that it takes at once.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.blueprint = blueprint
        self.precision = torch.float32
        self.tile = _TILE
        self.backbone = BACKBONES[blueprint.backbone]()
        channels = self.backbone.channels
        anchors = AnchorGenerator(sizes=(blueprint.anchor_sides,), aspect_ratios=((1.0,),))
        self.rpn = RegionProposalNetwork(
            anchors,
            RPNHead(channels, len(blueprint.anchor_sides)),
            fg_iou_thresh=0.6,  # not 0.7: a cell between two anchors has IoU 0.67
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 2000, "testing": 2000},
            post_nms_top_n={"training": 1000, "testing": 1000},  # an image of 300 cells, three times over
            nms_thresh=_PROPOSAL_IOU,
        )
        self.roi_heads = RoIHeads(
            MultiScaleRoIAlign(["0"], output_size=7, sampling_ratio=1),  # a bin is smaller than a feature
            BoxHead(channels, blueprint.head_width),
            FastRCNNPredictor(blueprint.head_width, blueprint.n_classes + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=128,
            positive_fraction=0.5,  # not 0.25: the pictures are full of cells, whose subtype is the hard part
            bbox_reg_weights=None,
            score_thresh=0.0,  # these three are unused: rbcal.detector.mc_dropout decides what is a cell
            nms_thresh=1.0,
            detections_per_img=0,
        )
        self.second_look = (
            SecondLook(blueprint.n_classes, blueprint.cell_side) if blueprint.cell_side else None
        )

    def train(self, mode: bool = True) -> Detector:
        """Switch between training and inference, where few proposals make each of the passes cheap."""
        super().train(mode)
        self.rpn.score_thresh = 0.0 if mode else _MIN_OBJECTNESS
        self.rpn.nms_thresh = _PROPOSAL_IOU if mode else _FINAL_IOU
        return self

    def forward(
        self, images: Sequence[Tensor | BackboneFeatures], targets: list[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Return the four losses of approximate joint training.

        Parameters
        ----------
        images : sequence of (3, H, W) float32 in [0, 1], or of Traced
            At working scale.
        targets : list of dict
            boxes (M, 4) float32 in working pixels, labels (M,) int64 in 1..C.

        References
        ----------
        Sadafi et al. 2019, equations (2) to (4), for the head; the RPN has the same pair of its own.
        """
        features, batch = self._features(images)
        proposals, proposal_losses = self.rpn(batch, features, targets)
        _, head_losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        return head_losses | proposal_losses

    def roi_features(self, image: Pixels | TiledFeatures) -> RoiFeatures:
        """Return what every pass over the image shares: all up to the first dropout, run once."""
        if isinstance(image, TiledFeatures):
            size, views = image.size, [self._tile_features(*each) for each in image.tiles]
        else:
            size = (image.shape[0], image.shape[1])
            views = [self._tile_features(tile, self._working(image, tile)) for tile in self.tiles(*size)]
        first, proposals = (torch.cat(parts) for parts in zip(*views, strict=True))
        return RoiFeatures(first, proposals, size)

    def features_of_boxes(self, image: Pixels | TiledFeatures, boxes: Tensor) -> Tensor:
        """Return what the second look sees of boxes (N, 4) in an image (H, W, 3): features (N, F)."""
        second_look, pixels = self.second_look, image.pixels if isinstance(image, TiledFeatures) else image
        if second_look is None or pixels is None:
            raise TypeError("Only a detector with a second look looks again, and only at pixels.")
        features, order = [], []
        for rows, view, own in by_tile(pixels, boxes, self.tiles(*pixels.shape[:2])):
            with self._autocast():
                features.append(second_look.features_of_boxes(view, own))
            order.append(rows)
        if not features:
            return boxes.new_empty(0, len(second_look.centre))
        return torch.cat(features)[torch.cat(order).argsort()]

    @torch.no_grad()
    def backbone_features(self, working: Tensor) -> BackboneFeatures:
        """Return what the trunk makes of a picture (3, h, w) at working scale."""
        with self._autocast():
            levels = self.backbone.trunk(self._batch([working]).tensors)
        return BackboneFeatures(
            tuple(level[0].clone() for level in levels), (working.shape[1], working.shape[2])
        )

    def tiled_features(self, image: Pixels) -> TiledFeatures:
        """Return what the trunk makes of an image (H, W, 3), for :meth:`look`."""
        height, width = image.shape[:2]
        tiles = tuple(
            (tile, self.backbone_features(self._working(image, tile))) for tile in self.tiles(height, width)
        )
        return TiledFeatures(tiles, (height, width), None if self.second_look is None else image)

    def _working(self, image: Pixels, tile: Tile) -> Tensor:
        left, top, right, bottom = tile.window
        return self.rescale(image[top:bottom, left:right], self.blueprint.scale)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def _tile_features(self, tile: Tile, view: Tensor | BackboneFeatures) -> tuple[Tensor, Tensor]:
        """Return first features (R, W) and proposals (R, 4) of one tile, those that are its own."""
        left, top, right, bottom = tile.window
        with self._autocast():
            features, batch = self._features([view])
            (proposals,), _ = self.rpn(batch, features)
            proposals = proposals.float()
            ((height, width),) = batch.image_sizes
            zoom = proposals.new_tensor([(right - left) / width, (bottom - top) / height])
            corner = proposals.new_tensor([left, top])
            in_image = proposals * zoom.repeat(2) + corner.repeat(2)
            own = tile.owns((in_image[:, :2] + in_image[:, 2:]) / 2)
            pooled = self.roi_heads.box_roi_pool(features, [proposals[own]], batch.image_sizes)
            return self.roi_heads.box_head.first(pooled).float(), in_image[own]

    def tiles(self, height: int, width: int) -> list[Tile]:
        """Return the tiles in which an image is looked at; one that is small enough is a single tile."""
        blueprint = self.blueprint
        side = max(1, int(self.tile / blueprint.scale))
        overlap = math.ceil(_OVERLAP * max(blueprint.anchor_sides) / blueprint.scale)
        return tiles(height, width, side=side, overlap=overlap)

    def plain_pass(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits (R, C + 1) and box deltas (R, 4 (C + 1)) without dropout."""
        return self.roi_heads.box_predictor(self.roi_heads.box_head.second(first))

    def decode(self, deltas: Tensor, roi_features: RoiFeatures) -> Tensor:
        """Return the boxes (..., R, 4) in image pixels, clipped, that deltas (..., R, 4) make of it."""
        proposals = roi_features.proposals.expand_as(deltas).reshape(-1, 4)
        boxes = self.roi_heads.box_coder.decode_single(deltas.reshape(-1, 4), proposals).reshape(deltas.shape)
        return clip_boxes_to_image(boxes, roi_features.image_size)

    def rescale(self, image: Pixels, scale: float) -> Tensor:
        """Return an image (H, W, 3) uint8 at that scale, as (3, h, w) float32 in [0, 1], on the device."""
        pixels = torch.from_numpy(image.copy()).to(self.device).permute(2, 0, 1).float() / 255
        if scale == 1:
            return pixels
        size = [max(1, round(side * scale)) for side in pixels.shape[1:]]
        return F.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return self.roi_heads.box_head.fc6.weight.device

    def _features(self, views: Sequence[Tensor | BackboneFeatures]) -> tuple[dict[str, Tensor], ImageList]:
        """Return the feature map of pictures, or of what the trunk made of them, and their sizes."""
        if pictures := [view for view in views if isinstance(view, Tensor)]:
            batch = self._batch(pictures)
            return {"0": self.backbone(batch.tensors)}, batch
        cached = [view for view in views if isinstance(view, BackboneFeatures)]
        levels = tuple(
            map(_stack, zip(*(backbone_features.levels for backbone_features in cached), strict=True))
        )
        n, _, height, width = levels[0].shape
        stride = self.backbone.stride
        blank = levels[0].new_empty(()).expand(n, 3, height * stride, width * stride)  # its shape is read
        return {"0": self.backbone.neck(levels)}, ImageList(
            blank, [backbone_features.size for backbone_features in cached]
        )

    def _batch(self, images: Sequence[Tensor]) -> ImageList:
        """Normalise pictures of any size and pad them, with the mean colour, to one size."""
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        step = _CUDA_STEP if self.device.type == "cuda" else _STEP
        height, width = (math.ceil(max(side) / step) * step for side in zip(*sizes, strict=True))
        mean, std = (images[0].new_tensor(x)[:, None, None] for x in (self.backbone.mean, self.backbone.std))
        padded = images[0].new_zeros((len(images), 3, height, width))
        for row, image in zip(padded, images, strict=True):
            row[:, : image.shape[1], : image.shape[2]] = (image - mean) / std
        return ImageList(padded.contiguous(memory_format=torch.channels_last), sizes)


def build(config: TrainConfig, n_classes: int, *, box_sides: Floats) -> Detector:
    """Return an untrained detector whose scale and anchors fit the project's own cells.

    Parameters
    ----------
    config : TrainConfig
        Backbone, initialisation, weights, seed and device.
    n_classes : int
        C >= 1.
    box_sides : (M,) float32, pixels
        Square roots of the areas of annotated boxes, in pixels of their images.

    Raises
    ------
    TrainingError
        Without an annotated cell there is no size to follow.
    DetectorError
        If ImageNet weights cannot be had, or the device is not there.
    """
    sides = np.asarray(box_sides, np.float64).ravel()
    if n_classes < 1 or not sides.size:
        raise TrainingError(
            f"Training needs at least 1 class and 1 annotated cell; this project has {n_classes} and "
            f"{sides.size}. Import annotations or review an image first."
        )
    if not (np.isfinite(sides) & (sides > 0)).all():
        raise TrainingError(f"The sides of annotated cells must be positive, but one is {sides.min()}.")
    device = resolve_device(config.device)
    kind = BACKBONES[config.backbone]
    cell_side = float(np.median(sides))
    scale = _FEATURES_PER_CELL * kind.stride / cell_side
    scale = 1.0 if abs(scale - 1) < _NEAR_ENOUGH else scale
    blueprint = Blueprint(
        config.backbone,
        n_classes,
        scale,
        _anchor_sides(sides * scale),
        kind.head_width,
        cell_side if config.second_look else 0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        detector = Detector(blueprint)
    if config.init != "random":
        detector.backbone.load_imagenet(detector.roi_heads.box_head, config.weights)
        if detector.second_look is not None:
            detector.second_look.load_imagenet()
    return settle(detector, device)


def widen(detector: Detector, n_classes: int) -> Detector:
    """Return a detector for more classes: it knows the old ones as before, and nothing of the new ones."""
    blueprint = replace(detector.blueprint, n_classes=n_classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        wider = Detector(blueprint)
    state = wider.state_dict()
    for key, trained in detector.state_dict().items():
        state[key][: len(trained)] = trained  # the classes are the rows of the last two layers
    wider.load_state_dict(state)
    return settle(wider, detector.device)


def with_second_look(detector: Detector, *, wanted: bool, box_sides: Floats) -> Detector:
    """Return a detector that goes on learning with, or without, a second look: a new one knows ImageNet."""
    if wanted == (detector.second_look is not None):
        return detector
    blueprint = replace(detector.blueprint, cell_side=float(np.median(box_sides)) if wanted else 0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        other = Detector(blueprint)
    if other.second_look is not None:
        other.second_look.load_imagenet()
    state = other.state_dict()
    other.load_state_dict(state | {key: kept for key, kept in detector.state_dict().items() if key in state})
    return settle(other, detector.device)


def settle(detector: Detector, device: torch.device) -> Detector:
    """Move to the device, in the memory order and the precision that it is fastest with."""
    detector.precision = inference_precision(device)
    return detector.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _stack(maps: Sequence[Tensor]) -> Tensor:
    """Stack feature maps (c, h, w), filled up with zeros to one size: (B, c, max h, max w)."""
    height, width = (max(each.shape[axis] for each in maps) for axis in (1, 2))
    padded = [F.pad(each, (0, width - each.shape[2], 0, height - each.shape[1])) for each in maps]
    return torch.stack(padded).float().contiguous(memory_format=torch.channels_last)


def _anchor_sides(sides: NDArray[np.float64]) -> tuple[float, ...]:
    """Return sides that lie densely enough, geometrically, between the smallest and the largest cells."""
    low, high = np.quantile(sides, [0.05, 0.95])
    n_steps = math.ceil(math.log(high / low) / math.log(_ANCHOR_STEP))
    return tuple(float(side) for side in np.geomspace(low, high, n_steps + 1)) if n_steps else (float(low),)
