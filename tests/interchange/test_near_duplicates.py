"""Near-duplicates: a field saved again is found, another field of the same slide is not."""

from __future__ import annotations

import io
import itertools
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from rbcal import synth
from rbcal.interchange.import_images import import_images
from rbcal.interchange.near_duplicates import (
    MOST_DIFFERENT,
    MOST_PAIRS,
    N_BYTES,
    hash_missing,
    near_pairs,
    perceptual_hash,
)
from tests.conftest import add_image


def field(seed):
    return synth.draw(seed, width=320, height=240, n_cells=30)[0]


def as_jpeg(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=60)
    return np.asarray(Image.open(content))


def resized(pixels):
    return np.asarray(Image.fromarray(pixels).resize((500, 375)))


def brighter(pixels):
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(1.1))


def bits_apart(one, other):
    both = (np.frombuffer(each, np.uint8) for each in (one, other))
    return int(np.bitwise_count(np.bitwise_xor(*both)).sum())


def without_its_border(pixels):
    return pixels[5:-5, 6:-6]  # 2 % of it on each side


@pytest.mark.parametrize(
    "change",
    [as_jpeg, resized, brighter, without_its_border, lambda field: as_jpeg(brighter(resized(field)))],
)
def test_a_field_that_was_saved_again_is_near(change):
    pixels = field(1)
    assert bits_apart(perceptual_hash(pixels), perceptual_hash(change(pixels))) <= MOST_DIFFERENT


def test_different_fields_are_not_near():
    hashes = [perceptual_hash(field(seed)) for seed in range(20)]
    assert near_pairs(hashes) == []
    assert min(bits_apart(*pair) for pair in itertools.combinations(hashes, 2)) > MOST_DIFFERENT


def test_a_hash_has_32_bytes_whatever_the_picture():
    for shape in ((1, 1, 3), (5, 2000, 3), (480, 640, 3)):
        assert len(perceptual_hash(np.full(shape, 128, np.uint8))) == N_BYTES


def test_the_mean_brightness_is_no_part_of_the_hash():
    pixels = field(3)
    dark = (pixels // 2).astype(np.uint8)
    assert bits_apart(perceptual_hash(pixels), perceptual_hash(dark)) <= MOST_DIFFERENT


def test_pairs_are_those_of_the_plain_comparison():
    rng = np.random.default_rng(0)
    hashes = [bytes(rng.integers(0, 256, N_BYTES, np.uint8)) for _ in range(600)]
    hashes += [hashes[3], hashes[599]]  # in other blocks
    plain = [
        (a, b) for a, b in itertools.combinations(range(602), 2) if bits_apart(hashes[a], hashes[b]) <= 90
    ]
    assert near_pairs(hashes, 90) == plain
    assert {(3, 600), (599, 601)} <= set(plain)


def test_no_hash_has_no_pair():
    assert near_pairs([]) == []


def test_the_search_ends_where_thousands_of_pictures_are_blank():
    tracemalloc.start()
    pairs = near_pairs([bytes(N_BYTES)] * 20_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs == [(0, other) for other in range(1, MOST_PAIRS + 1)]
    assert peak < 200e6  # the pairs alone were 5 million, and 670 MB


def test_import_keeps_the_hash_of_each_picture(project):
    pixels = synth.draw(1)[0]
    import_images(project, {"1.png": lambda: synth.encode(pixels)})
    assert project.images.perceptual_hashes() == {1: perceptual_hash(pixels)}
    assert project.images.without_hash() == []


def test_missing_hashes_are_made_bit_by_bit(project):
    for seed in (1, 2, 3):
        add_image(project, seed)
    assert hash_missing(project, 0) == 3
    assert hash_missing(project, 60) == 0
    assert list(project.images.perceptual_hashes()) == [1, 2, 3]


def test_a_picture_that_cannot_be_read_is_not_tried_again(project):
    project.images.add(b"no picture", name="a.png", width=1, height=1, group="g", split="work")
    assert hash_missing(project, 60) == 0
    assert project.images.perceptual_hashes() == {}
    assert project.images.without_hash() == []
