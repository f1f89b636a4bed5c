"""Cells by their outline: on slides of any size, tint and light, and where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rbcal import synth
from rbcal.cell_finder import find_cells
from rbcal.types import iou


def agreement(pixels, boxes):
    """Return which shares of the boxes that were made, and of the true ones, have a partner at IoU 0.5."""
    made = find_cells(pixels)
    overlap = np.stack([iou(made, box) for box in boxes], 1)  # (made, true)
    return (overlap.max(1) > 0.5).mean(), (overlap.max(0) > 0.5).mean()


@pytest.fixture(scope="module")
def slide():
    pixels, annotations = synth.draw(3, width=640, height=480, n_cells=60)
    return pixels, annotations.boxes


def bowl(height, width):
    y, x = np.mgrid[:height, :width]
    return (1 - 0.6 * ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2))[..., None]


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(lambda pixels: pixels, id="as it is"),
        pytest.param(lambda pixels: (0.3 * pixels + 150).astype(np.uint8), id="pale"),
        pytest.param(lambda pixels: (0.5 * pixels).astype(np.uint8), id="dark"),
        pytest.param(lambda pixels: (pixels * bowl(480, 640)).astype(np.uint8), id="dark corners"),
        pytest.param(lambda pixels: np.repeat(pixels[..., 1:2], 3, 2), id="grey"),
    ],
)
def test_each_cell_is_boxed_once_in_any_light(slide, seen):
    pixels, boxes = slide
    assert min(agreement(seen(pixels), boxes)) >= 0.95


@pytest.mark.parametrize("share", [0.4, 3])
def test_each_cell_is_boxed_once_at_any_size(slide, share):
    pixels, boxes = slide
    height, width = (round(side * share) for side in pixels.shape[:2])
    assert min(agreement(np.asarray(Image.fromarray(pixels).resize((width, height))), boxes * share)) >= 0.95


def test_cells_that_touch_come_apart():
    y, x = np.ogrid[:100, :160]
    pixels = np.full((100, 160, 3), 225, np.uint8)
    for centre in (50, 78, 106):
        pixels[(y - 50) ** 2 + (x - centre) ** 2 < 15**2] = (190, 130, 140)
    assert len(find_cells(pixels)) == 3


def test_platelets_and_grain_are_no_cells(slide):
    pixels, boxes = slide
    y, x = np.ogrid[:480, :640]
    rng = np.random.default_rng(0)
    dirty = pixels.copy()
    for row, column in rng.integers(10, 470, (30, 2)):
        dirty[(y - row) ** 2 + (x - column) ** 2 < 3**2] = (120, 60, 130)
    dirty = (dirty + rng.normal(0, 4, dirty.shape)).clip(0, 255).astype(np.uint8)
    assert min(agreement(dirty, boxes)) >= 0.95


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((60, 80, 3), 220, np.uint8),
        np.zeros((60, 80, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.broadcast_to(np.linspace(90, 240, 300)[None, :, None], (200, 300, 3)).astype(np.uint8),
        (220 + np.random.default_rng(0).normal(0, 6, (200, 300, 3))).clip(0, 255).astype(np.uint8),
    ],
    ids=["bright", "black", "one pixel", "a gradient", "grain"],
)
def test_nothing_is_boxed_where_nothing_stands_out(pixels):
    assert find_cells(pixels).shape == (0, 4)
