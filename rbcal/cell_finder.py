"""Cells by their outline: boxes for an image that no model has seen, so that nobody draws them by hand.

Red blood cells of a brightfield image are darker than the slide around them and nearly all of one size. So
they are told from the slide by a threshold, and those that touch are parted where they are narrow::

    image -> how much darker than the slide (H, W) -> mask, holes filled -> depth, the distance to the slide
    a cell: a peak of the depth, and the pixels of the mask that are nearer to it than to other peaks

Which kind of cell it is nobody can say from that. How good the boxes are: docs/benchmarks/review.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

from rbcal.formats.pictures import Pixels
from rbcal.types import Floats

_RADIUS = 12.0  # of a cell, in pixels of the copy in which cells are parted
_LONGEST = 1280  # pixels: of the copy in which the size of the cells is measured
_BLUR = 1.0  # pixels: grain is no cell
_GRID = 4  # pixels: one in so many, squared, tells how bright the slide is
_ROUNDS = 6  # of finding the slide among the pixels that are brighter than the last guess of it
_CELLS = 60  # percent of an image that may be cells
_BELOW = 0.8  # of Otsu's threshold: the pale rim of a cell belongs to it
_CLEAR = 4.0  # standard deviations of the slide: cells stand out that far, or there are none
_APART = 0.6  # radii: two peaks of the depth that are nearer are of one cell
_DEEP = 0.35  # radii: less is a thread or a speck
_LEAST_AREA = 0.3  # of a round cell: platelets, dirt, slivers at the border
_SPECK = 60  # square pixels: nothing smaller says how large cells are


def find_cells(pixels: Pixels) -> Floats:
    """Return the boxes (N, 4) float32 of the cells of an image (H, W, 3) uint8, in its pixels.

    Cells that lie one on the other come out as one box or as pieces. Where nothing stands out, N is 0.

    >>> slide = np.full((90, 120, 3), 230, np.uint8)
    >>> y, x = np.ogrid[:90, :120]
    >>> slide[(y - 40) ** 2 + (x - 30) ** 2 < 15**2] = (180, 120, 130)
    >>> slide[(y - 50) ** 2 + (x - 85) ** 2 < 15**2] = (180, 120, 130)
    >>> find_cells(slide).round().tolist()
    [[16.0, 26.0, 45.0, 55.0], [71.0, 36.0, 100.0, 65.0]]
    """
    height, width = pixels.shape[:2]
    coarse = min(1.0, _LONGEST / max(height, width))
    mask = _mask(_resized(pixels, coarse))
    radius = _usual_radius(mask) / coarse  # in pixels of the image
    if not radius:
        return np.empty((0, 4), np.float32)
    fine = min(1.0, _RADIUS / radius)
    if fine != coarse:
        mask = _mask(_resized(pixels, fine))
    boxes = _boxes(mask, radius * fine)
    share = np.array([width / mask.shape[1], height / mask.shape[0]] * 2, np.float32)
    return (boxes * share).astype(np.float32)


def _resized(pixels: Pixels, share: float) -> Pixels:
    """Return the image at another size."""
    if share == 1:
        return pixels
    height, width = (max(1, round(side * share)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def _mask(pixels: Pixels) -> NDArray[np.bool_]:
    """Return which pixels (H, W) are of cells."""
    contrast = _contrast(pixels)
    if np.ptp(contrast) < _CLEAR:
        return np.zeros(contrast.shape, bool)
    threshold = _otsu(contrast)
    slide = contrast[contrast <= threshold]
    if contrast.max() - slide.mean() < _CLEAR * max(1.0, slide.std()):
        return np.zeros(contrast.shape, bool)
    cells = ndimage.binary_opening(contrast > _BELOW * threshold)
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(cells)
    return filled


def _contrast(pixels: Pixels) -> Floats:
    """Return how much darker each pixel (H, W) is than the slide around it, over all channels."""
    blurred = ndimage.gaussian_filter(pixels.astype(np.float32), (_BLUR, _BLUR, 0))
    sides = (np.linspace(-1, 1, side, dtype=np.float32) for side in pixels.shape[:2])
    y, x = np.meshgrid(*sides, indexing="ij")
    bowl = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    grid, terms = blurred[::_GRID, ::_GRID].reshape(-1, 3), bowl[::_GRID, ::_GRID].reshape(-1, 6)
    slide = np.zeros((6, 3), np.float32)
    chosen = np.arange(len(grid))
    for _ in range(_ROUNDS):
        slide = np.linalg.lstsq(terms[chosen], grid[chosen])[0]
        brighter = (grid - terms @ slide).sum(1)
        chosen = np.flatnonzero(brighter >= np.percentile(brighter, _CELLS))
    darker: Floats = np.linalg.norm((bowl @ slide - blurred).clip(0), axis=-1)
    return darker


def _otsu(values: Floats) -> float:
    """Return the threshold that parts values into two groups, each as alike as can be (Otsu 1979)."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[1:] + edges[:-1]) / 2
    below, sums = counts.cumsum(), (counts * middles).cumsum()
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[np.nanargmax(between[:-1])])


