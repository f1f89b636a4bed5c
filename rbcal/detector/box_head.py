"""The box head: the two fully connected layers of section 2.1, and the dropouts that make passes differ."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812  the name that every torch programme uses
from torch import Tensor, nn


class BoxHead(nn.Module):
    """Two fully connected layers, each followed by dropout: features of a cell, pooled, in; (R, W) out.

    :meth:`first` is what a stochastic pass shares with every other pass; the rest runs once per pass.
    """

    dropout = 0.5  # section 2.1, as in VGG-16

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(channels * 7 * 7, width)
        self.fc7 = nn.Linear(width, width)

    def first(self, pooled: Tensor) -> Tensor:
        """Return the features (R, W) up to the first dropout."""
        return F.relu(self.fc6(pooled.flatten(1)))

    def second(self, dropped: Tensor) -> Tensor:
        """Return the features (R, W) between the first dropout and the second."""
        return F.relu(self.fc7(dropped))

    def forward(self, pooled: Tensor) -> Tensor:
        """Return the features (R, W) after both dropouts, which act in training alone."""
        dropped = F.dropout(self.first(pooled), self.dropout, self.training)
        return F.dropout(self.second(dropped), self.dropout, self.training)
