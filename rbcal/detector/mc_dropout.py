"""What a detector sees in one image: once for evaluation, T times at random for scoring."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad, relu
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import nms

from rbcal.config import ScoringConfig
from rbcal.detector.faster_rcnn import Detector, RoiFeatures, TiledFeatures
from rbcal.detector.second_look import SecondLook, mixed
from rbcal.formats.pictures import Pixels
from rbcal.types import EMBEDDING_SIZE, Detections, Floats, Passes, Prediction

_SAME_CELL = 0.5  # IoU above which two boxes are one cell, whatever their classes: a cell comes out once
_WITHIN = 0.7  # of the smaller box's area; above it, too: of a cell with its halo, or half a cell (measured)
_ROUNDS = 6  # boxes that cover one another in a chain; more than three were never seen
_AT_ONCE = 2048  # boxes that are compared with all others
_FAINT = 0.05  # AP needs the doubtful detections too
_HOPELESS = 0.5  # of the threshold: what is below it without dropout is not above it on the mean (measured)
_MIN_SIDE = 1.0  # image pixels


class McDropout:
    """T stochastic passes of one detector, drawn once and run over any number of images.

    A pass is one thinned network: its two dropouts keep the same units for all proposals and, given the
    seed, for all images. So the rows and columns of the units that it keeps are cut out of the weights
    once, and the T passes over an image are two batched matrix products.

    Parameters
    ----------
    detector : Detector
    config : ScoringConfig
        passes, cell_threshold and seed.

    References
    ----------
    Sadafi et al. 2019, section 2.2; what is cached and why that is exact: docs, "What rbcal settles".
    """

    def __init__(self, detector: Detector, config: ScoringConfig) -> None:
        self._detector = detector
        self._config = config
        self._cut_on: torch.device | None = None

    @torch.inference_mode()
    def _cut(self) -> None:
        """Cut the thinned networks out of the detector, on the device where it is."""
        detector, config = self._detector, self._config
        self._cut_on = detector.device
        head, predictor = detector.roi_heads.box_head, detector.roi_heads.box_predictor
        boost = 1 / (1 - head.dropout)
        keep_6, keep_7 = dropout_masks(config, detector).unbind(1)
        units_6 = [keep.nonzero().squeeze(1) for keep in keep_6]
        units_7 = [keep.nonzero().squeeze(1) for keep in keep_7]
        weight = torch.cat([predictor.cls_score.weight, predictor.bbox_pred.weight])  # (5 (C + 1), W)
        self._bias = torch.cat([predictor.cls_score.bias, predictor.bbox_pred.bias])
        # Passes keep different numbers of units: the shorter ones are filled up with units of weight 0.
        self._units_6 = pad_sequence(units_6, batch_first=True)  # (T, U)
        self._fc7 = _stack(
            [boost * head.fc7.weight[b][:, a].T for a, b in zip(units_6, units_7, strict=True)]
        )
        self._fc7_bias = _stack([head.fc7.bias[None, b] for b in units_7])  # (T, 1, V); _fc7: (T, U, V)
        self._predictor = _stack([boost * weight[:, b].T for b in units_7])  # (T, V, 5 (C + 1))

    def __call__(self, image: Pixels | TiledFeatures) -> tuple[Detections, Passes]:
        """Return the cells of one image (H, W, 3), and how T stochastic passes see each of them."""
        prediction = self.predict(image)
        return prediction.detections, prediction.passes

    @torch.inference_mode()
    def predict(self, image: Pixels | TiledFeatures) -> Prediction:
        """Return all that is seen in one image (H, W, 3), or in what the trunk made of it.

        Notes
        -----
        Where there is a second look, p is that of box head and second look together, pass by pass. Boxes
        and probs of the detections are those of the mean over the passes. The box of a pass is that of
        the most probable cell class of the pass: background has no box.
        """
        detector, threshold = self._detector, self._config.cell_threshold
        roi_features = detector.roi_features(image)
        plain, _ = detector.plain_pass(roi_features.first)
        roi_features = roi_features.of(1 - plain.softmax(-1)[:, 0] >= _HOPELESS * threshold)
        features = roi_features.first
        probs, deltas = self.passes(roi_features)
        if (second_look := detector.second_look) is not None:
            boxes = _boxes(detector, roi_features, probs.mean(0), deltas.mean(0))
            chosen = choose_cells(boxes, probs.mean(0), threshold)
            roi_features, deltas = roi_features.of(chosen), deltas[:, chosen]
            features = detector.features_of_boxes(image, boxes[chosen])
            masks = second_look_masks(self._config, second_look)
            probs = mixed(probs[:, chosen], second_look.passes(features, masks))
        mean = probs.mean(0)
        boxes = _boxes(detector, roi_features, mean, deltas.mean(0))
        cells = choose_cells(boxes, mean, threshold)
        probs, deltas = probs[:, cells], deltas[:, cells]
        boxes_of_passes = _boxes(detector, roi_features.of(cells), probs, deltas)
        return Prediction(
            Detections(boxes[cells].cpu().numpy(), mean[cells].cpu().numpy()),
            Passes(boxes_of_passes.cpu().numpy(), probs.cpu().numpy()),
            (embeddings(features[cells]) if second_look is None else second_look.embeddings(features[cells]))
            .cpu()
            .numpy(),
        )

    def passes(self, roi_features: RoiFeatures) -> tuple[Tensor, Tensor]:
        """Return probabilities (T, R, C + 1) and box deltas (T, R, 4 (C + 1)) of the box head's passes."""
        if self._cut_on != self._detector.device:
            self._cut()  # the first time, and when the detector has moved for want of memory
        n_passes, n_units = self._units_6.shape
        first = roi_features.first[:, self._units_6.flatten()].reshape(-1, n_passes, n_units).transpose(0, 1)
        hidden = relu(torch.baddbmm(self._fc7_bias, first, self._fc7))
        outcome = torch.baddbmm(self._bias, hidden, self._predictor)
        n_columns = outcome.shape[-1] // 5  # C + 1 logits, then four deltas for each of them
        return outcome[..., :n_columns].softmax(-1), outcome[..., n_columns:]


