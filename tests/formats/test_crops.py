"""Crops: which part of the image, and how large."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from rbcal.formats.crops import crop

PIXELS = np.zeros((300, 400, 3), np.uint8)


def test_a_crop_is_a_square_around_its_box():
    around = crop(PIXELS, [np.float32([100, 100, 140, 120])])
    x1, y1, x2, y2 = around.window
    assert (x1 + x2, y1 + y2) == (240, 220)
    assert x2 - x1 == y2 - y1 == 76  # 40 and 0.45 of it on either side
    assert Image.open(io.BytesIO(around.jpeg())).size == (76, 76)


def test_near_the_border_the_square_is_moved_into_the_image():
    assert crop(PIXELS, [np.float32([380, 280, 400, 300])]).window == (362, 262, 400, 300)


def test_a_crop_of_a_large_box_is_made_small_and_never_larger_than_the_image():
    around = crop(PIXELS, [np.float32([0, 0, 400, 300])])
    assert around.window == (0, 0, 400, 300)
    assert Image.open(io.BytesIO(around.jpeg())).size == (160, 120)


def test_a_crop_holds_all_of_its_boxes():
    around = crop(PIXELS, [[100, 100, 140, 140], [120, 110, 180, 150]], margin=0.25)
    assert around.window == (80, 65, 200, 185)  # of 80 pixels, and a quarter on either side
