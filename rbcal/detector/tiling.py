"""Overlapping tiles, in which an image too large for one forward pass is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

Corners = tuple[int, int, int, int]  # left, top, right, bottom; image pixels


@dataclass(frozen=True)
class Tile:
    """A window of an image, and the part of it whose cells are this tile's own.

    The cores of all tiles cover the image without overlap, so a cell in the overlap of two windows belongs to
    the one that shows more of what surrounds it. Near the border of two cores both report it, for each has
    proposals of its own, whose centres differ; choosing the cells of the image merges the two.
    """

    window: Corners
    core: Corners
    margin: int = 0  # pixels around the core that count as its own, too

    def owns(self, centres: Tensor) -> Tensor:
        """Return which of the points (R, 2), x and y in image pixels, are this tile's: (R,) bool."""
        left, top, right, bottom = self.core
        x, y = centres.unbind(1)
        in_x = (left - self.margin <= x) & (x < right + self.margin)
        return in_x & (top - self.margin <= y) & (y < bottom + self.margin)


def tiles(height: int, width: int, *, side: int, overlap: int) -> list[Tile]:
    """Return the fewest tiles of at most `side` pixels that cover an image, neighbours overlapping.

    Parameters
    ----------
    side : int, pixels
        It is taken as at least twice the overlap: a smaller tile would be overlap alone.
    overlap : int, pixels
        At least that many. A cell no larger than this is whole in the tile that owns its centre.

    >>> [tile.window for tile in tiles(100, 250, side=150, overlap=40)]
    [(0, 0, 145, 100), (105, 0, 250, 100)]
    """
    side = max(side, 2 * overlap)
    return [
        Tile((left, top, right, bottom), (own_left, own_top, own_right, own_bottom), overlap // 8)
        for top, bottom, own_top, own_bottom in _spans(height, side, overlap)
        for left, right, own_left, own_right in _spans(width, side, overlap)
    ]


def _spans(length: int, side: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Return begin and end of each window along one axis, then those of its core."""
    if length <= side:
        return [(0, length, 0, length + 1)]  # a centre on the far border belongs to the last
    n = math.ceil((length - overlap) / (side - overlap))
    extent = math.ceil((length + (n - 1) * overlap) / n)  # no larger than needed, all alike
    begins = [round(i * (length - extent) / (n - 1)) for i in range(n)]
    borders = [
        0,
        *((before + extent + after) // 2 for before, after in pairwise(begins)),
    ]
    ends = [*borders[1:], length + 1]
    return [
        (begin, begin + extent, own_begin, own_end)
        for begin, own_begin, own_end in zip(begins, borders, ends, strict=True)
    ]
