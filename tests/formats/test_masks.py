"""The boxes around masks, beside those of pycocotools; and what strangers write in their place."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as reference

from rbcal.formats import masks


@st.composite
def drawn(draw):
    """A mask with something on it."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    on = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width).filter(any))
    return np.array(on, np.uint8).reshape(height, width)


def box_of(mask):
    ys, xs = mask.nonzero()
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def runs(mask):
    flat = [0, *mask.T.ravel(), 2]
    places = [0, *np.flatnonzero(np.diff(flat[:-1])), len(flat) - 2]
    return np.diff(places).tolist()


@given(drawn())
def test_the_box_around_runs_is_the_box_of_the_mask(mask):
    size = list(mask.shape)
    assert masks.around_coco({"size": size, "counts": runs(mask)}) == box_of(mask)
    packed = reference.encode(np.asfortranarray(mask))["counts"].decode()
    assert masks.around_coco({"size": size, "counts": packed}) == box_of(mask)


def packed_as_label_studio(mask):
    """Return the bytes of a brush: values by themselves, or one repeated, in turn."""
    rgba = np.repeat(mask.ravel() * 255, 4)
    bits = f"{len(rgba):032b}{7:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    place, repeats = 0, False
    while place < len(rgba):
        same = 1
        while repeats and same < 256 and place + same < len(rgba) and rgba[place + same] == rgba[place]:
            same += 1
        some = rgba[place : place + (1 if repeats else 3)]
        bits += "1" if repeats else "0"
        bits += f"{2:02b}{(same if repeats else len(some)) - 1:08b}" + "".join(f"{each:08b}" for each in some)
        place += same if repeats else len(some)
        repeats = not repeats
    bits += "0" * (-len(bits) % 8)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]


@given(drawn())
def test_the_box_around_a_brush_is_the_box_of_the_mask(mask):
    assert masks.around_brush(packed_as_label_studio(mask), *mask.shape) == box_of(mask)


def test_a_turned_ellipse_has_the_box_of_its_outline():
    t, a = np.linspace(0, 2 * math.pi, 3601), math.radians(30)
    xs = 50 + 20 * np.cos(t) * math.cos(a) - 10 * np.sin(t) * math.sin(a)
    ys = 40 + 20 * np.cos(t) * math.sin(a) + 10 * np.sin(t) * math.cos(a)
    assert masks.around_ellipse(50, 40, 20, 10, 30) == pytest.approx(
        (xs.min(), ys.min(), xs.max(), ys.max()), abs=1e-3
    )


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ({"size": [3, 4], "counts": [4, 2, 5]}, "does not fit"),
        ({"size": [3, 4], "counts": [12]}, "is empty"),
        ({"size": [3, 4], "counts": [-1, 13]}, "does not fit"),
        ({"size": [3, 4], "counts": "o" * 10_000}, "no size or no runs"),
        ({"size": [3], "counts": [12]}, "no size or no runs"),
        ({"size": [3, 10**400], "counts": [12]}, "does not fit"),
        ([[1, 2, 3]], "not pairs"),
        ([[1, 2, math.nan, 4]], "not pairs"),
        ([], "not pairs"),
        ("polygon", "neither polygons nor runs"),
    ],
)
def test_a_segmentation_that_cannot_be_used_is_a_sentence(segmentation, words):
    assert words in masks.around_coco(segmentation)


@pytest.mark.parametrize(
    "packed", [None, [], [0, 0, 0, 16], [300], ["a"], packed_as_label_studio(np.eye(3, dtype=np.uint8))[:-4]]
)
def test_a_brush_that_cannot_be_used_is_a_sentence(packed):
    assert isinstance(masks.around_brush(packed, 3, 3), str)


def claim(height, width):
    """Return the bytes of a brush that has so many pixels, and ends after the first run."""
    bits = f"{4 * height * width:032b}{7:05b}" + "1111" * 4 + "1" + "00" + "1" * 16 + "1" * 8
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits) - 7, 8)]


def test_a_brush_takes_no_memory_for_the_size_that_it_claims():
    tracemalloc.start()
    said = masks.around_brush(claim(16_000, 16_000), 16_000, 16_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said == "its mask ends too early"
    assert peak < 1e6  # the values were 1 GB


def test_a_brush_of_more_pixels_than_are_read_is_a_sentence():
    said = masks.around_brush(claim(30_000, 30_000), 30_000, 30_000)
    assert said == "its mask claims 900,000,000 pixels; at most 268,435,456 are read"
