from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rbcal.detector.augmentation import UNREAD, crop, hue_rotation, recolour, repeat_factors, turn, window
from rbcal.types import Annotations
from tests.detector.conftest import RANDOM, picture

PICTURES = [picture(seed) for seed in range(4)]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, Annotations]:
    """An image whose pixels are 255 exactly in the boxes; the boxes do not touch."""
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    image = np.zeros(
        (rows * 20 + draw(st.integers(0, 9)), columns * 20 + draw(st.integers(0, 9)), 3), np.uint8
    )
    boxes = []
    for row in range(rows):
        for column in range(columns):
            if draw(st.booleans()):
                x, y = column * 20 + draw(st.integers(0, 5)), row * 20 + draw(st.integers(0, 5))
                width, height = draw(st.integers(2, 13)), draw(st.integers(2, 13))
                image[y : y + height, x : x + width] = 255
                boxes.append([x, y, x + width, y + height])
    return image, Annotations(np.array(boxes, np.float32).reshape(-1, 4), np.arange(len(boxes)))


def painted(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    image = np.zeros(shape, np.uint8)
    for x1, y1, x2, y2 in boxes.astype(int):
        image[y1:y2, x1:x2] = 255
    return image


@given(scene=scenes(), quarter_turns=st.integers(0, 3), mirror=st.booleans())
def test_turned_boxes_cover_exactly_their_turned_pixels(scene, quarter_turns, mirror) -> None:  # type: ignore[no-untyped-def]
    image, truth = scene
    turned, boxes = turn(image, truth.boxes, quarter_turns=quarter_turns, mirror=mirror)
    np.testing.assert_array_equal(painted(boxes, turned.shape), turned)


@given(scene=scenes(), side=st.integers(8, 90), seed=st.integers(0, 99))
def test_cropped_boxes_cover_exactly_their_pixels_and_half_hidden_cells_are_left_out(
    scene, side, seed
) -> None:  # type: ignore[no-untyped-def]
    image, truth = scene
    cut, boxes, labels = crop(image, truth, side, np.random.default_rng(seed))
    assert cut.shape == (min(side, image.shape[0]), min(side, image.shape[1]), 3) or cut is image
    mine = painted(boxes, cut.shape)
    assert (cut[mine > 0] == 255).all()
    areas = np.prod(truth.boxes[:, 2:] - truth.boxes[:, :2], axis=1)
    assert (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) >= areas[labels] / 2).all()


def test_a_window_is_near_the_size_that_was_asked_for_at_a_scale_that_varies() -> None:
    image, truth = picture(0, side=480, n_cells=100)
    config = replace(RANDOM, crop=96, scale_jitter=0.25)
    views = [
        window(image, truth, 1.0, config, np.random.default_rng(seed), upright=True) for seed in range(50)
    ]
    scales = np.array([view.scale for view in views])
    assert 0.8 <= scales.min() < 0.87
    assert 1.15 < scales.max() <= 1.25
    assert all(94 <= view.pixels.shape[0] * view.scale <= 97 for view in views)
    flat = window(image, truth, 1.0, replace(config, scale_jitter=0), np.random.default_rng(0), upright=True)
    assert flat.scale == 1


def test_another_lamp_keeps_grey_grey_but_for_its_tint_and_stays_in_range() -> None:
    for angle in (-1.0, 0.1, 2.0):
        np.testing.assert_allclose(hue_rotation(angle) @ [0.5, 0.5, 0.5], 0.5)
        np.testing.assert_allclose(hue_rotation(angle) @ hue_rotation(angle).T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(hue_rotation(2 * np.pi / 3) @ [1, 0, 0], [0, 1, 0], atol=1e-12)  # red to green
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    for seed in range(9):
        view = window(
            *PICTURES[0], 1.0, replace(RANDOM, jitter=0.5), np.random.default_rng(seed), upright=True
        )
        coloured = recolour(image, view.colour, view.contrast)
        assert coloured.min() >= 0
        assert coloured.max() <= 1
        assert not torch.allclose(coloured, image)
    plain = window(*PICTURES[0], 1.0, replace(RANDOM, jitter=0.0), np.random.default_rng(0), upright=True)
    torch.testing.assert_close(recolour(image, plain.colour, plain.contrast), image)


def test_images_of_rare_classes_are_repeated_and_a_threshold_of_0_repeats_none() -> None:
    common, rare, both, none = np.array([0, 0]), np.array([1]), np.array([1, 0]), np.empty(0, np.int64)
    labels = [common] * 14 + [rare, both, none, none]
    factors = repeat_factors(labels, threshold=0.5)
    assert factors.tolist() == pytest.approx([1] * 14 + [np.sqrt(0.5 / (2 / 18))] * 2 + [1, 1])
    assert repeat_factors(labels, threshold=0).tolist() == [1] * 18


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_boxes_turn_with_their_pixels(quarter_turns: int, mirror: bool) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[5:15, 20:50] = 255
    turned, boxes = turn(
        image, np.array([[20, 5, 50, 15]], np.float32), quarter_turns=quarter_turns, mirror=mirror
    )
    x1, y1, x2, y2 = boxes[0].astype(int)
    assert turned.shape[:2] == ((40, 60) if quarter_turns % 2 == 0 else (60, 40))
    assert turned[y1:y2, x1:x2].min() == 255
    assert turned.sum() == image.sum()
    assert (x2 - x1) * (y2 - y1) == 300


def test_a_crop_shows_a_cell_and_keeps_boxes_on_their_pixels() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[200:220, 350:370] = 255
    truth = Annotations(np.array([[350, 200, 370, 220]]), np.array([1]))
    for seed in range(20):
        window, boxes, labels = crop(image, truth, 64, np.random.default_rng(seed))
        assert window.shape == (64, 64, 3)
        for (x1, y1, x2, y2), label in zip(boxes.astype(int), labels, strict=True):
            assert label == 1
            assert window[y1:y2, x1:x2].min() == 255
            assert (x2 - x1) * (y2 - y1) >= 200  # at least half of the cell
        assert (window > 0).any()


def test_a_cell_that_nobody_read_has_no_label_in_a_window_of_any_size() -> None:
    image, truth = PICTURES[0]
    half_read = replace(truth, read=np.arange(len(truth)) % 2 == 0)
    for side in (96, 90):
        _, boxes, labels = crop(image, half_read, side, np.random.default_rng(0))
        assert len(boxes) == len(labels) > 0
        assert set(labels) == {UNREAD, *labels[labels >= 0]}
    assert labels.size == len(truth) or side < 96


def test_a_small_image_is_not_cropped() -> None:
    image, truth = PICTURES[0]
    window, boxes, _ = crop(image, truth, 96, np.random.default_rng(0))
    assert window is image
    assert boxes is truth.boxes