def sample(detector: Detector, image: Pixels, config: ScoringConfig) -> tuple[Detections, Passes]:
    """Return what a :class:`Sampler` made for this one image sees in it."""
    return McDropout(detector, config)(image)


@torch.inference_mode()
def detect(detector: Detector, image: Pixels | TiledFeatures) -> Detections:
    """Return the cells of one image from one pass without dropout, doubtful ones included, for evaluation."""
    roi_features = detector.roi_features(image)
    logits, deltas = detector.plain_pass(roi_features.first)
    probs = logits.softmax(-1)
    if detector.second_look is not None:
        boxes = _boxes(detector, roi_features, probs, deltas)
        chosen = choose_cells(boxes, probs)
        roi_features, deltas = roi_features.of(chosen), deltas[chosen]
        logits = detector.second_look(detector.features_of_boxes(image, boxes[chosen]))
        probs = mixed(probs[chosen], logits)
    boxes = _boxes(detector, roi_features, probs, deltas)
    cells = choose_cells(boxes, probs)
    return Detections(boxes[cells].cpu().numpy(), probs[cells].cpu().numpy())


@torch.inference_mode()
def embed(detector: Detector, image: Pixels, boxes: Floats) -> Floats:
    """Return what the second look sees of boxes (N, 4) in an image (H, W, 3): embeddings (N, 128)."""
    features = detector.features_of_boxes(image, torch.tensor(boxes, device=detector.device))
    return cast(SecondLook, detector.second_look).embeddings(features).cpu().numpy()


def dropout_masks(config: ScoringConfig, detector: Detector) -> Tensor:
    """Return the units that the two dropouts of each pass keep, (T, 2, W) bool, drawn from the seed alone."""
    generator = torch.Generator().manual_seed(config.seed)
    head = detector.roi_heads.box_head
    chance = torch.rand((config.passes, 2, head.fc7.in_features), generator=generator)
    return (chance >= head.dropout).to(detector.device)


def second_look_masks(config: ScoringConfig, second_look: SecondLook) -> Tensor:
    """Return the units that the dropout of the second look keeps in each pass, (T, D) bool."""
    generator = torch.Generator().manual_seed(config.seed)
    chance = torch.rand((config.passes, second_look.classes.in_features), generator=generator)
    return (chance >= second_look.dropout).to(second_look.classes.weight.device)


def embeddings(first: Tensor) -> Tensor:
    """Return what cells look like: their features (N, W) before the first dropout as unit vectors (N, D).

    A random projection, the same always, keeps the angles between them (Johnson and Lindenstrauss 1984).
    """
    generator = torch.Generator().manual_seed(first.shape[1])
    projection = torch.randn((first.shape[1], EMBEDDING_SIZE), generator=generator).to(first.device)
    return normalize(first @ projection)


def _stack(matrices: list[Tensor]) -> Tensor:
    """Stack matrices (U_t, V_t) of different sizes, filled up with zeros: (T, max U, max V)."""
    rows, columns = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    return torch.stack(
        [pad(matrix, (0, columns - matrix.shape[1], 0, rows - matrix.shape[0])) for matrix in matrices]
    )


def _boxes(detector: Detector, roi_features: RoiFeatures, probs: Tensor, deltas: Tensor) -> Tensor:
    """Return the boxes (..., R, 4) in image pixels, each regressed for the most probable cell class."""
    best = probs[..., 1:].argmax(-1) + 1
    by_class = deltas.reshape(*probs.shape, 4)
    return detector.decode(by_class.take_along_dim(best[..., None, None], -2).squeeze(-2), roi_features)


def choose_cells(boxes: Tensor, probs: Tensor, threshold: float = _FAINT) -> Tensor:
    """Return the indices of the proposals that are cells, the most certain first, each cell once."""
    cellness = 1 - probs[:, 0]
    wide = ((boxes[:, 2:] - boxes[:, :2]) >= _MIN_SIDE).all(1)
    able = torch.where(wide & (cellness >= threshold))[0]
    apart = able[nms(boxes[able], cellness[able], _SAME_CELL)]
    return apart[_not_covered(boxes[apart])]


def _not_covered(boxes: Tensor) -> Tensor:
    """Return which boxes (N, 4) neither lie for the most part within one that is kept before, nor hold it."""
    starts = range(0, max(1, len(boxes)), _AT_ONCE)  # a slide of 20,000 cells at once would need gigabytes
    later, earlier = torch.cat([_covers(boxes, i) for i in starts]).unbind(1)
    kept = torch.ones_like(boxes[:, 0])
    for _ in range(_ROUNDS):  # one that is not kept itself covers nothing: right from the first box on
        kept = (torch.zeros_like(kept).index_add(0, later, kept[earlier]) == 0).to(kept)
    return kept > 0


def _covers(boxes: Tensor, first: int) -> Tensor:
    """Return the pairs (P, 2) of a box from `first` on and an earlier one, of which one covers the other."""
    part = boxes[first : first + _AT_ONCE]
    low = torch.maximum(part[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(part[:, None, 2:], boxes[None, :, 2:])
    area, of_all = ((each[:, 2:] - each[:, :2]).prod(-1) for each in (part, boxes))
    share = (high - low).clamp(min=0).prod(-1) / torch.minimum(area[:, None], of_all[None])
    return (share > _WITHIN).tril(first - 1).nonzero() + boxes.new_tensor([first, 0]).long()
