"""Perceptual hashes: made at import, and later for the images of an older project."""

from __future__ import annotations

from rbcal import synth
from rbcal.interchange.import_images import import_images
from rbcal.interchange.near_duplicates import hash_some
from rbcal.interchange.perceptual_hash import perceptual_hash
from tests.conftest import add_image


def test_import_keeps_the_hash_of_each_picture(project):
    pixels = synth.draw(1)[0]
    import_images(project, {"1.png": lambda: synth.encode(pixels)})
    assert project.images.perceptual_hashes() == {1: perceptual_hash(pixels)}
    assert project.images.without_hash() == []


def test_missing_hashes_are_made_bit_by_bit(project):
    for seed in (1, 2, 3):
        add_image(project, seed)
    assert hash_some(project, 0) == 3
    assert hash_some(project, 60) == 0
    assert list(project.images.perceptual_hashes()) == [1, 2, 3]


def test_a_picture_that_cannot_be_read_is_not_tried_again(project):
    project.images.add(b"no picture", name="a.png", width=1, height=1, group="g", split="work")
    assert hash_some(project, 60) == 0
    assert project.images.perceptual_hashes() == {}
    assert project.images.without_hash() == []
