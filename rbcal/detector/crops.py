"""Crops of cells: cut out of an image to be named, or kept, turned and recoloured to teach how to name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name that every torch programme uses
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import roi_align
from torchvision.transforms.v2.functional import gaussian_blur

from rbcal.config import TrainConfig
from rbcal.detector.augmentation import lamp, recolour
from rbcal.detector.tiling import Tile
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations, Ints

CROP_SIDE = 80  # pixels
_CONTEXT = 2.0  # of a crop, in sides of the project's median cell: its size, and its neighbours, are seen
_LEAST_CONTEXT = 1.2  # in longer sides of the box: a giant cell is seen whole
_ROOM = 1.35  # a patch is that much wider than a crop, at the same resolution: it is turned and moved
_MOST_PATCHES = 8000  # 275 MB
_BALANCE = 0.5  # 0: a class is drawn as often as it occurs; 1: as often as any other
_GREY, _BLURRED = 0.2, 0.3  # of the drawn crops: names that rest on shape hold on slides of another stain
_BLUR, _BLUR_SIDE = (0.4, 1.5), 5  # sigma in pixels, and how far it reaches
_SHIFT, _ZOOM = 0.08, 0.12  # of a drawn crop, in its sides; logarithm of its size: as boxes found are off


@dataclass(frozen=True, eq=False)
class CropBank:
    """What the second look learns from: patches (M, 3, P, P) uint8 around annotated cells.

    `labels` (M,) int64 are their classes, `chances` (M,) how often each is drawn.
    """

    patches: Tensor
    labels: Tensor
    chances: NDArray[np.float64]

    def draw(self, config: TrainConfig, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return random crops (n, 3, 80, 80) in [-1, 1], turned, moved and recoloured, and labels (n,)."""
        chosen = torch.from_numpy(rng.choice(len(self.labels), config.crops, p=self.chances))
        turned = _turn(self.patches[chosen].float() / 255, rng)
        crops = torch.stack([_as_elsewhere(crop, config.jitter, rng) for crop in turned])
        return crops * 2 - 1, self.labels[chosen]

    def middle(self, most: int, rng: np.random.Generator) -> Tensor:
        """Return crops (n, 3, 80, 80) in [-1, 1] of at most so many cells, as they are."""
        n = min(most, int((self.chances > 0).sum()))
        chosen = torch.from_numpy(np.sort(rng.choice(len(self.labels), n, replace=False, p=self.chances)))
        margin = (self.patches.shape[-1] - CROP_SIDE) // 2
        inner = slice(margin, margin + CROP_SIDE)
        return self.patches[chosen][..., inner, inner].float() / 127.5 - 1


def fill_bank(
    samples: Sequence[tuple[Pixels, Annotations]],
    labels: Sequence[Ints],
    cell_side: float,
    tiles_of: Callable[[int, int], Sequence[Tile]],
    rng: np.random.Generator,
    report: Callable[[int], None] = lambda n_images: None,
) -> CropBank:
    """Cut the cells that were read out of annotated images.

    Parameters
    ----------
    samples : sequence of (image (H, W, 3) uint8, Annotations)
        Read one at a time.
    labels : sequence of (n,) int64
        Of the cells of each sample that were read; the others teach no class. Of many cells, those of
        frequent classes are taken in part.
    cell_side : float
        Of the project's median cell, in image pixels.
    tiles_of : callable
        Returns the tiles of an image (height, width): a large one is never in memory as floats whole.
    rng : numpy.random.Generator
    report : callable
        Is told how many images are done.
    """
    counts = np.bincount(np.concatenate([np.empty(0, np.int64), *labels]))
    wanted = _shares(counts, _MOST_PATCHES)
    patches, of_patches = [], []
    for index in range(len(samples)):
        pixels, truth = samples[index]
        taken = np.flatnonzero(truth.read)
        taken = taken[rng.uniform(size=len(taken)) < wanted[truth.read_labels]]
        boxes = torch.from_numpy(truth.boxes[taken])
        for rows, view, own in by_tile(pixels, boxes, tiles_of(*pixels.shape[:2])):
            signed = cut_out(view, own, cell_side, room=_ROOM)
            patches.append(((signed + 1) * 127.5).round().clamp(0, 255).byte())
            of_patches.append(truth.labels[taken[rows.numpy()]])
        report(index + 1)
    in_order = np.concatenate(of_patches)
    return CropBank(torch.cat(patches), torch.from_numpy(in_order), _chances(in_order))