def _usual_radius(mask: NDArray[np.bool_]) -> float:
    """Return the radius of a cell, in pixels: of the round pieces, that of the middle one by area; or 0."""
    pieces, n = ndimage.label(mask)
    every = np.arange(1, n + 1)
    areas = ndimage.sum_labels(mask, pieces, every)
    depths = ndimage.maximum(ndimage.distance_transform_edt(mask), pieces, every)
    large = areas >= _SPECK
    is_round = large & (areas < 1.6 * np.pi * np.square(depths))
    counted = is_round if is_round.sum() >= 3 else large
    radii, areas = depths[counted], areas[counted]
    if not len(radii):
        return 0.0
    order = np.argsort(radii)
    so_far = areas[order].cumsum()
    return float(radii[order][np.searchsorted(so_far, so_far[-1] / 2)])


def _boxes(mask: NDArray[np.bool_], radius: float) -> Floats:
    """Return the boxes (N, 4) of the cells in a mask, in its pixels."""
    depth = ndimage.distance_transform_edt(mask)
    smooth = ndimage.gaussian_filter(depth, 0.15 * radius)
    size = 2 * round(_APART * radius) + 1
    is_peak = mask & (smooth == ndimage.maximum_filter(smooth, size)) & (smooth > _DEEP * radius)
    flat, n = ndimage.label(is_peak, np.ones((3, 3)))
    if not n:
        return np.empty((0, 4), np.float32)
    peaks = np.array(ndimage.maximum_position(smooth, flat, np.arange(1, n + 1)), int)
    owner = _owners(mask, peaks, depth[tuple(peaks.T)])
    boxes = []
    for number, place in enumerate(ndimage.find_objects(owner), start=1):
        if place and (owner[place] == number).sum() >= _LEAST_AREA * np.pi * radius**2:
            rows, columns = place
            boxes.append((columns.start, rows.start, columns.stop, rows.stop))
    return np.array(boxes, np.float32).reshape(-1, 4)


def _owners(mask: NDArray[np.bool_], peaks: NDArray[np.int_], depths: Floats) -> NDArray[np.int32]:
    """Return the number of the peak, from 1 on, that each pixel of the mask belongs to; else 0.

    It is the nearest of its own piece of the mask, where a deeper peak reaches farther: the distances are
    those of a power diagram.
    """
    pieces, _ = ndimage.label(mask)
    # |a - b|^2 - r_b^2 is, but for a constant, the distance of (a, 0) and (b, sqrt(r_max^2 - r_b^2))
    lift = np.sqrt(np.square(depths.max()) - np.square(depths))
    owner = np.zeros(mask.shape, np.int32)
    of_piece = pieces[tuple(peaks.T)]
    for piece, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
        own = np.flatnonzero(of_piece == piece)
        if len(own):
            inside = pieces[rows, columns] == piece
            places = np.argwhere(inside) + np.array([rows.start, columns.start])
            tree = cKDTree(np.column_stack([peaks[own], lift[own]]))
            _, nearest = tree.query(np.column_stack([places, np.zeros(len(places))]))
            owner[rows, columns][inside] = own[nearest] + 1
    return owner
