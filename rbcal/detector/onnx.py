"""A detector as an ONNX graph, for programs without torch."""

from __future__ import annotations

import math
import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F  # noqa: N812  the name that every torch programme uses
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import clip_boxes_to_image

from rbcal.detector.crops import cut_out
from rbcal.detector.faster_rcnn import Detector
from rbcal.detector.mc_dropout import choose_cells
from rbcal.detector.second_look import mixed
from rbcal.errors import DetectorError

_OPSET = 17
_STEP = 32  # pixels; the picture is padded to a multiple of it


class _Plain(nn.Module):
    """One pass without dropout over one picture at working scale, in operations that ONNX has."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, picture: Tensor, image: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return boxes (N, 4) in working pixels and probs (N, C + 1) of a picture (3, h, w) in [0, 1].

        A detector with a second look gets the picture at its own scale as well: `image` (3, H, W).
        """
        detector, backbone = self.detector, self.detector.backbone
        height, width = int(picture.shape[1]), int(picture.shape[2])
        mean, std = (picture.new_tensor(each)[:, None, None] for each in (backbone.mean, backbone.std))
        right, below = (math.ceil(side / _STEP) * _STEP - side for side in (width, height))
        batch = ImageList(F.pad((picture - mean) / std, (0, right, 0, below))[None], [(height, width)])
        features = {"0": backbone(batch.tensors)}
        (proposals,), _ = detector.rpn(batch, features)
        pooled = detector.roi_heads.box_roi_pool(features, [proposals], batch.image_sizes)
        logits, deltas = detector.plain_pass(detector.roi_heads.box_head.first(pooled))
        probs = logits.softmax(-1)
        if detector.second_look is not None and image is not None:
            chosen = choose_cells(self._boxes(probs, deltas, proposals, height, width), probs)
            proposals, deltas = proposals[chosen], deltas[chosen]
            zoom = picture.new_tensor([image.shape[2] / width, image.shape[1] / height]).repeat(2)
            boxes = self._boxes(probs[chosen], deltas, proposals, height, width) * zoom
            second_look = detector.second_look
            logits = second_look(second_look.features(cut_out(image * 2 - 1, boxes, second_look.cell_side)))
            probs = mixed(probs[chosen], logits)
        boxes = self._boxes(probs, deltas, proposals, height, width)
        cells = choose_cells(boxes, probs)
        return boxes[cells], probs[cells]

    def _boxes(self, probs: Tensor, deltas: Tensor, proposals: Tensor, height: int, width: int) -> Tensor:
        best = (probs[:, 1:].argmax(-1) + 1)[:, None, None].expand(-1, 1, 4)
        moves = deltas.reshape(-1, probs.shape[1], 4).gather(1, best).squeeze(1)
        boxes = self.detector.roi_heads.box_coder.decode_single(moves, proposals)
        return clip_boxes_to_image(boxes, (height, width))


def to_onnx(detector: Detector, height: int, width: int, image_size: tuple[int, int]) -> bytes:
    """Return an ONNX graph for pictures of one size: `picture` in, `boxes` and `probs` out.

    Parameters
    ----------
    detector : Detector
        On the CPU.
    height, width : int
        Of the picture at working scale: image pixels times the blueprint's scale.
    image_size : (height, width)
        Of the same picture as it is, which the second look needs.

    Raises
    ------
    DetectorError
        If the package onnx is not installed.

    Notes
    -----
    ``picture`` is (3, height, width) float32 in [0, 1], at working scale; with a second look there is
    ``image``, the same at its own scale; ``boxes`` (N, 4) are pixels of it,
    and ``probs`` (N, C + 1) have background first, as in :class:`rbcal.types.Detections`.
    """
    if find_spec("onnx") is None:
        raise DetectorError("ONNX needs the package onnx. Install it: python -m uv pip install onnx")
    sizes = [(height, width), image_size] if detector.second_look is not None else [(height, width)]
    inputs = tuple(torch.zeros(3, *size) for size in sizes)
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.onnx"
        warnings.simplefilter("ignore")  # of tracing: the picture's size is meant to be fixed
        torch.onnx.export(
            _Plain(detector).eval(),
            inputs,
            graph,
            dynamo=False,  # the other exporter cannot follow a number of cells that depends on the picture
            opset_version=_OPSET,
            input_names=["picture", "image"][: len(inputs)],
            output_names=["boxes", "probs"],
            dynamic_axes={"boxes": {0: "cells"}, "probs": {0: "cells"}},
        )
        return graph.read_bytes()
