"""Windows of annotated images, cut, turned, resized and recoloured at random. Cells have no "up"."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbcal.config import TrainConfig
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations, Floats, Ints, area

UNREAD = -1  # in the place of a label: a cell is there, and nobody said which
_MIN_VISIBLE = 0.5  # of a cell's area; of less, the expert could not name it either


@dataclass(frozen=True)
class Window:
    """A part of an image as training sees it: pixels, cells, and how to resize and recolour it."""

    pixels: Pixels  # (h, w, 3) uint8
    boxes: Floats  # (M, 4), pixels of the window
    labels: Ints  # (M,); UNREAD where nobody looked at the cell
    scale: float  # working pixels per image pixel
    colour: NDArray[np.float32]  # (3, 3): what a pixel is multiplied with
    contrast: float


def window(
    image: Pixels,
    truth: Annotations,
    scale: float,
    config: TrainConfig,
    rng: np.random.Generator,
    upright: bool,
) -> Window:
    """Return a random window of the image that shows a cell, if there is one.

    Parameters
    ----------
    image : (H, W, 3) uint8
    truth : Annotations
    scale : float
        Working pixels per image pixel; it is varied by `config.scale_jitter`.
    config : TrainConfig
        crop, jitter and scale_jitter.
    upright : bool
        Whether the window keeps its orientation or lies on its side; it may be turned upside down either way.
    """
    scale *= math.exp(rng.uniform(-1, 1) * math.log1p(config.scale_jitter))
    pixels, boxes, labels = crop(image, truth, max(1, int(config.crop / scale)), rng)
    turns, mirror = 2 * int(rng.integers(2)) + (not upright), bool(rng.integers(2))
    pixels, boxes = turn(pixels, boxes, quarter_turns=turns, mirror=mirror)
    return Window(pixels, boxes, labels, scale, *lamp(config.jitter, rng))


def lamp(jitter: float, rng: np.random.Generator) -> tuple[NDArray[np.float32], float]:
    """Return another lamp: what a pixel is multiplied with (3, 3), brightness, tint and hue; and contrast."""
    brightness, contrast = rng.uniform(1 - jitter, 1 + jitter, 2)
    tint = rng.uniform(1 - jitter / 3, 1 + jitter / 3, 3)
    angle = rng.uniform(-jitter, jitter) / 2
    colour = (brightness * tint)[:, None] * hue_rotation(angle)
    return colour.astype(np.float32), float(contrast)


def recolour(image: Tensor, colour: NDArray[np.float32], contrast: float) -> Tensor:
    """Return the image (3, h, w) in [0, 1] under another :func:`lamp`."""
    mean = image.mean()
    image = mean + contrast * (image - mean)
    return torch.einsum("ij,jhw->ihw", torch.from_numpy(colour).to(image), image).clamp(0, 1)


def hue_rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix (3, 3) that turns the hue by an angle, in radians, and leaves grey as it is."""
    c, s = math.cos(angle), math.sin(angle)
    same, before, after = (1 + 2 * c) / 3, (1 - c) / 3 - s / math.sqrt(3), (1 - c) / 3 + s / math.sqrt(3)
    return np.array([[same, before, after], [after, same, before], [before, after, same]])


def crop(
    image: Pixels, truth: Annotations, side: int, rng: np.random.Generator
) -> tuple[Pixels, Floats, Ints]:
    """Return a window of at most side x side pixels around a random cell, and the cells that it shows.

    The label of a cell that nobody read is `UNREAD`.
    """
    height, width = image.shape[:2]
    labels = np.where(truth.read, truth.labels, UNREAD)
    if max(height, width) <= side:
        return image, truth.boxes, labels
    size = np.array([min(width, side), min(height, side)])
    room = np.array([width, height]) - size
    corner = rng.integers(room + 1)
    if len(truth):
        box = truth.boxes[rng.integers(len(truth))]
        centre = (box[:2] + box[2:]) / 2
        corner = np.clip(centre - rng.uniform(0, 1, 2) * size, 0, room).astype(int)
    (left, top), (right, bottom) = corner, corner + size
    shift = np.array([left, top, left, top], np.float32)
    border = np.array([right - left, bottom - top] * 2, np.float32)
    boxes = np.clip(truth.boxes - shift, 0, border)
    shown = area(boxes) >= _MIN_VISIBLE * area(truth.boxes)
    return image[top:bottom, left:right], boxes[shown], labels[shown]


def turn(image: Pixels, boxes: Floats, *, quarter_turns: int, mirror: bool) -> tuple[Pixels, Floats]:
    """Return image and boxes mirrored and turned to the left; exact, since pixels only change places."""
    if mirror:
        width = np.float32(image.shape[1])
        image = image[:, ::-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    for _ in range(quarter_turns):
        width = np.float32(image.shape[1])
        image = np.rot90(image)
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], axis=1)
    return image, boxes


def repeat_factors(labels: list[Ints], threshold: float) -> NDArray[np.float64]:
    """Return how often each image is seen while an image of frequent cells alone is seen once; >= 1.

    Parameters
    ----------
    labels : K arrays of labels
    threshold : float in [0, 1]
        A class that fewer than this share of the images have is rare; 0 makes every factor 1.

    References
    ----------
    Gupta et al. 2019 (LVIS, arXiv 1908.03195), section 4.3: r(c) = max(1, sqrt(t / f(c))), where f(c) is the
    share of images with class c; an image takes the largest r of its classes.

    >>> common, rare = np.array([0, 0, 0]), np.array([0, 1])
    >>> repeat_factors([common, common, common, rare], threshold=1.0)  # sqrt(1 / 0.25)
    array([1., 1., 1., 2.])
    """
    n_images = len(labels)
    holding = np.bincount(np.concatenate([np.unique(each) for each in labels]).astype(np.int64))
    by_class = np.maximum(1, np.sqrt(threshold * n_images / np.maximum(holding, 1)))
    return np.array([by_class[each].max(initial=1) for each in labels])
