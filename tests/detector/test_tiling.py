from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rbcal.detector.tiling import tiles

LENGTHS = st.integers(1, 900)


@given(height=LENGTHS, width=LENGTHS, side=st.integers(30, 300), overlap=st.integers(1, 60))
def test_the_cores_of_the_tiles_cover_the_image_without_overlap(height, width, side, overlap) -> None:  # type: ignore[no-untyped-def]
    count = np.zeros((height, width), int)
    for tile in tiles(height, width, side=side, overlap=overlap):
        left, top, right, bottom = tile.core
        count[top:bottom, left:right] += 1
        assert max(tile.window[2] - tile.window[0], tile.window[3] - tile.window[1]) <= max(side, 2 * overlap)
        assert 0 <= tile.window[0] < tile.window[2] <= width
        assert 0 <= tile.window[1] < tile.window[3] <= height
    assert (count == 1).all()


@given(
    length=st.integers(100, 900),
    side=st.integers(30, 300),
    overlap=st.integers(8, 60),
    size=st.floats(0.1, 1),
    place=st.floats(0, 1),
)
def test_a_cell_no_larger_than_the_overlap_is_whole_in_the_tile_that_owns_it(
    length, side, overlap, size, place
) -> None:  # type: ignore[no-untyped-def]
    cell = (overlap - 2) * size  # two pixels for the rounding of borders
    left = place * (length - cell)
    centre = torch.tensor([[left + cell / 2, 5.0]])
    owners = [tile for tile in tiles(10, length, side=side, overlap=overlap) if tile.owns(centre)]
    whole = [tile.window[0] <= left + 1e-3 and left + cell <= tile.window[2] + 1e-3 for tile in owners]
    assert any(whole)
    assert all(whole) or cell > overlap / 2


def test_an_image_that_fits_is_one_tile_that_owns_its_borders() -> None:
    [tile] = tiles(480, 640, side=640, overlap=100)
    assert tile.window == (0, 0, 640, 480)
    assert tile.owns(torch.tensor([[0.0, 0.0], [640.0, 480.0]])).all()


def test_tiles_are_no_larger_than_needed() -> None:
    found = tiles(3000, 4000, side=2048, overlap=100)
    assert len(found) == 6
    assert {(t.window[2] - t.window[0], t.window[3] - t.window[1]) for t in found} == {(1400, 1550)}
