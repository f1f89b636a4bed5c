"""The second look: a classifier that names each found cell from a crop of its own, at a size of its own.

Faster R-CNN finds cells well from a dozen images and misnames them: its features see a cell five places wide.
So each box that it found is cut out of the image, with its surroundings, and named by a network of its own::

    box -> crop (3, 80, 80) -> EfficientNet-Lite0 -> features -> layer of 128 | dropout -> classes

What is before the bar is the same in every stochastic pass. Whether a box is a cell at all
stays the detector's word; which cell it is, they say together: :func:`mixed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name that every torch programme uses
from torch import Tensor, nn

from rbcal.detector.backbones import imagenet_lite0, lite0_of_crops
from rbcal.detector.crops import cut_out
from rbcal.errors import TrainingError
from rbcal.live_head import LastLayer
from rbcal.types import CROP_EMBEDDING_SIZE

MOST_CLASSES = 120  # of a second look
_FLAT = 1e-4  # of the largest component: what is smaller is rounding
_LEAST = 1e-6  # probability
_BATCH = 128  # crops at a time in inference, which bounds the memory


class SecondLook(nn.Module):
    """Crops of cells in, class logits out.

    The embedding of a cell, from which names learn live, is what its own last layer says, C logits, and then
    principal components of the features before it: what the model sees of the cell and had no use for yet.

    Parameters
    ----------
    n_classes : int
        At most 120: what is left of an embedding are components.
    cell_side : float
        Median side of the project's annotated cells, in image pixels: it sets the scale of the crops.
    """

    dropout = 0.5  # as in the box head, section 2.1 of the paper
    width = 128  # units before the last layer
    centre: Tensor  # (F,): the mean of the features of cells that taught
    components: Tensor  # (128, F): the largest first, as large as logits are; zeros until they are known

    def __init__(self, n_classes: int, cell_side: float) -> None:
        super().__init__()
        if n_classes > MOST_CLASSES:
            raise TrainingError(
                f"A second look names at most {MOST_CLASSES} classes, but the project has {n_classes}. Train "
                "without one."
            )
        self.cell_side = cell_side
        self.body = lite0_of_crops()
        n_features = cast(int, self.body.num_features)
        self.narrow = nn.Linear(n_features, self.width)
        self.classes = nn.Linear(self.width, n_classes)
        self.register_buffer("centre", torch.zeros(n_features))
        self.register_buffer("components", torch.zeros(CROP_EMBEDDING_SIZE, n_features))
        self._fitted: LastLayer | None = None

    def load_imagenet(self) -> None:
        """Fill the body with the installed ImageNet weights."""
        trained = imagenet_lite0()
        self.body.load_state_dict({key: trained[key] for key in self.body.state_dict()})

    def early_layers(self) -> Sequence[nn.Module]:
        """Return the layers of edges and colours, which a dozen pictures cannot better."""
        stages = cast(nn.Sequential, self.body.blocks)
        return (cast(nn.Module, self.body.conv_stem), *stages[:2])

    def features(self, crops: Tensor) -> Tensor:
        """Return what the body sees, (N, F), in crops (N, 3, 80, 80) in [-1, 1]."""
        return cast(Tensor, self.body(crops.contiguous(memory_format=torch.channels_last)))

    def features_of_boxes(self, image: Tensor, boxes: Tensor) -> Tensor:
        """Return the features (N, F) of boxes (N, 4), in pixels of an image (3, H, W) in [-1, 1]."""
        return torch.cat(
            [
                self.features(cut_out(image, part, self.cell_side)).float()
                for part in torch.split(boxes, _BATCH)
            ]
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return class logits (N, C) of features (N, F); dropout acts in training alone."""
        own = self.classes(F.dropout(self._hidden(features), self.dropout, self.training))
        return self._renamed(own, features)

    def passes(self, features: Tensor, masks: Tensor) -> Tensor:
        """Return class logits (T, N, C) of T passes that keep units (T, D) bool, of features (N, F)."""
        thinned = self.classes.weight * (masks / (1 - self.dropout))[:, None]  # (T, C, D)
        own = self._hidden(features) @ thinned.transpose(1, 2) + self.classes.bias
        return self._renamed(own, features)

    def embeddings(self, features: Tensor) -> Tensor:
        """Return the embeddings (N, 128) of features (N, F): the logits, then components."""
        own = self.classes(self._hidden(features))
        return torch.cat([own, self._components(features)], 1)

    def last_layer(self) -> LastLayer:
        """Return the layer that names by embeddings, for :mod:`rbcal.live_head`."""
        if self._fitted is not None:
            return self._fitted
        n_classes = self.classes.out_features
        weight = np.eye(n_classes, CROP_EMBEDDING_SIZE, dtype=np.float32)
        return LastLayer(weight, np.zeros(n_classes, np.float32))

    def set_last_layer(self, layer: LastLayer) -> None:
        """Name cells by another layer of embeddings, as :mod:`rbcal.live_head` fits it, until it is saved."""
        self._fitted = layer

    @torch.no_grad()
    def fit_components(self, crops: Tensor) -> None:
        """Find the components of the features of crops (N, 3, 80, 80) in [-1, 1] that taught."""
        features = torch.cat([self.features(part).float() for part in torch.split(crops, _BATCH)])
        own = self.classes(self._hidden(features))
        centre = features.mean(0)
        _, sizes, directions = torch.linalg.svd((features - centre).double().cpu(), full_matrices=False)
        n = min(CROP_EMBEDDING_SIZE - own.shape[1], int((sizes > _FLAT * sizes.max().clamp(min=1)).sum()))
        scale = own.square().mean().sqrt() / (sizes[:n].square().sum() / max(1, features.shape[0] * n)).sqrt()
        self.centre.copy_(centre)
        self.components.zero_()
        self.components[:n] = (directions[:n] * scale).to(self.components)

    def _hidden(self, features: Tensor) -> Tensor:
        """Return the units (N, D) before the last layer."""
        return F.relu(self.narrow(features))

    def _components(self, features: Tensor) -> Tensor:
        """Return the components (N, 128 - C) of features (N, F)."""
        rows = self.components[: CROP_EMBEDDING_SIZE - self.classes.out_features]
        return (features - self.centre) @ rows.T

    def _renamed(self, own: Tensor, features: Tensor) -> Tensor:
        """Return logits (..., N, C) as the fitted last layer has them, where there is one."""
        if self._fitted is None:
            return own
        n_classes = self.classes.out_features
        weight, bias = (torch.from_numpy(each).to(own) for each in (self._fitted.weight, self._fitted.bias))
        moved: Tensor = own @ weight[:, :n_classes].T
        return moved + self._components(features) @ weight[:, n_classes:].T + bias


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
