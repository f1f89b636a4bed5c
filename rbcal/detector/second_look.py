"""The second look: a classifier that names each found cell from a crop of its own, at a size of its own.

Faster R-CNN finds cells well from a dozen images and misnames them: its features see a cell five places wide.
So each box that it found is cut out of the image, with its surroundings, and named by a network of its own::

    box -> crop (3, 80, 80) -> EfficientNet-Lite0 -> layer of 128 | dropout -> classes

What is before the bar, the embedding, is the same in every stochastic pass. Whether a box is a cell at all
stays the detector's word; which cell it is, they say together: :func:`mixed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  the name that every torch programme uses
from torch import Tensor, nn

from rbcal.detector.backbones import imagenet_lite0, lite0_of_crops
from rbcal.detector.crops import cut_out
from rbcal.live_head import LastLayer

_LEAST = 1e-6  # probability
_BATCH = 128  # crops at a time in inference, which bounds the memory


class SecondLook(nn.Module):
    """Crops of cells in, class logits out.

    Parameters
    ----------
    n_classes : int
    cell_side : float
        Median side of the project's annotated cells, in image pixels: it sets the scale of the crops.
    """

    dropout = 0.5  # as in the box head, section 2.1 of the paper
    width = 128  # numbers that say what a cell looks like

    def __init__(self, n_classes: int, cell_side: float) -> None:
        super().__init__()
        self.cell_side = cell_side
        self.body = lite0_of_crops()
        self.narrow = nn.Linear(cast(int, self.body.num_features), self.width)
        self.classes = nn.Linear(self.width, n_classes)

    def load_imagenet(self) -> None:
        """Fill the body with the installed ImageNet weights."""
        trained = imagenet_lite0()
        self.body.load_state_dict({key: trained[key] for key in self.body.state_dict()})

    def early_layers(self) -> Sequence[nn.Module]:
        """Return the layers of edges and colours, which a dozen pictures cannot better."""
        stages = cast(nn.Sequential, self.body.blocks)
        return (cast(nn.Module, self.body.conv_stem), *stages[:2])

    def embed(self, crops: Tensor) -> Tensor:
        """Return embeddings (N, D), up to the dropout, of crops (N, 3, 80, 80) in [-1, 1]."""
        return F.relu(self.narrow(self.body(crops.contiguous(memory_format=torch.channels_last))))

    def embed_boxes(self, image: Tensor, boxes: Tensor) -> Tensor:
        """Return the embeddings (N, D) of boxes (N, 4), in pixels of an image (3, H, W) in [-1, 1]."""
        return torch.cat(
            [self.embed(cut_out(image, part, self.cell_side)).float() for part in torch.split(boxes, _BATCH)]
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return class logits (N, C) of embeddings (N, D); dropout acts in training alone."""
        return self.classes(F.dropout(embeddings, self.dropout, self.training))

    def last_layer(self) -> LastLayer:
        """Return the layer of the classes, for :mod:`rbcal.live_head`."""
        weight, bias = (each.detach().cpu().float().numpy().copy() for each in self.classes.parameters())
        return LastLayer(weight, bias)

    @torch.no_grad()
    def set_last_layer(self, layer: LastLayer) -> None:
        """Name cells by another layer of the classes, as :mod:`rbcal.live_head` fits it."""
        self.classes.weight.copy_(torch.from_numpy(layer.weight))
        self.classes.bias.copy_(torch.from_numpy(layer.bias))

    def passes(self, embeddings: Tensor, masks: Tensor) -> Tensor:
        """Return class logits (T, N, C) of T passes that keep units (T, D) bool of embeddings (N, D)."""
        thinned = self.classes.weight * (masks / (1 - self.dropout))[:, None]  # (T, C, D)
        return embeddings @ thinned.transpose(1, 2) + self.classes.bias


def mixed(probs: Tensor, logits: Tensor) -> Tensor:
    """Return the class probabilities (..., C + 1) of a detector and of its second look together.

    Background keeps the detector's probability. That of the classes is shared out by the geometric mean of
    what the two say, as for two witnesses who see different things: measured in docs/benchmarks/learner.md.

    Parameters
    ----------
    probs : (..., C + 1)
        The detector's; column 0 is background.
    logits : (..., C)
        The second look's.
    """
    joint = (probs[..., 1:].clamp(min=_LEAST).log() + logits.log_softmax(-1)) / 2
    cell = 1 - probs[..., :1]
    return torch.cat([1 - cell, cell * joint.softmax(-1)], -1)
