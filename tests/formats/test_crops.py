"""Crops: which part of the image, and how large."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from rbcal.formats.crops import crop

PIXELS = np.zeros((300, 400, 3), np.uint8)


def test_a_crop_is_a_square_around_its_box():
    found = crop(PIXELS, np.float32([100, 100, 140, 120]))
    x1, y1, x2, y2 = found.window
    assert (x1 + x2, y1 + y2) == (240, 220)
    assert x2 - x1 == y2 - y1 == 76  # 40 and 0.45 of it on either side
    assert Image.open(io.BytesIO(found.content)).size == (76, 76)


def test_near_the_border_the_square_is_moved_into_the_image():
    assert crop(PIXELS, np.float32([380, 280, 400, 300])).window == (362, 262, 400, 300)


def test_a_crop_of_a_large_box_is_made_small_and_never_larger_than_the_image():
    found = crop(PIXELS, np.float32([0, 0, 400, 300]))
    assert found.window == (0, 0, 400, 300)
    assert Image.open(io.BytesIO(found.content)).size == (160, 120)