def cut_out(image: Tensor, boxes: Tensor, cell_side: float, room: float = 1.0) -> Tensor:
    """Return the surroundings of boxes, (N, 3, 80, 80), all at one scale; beyond the image they are grey.

    Parameters
    ----------
    image : (3, H, W) float32 in [-1, 1]
    boxes : (N, 4) float32, pixels
    cell_side : float
        Of the project's median cell, in pixels.
    room : float
        How much wider than a crop, at the same scale.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    longer = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    reach = (_LEAST_CONTEXT * longer).clamp(min=_CONTEXT * cell_side) * room / 2
    squares = torch.cat([centres - reach, centres + reach], 1)
    return roi_align(image[None], [squares], round(room * CROP_SIDE), aligned=True)


def by_tile(image: Pixels, boxes: Tensor, tiles: Sequence[Tile]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield of each tile with boxes: which (n,), the tile (3, h, w) in [-1, 1], its boxes (n, 4) in it."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    for tile in tiles:
        left, top, right, bottom = tile.window
        own = replace(tile, margin=0).owns(centres).nonzero().squeeze(1)  # each box in one tile
        if len(own):
            view = as_tensor(image[top:bottom, left:right]).to(boxes.device)
            yield own, view, boxes[own] - boxes.new_tensor([left, top, left, top])


def as_tensor(pixels: Pixels) -> Tensor:
    """Return an image (H, W, 3) uint8 as (3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 127.5 - 1


def _turn(patches: Tensor, rng: np.random.Generator) -> Tensor:
    """Return crops out of patches (n, 3, P, P): turned by any angle, mirrored, moved and zoomed a little."""
    n = len(patches)
    angle, zoom, x, y = rng.uniform(-1, 1, (4, n)) * [[math.pi], [_ZOOM], [_SHIFT], [_SHIFT]]
    scale, mirror = np.exp(zoom) / _ROOM, rng.choice([-1.0, 1.0], n)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    moves = np.array([[cos * mirror, -sin, 2 * x / _ROOM], [sin * mirror, cos, 2 * y / _ROOM]])
    grid = F.affine_grid(
        torch.from_numpy(moves.transpose(2, 0, 1)).float(), [n, 3, CROP_SIDE, CROP_SIDE], align_corners=False
    )
    return F.grid_sample(patches, grid, padding_mode="border", align_corners=False)


def _as_elsewhere(crop: Tensor, jitter: float, rng: np.random.Generator) -> Tensor:
    """Return a crop (3, P, P) in [0, 1] as another lamp, stain, camera or focus may show it."""
    crop = recolour(crop, *lamp(jitter, rng))
    if rng.random() < _GREY:
        crop = crop.mean(0, keepdim=True).expand(3, -1, -1)
    if rng.random() < _BLURRED:
        crop = gaussian_blur(crop, _BLUR_SIDE, rng.uniform(*_BLUR))
    return crop


def _chances(labels: Ints) -> NDArray[np.float64]:
    """Return how often each patch is drawn: those of rare classes more often than they occur."""
    weights = np.bincount(labels).astype(np.float64)[labels] ** -_BALANCE
    return weights / weights.sum()


def _shares(counts: Ints, most: float) -> NDArray[np.float64]:
    """Return which share of each class is kept so that `most` cells are left: the largest classes lose."""
    level = float(counts.max(initial=1))
    while np.minimum(counts, level).sum() > most:
        level *= 0.9
    return np.minimum(1.0, level / counts.clip(1))
