"""Pictures of every kind that a microscope saves, and files that only look like pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from rbcal import synth
from rbcal.errors import ImageError
from rbcal.formats import pictures

PIXELS, _ = synth.draw(1, width=60, height=40, n_cells=3)


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_lossless_rgb_comes_back_exactly(kind):
    assert np.array_equal(pictures.decode(encode(Image.fromarray(PIXELS), kind)), PIXELS)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "LA"])
def test_every_8_bit_mode_becomes_rgb(mode):
    content = encode(Image.fromarray(PIXELS).convert(mode), "PNG" if mode != "CMYK" else "TIFF")
    decoded = pictures.decode(content)
    assert decoded.shape == (40, 60, 3)
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_windowed_not_clipped_to_black(kind):
    deep = (1000 + PIXELS[:, :, 0].astype(np.uint16)) * 2  # a 12-bit camera in a 16-bit file
    decoded = pictures.decode(encode(Image.fromarray(deep), kind))
    assert decoded.min() == 0
    assert decoded.max() == 255
    order = np.argsort(deep, axis=None)
    assert (np.diff(decoded[:, :, 0].ravel()[order].astype(int)) >= 0).all()


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_16_bit_colour_keeps_its_depth(planes):
    deep = PIXELS.astype(np.uint16) * 16  # a 12-bit camera: the high byte alone would be nearly black
    file = io.BytesIO()
    samples = np.moveaxis(deep, -1, 0) if planes == "separate" else deep
    tifffile.imwrite(file, samples, photometric="rgb", planarconfig=planes)
    decoded = pictures.decode(file.getvalue())
    assert decoded.shape == PIXELS.shape
    assert (decoded.min(), decoded.max()) == (0, 255)
    assert np.corrcoef(decoded.ravel(), PIXELS.ravel())[0, 1] > 0.99


def test_a_flat_16_bit_picture_is_not_an_error():
    assert pictures.decode(encode(Image.fromarray(np.full((4, 5), 700, np.uint16)), "TIFF")).shape == (
        4,
        5,
        3,
    )


def test_a_rotated_photograph_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    content = encode(Image.fromarray(PIXELS), "JPEG", exif=exif)
    assert pictures.decode(content).shape == (60, 40, 3)
    assert Image.open(io.BytesIO(pictures.display(content))).size == (40, 60)


def test_transparency_lies_on_white():
    clear = Image.new("RGBA", (3, 2), (0, 0, 0, 0))
    assert (pictures.decode(encode(clear, "PNG")) == 255).all()


def test_what_a_browser_shows_is_left_as_it_is():
    content = encode(Image.fromarray(PIXELS), "JPEG")
    assert pictures.display(content) is content


def test_what_a_browser_does_not_show_or_is_heavy_becomes_a_jpeg_that_looks_the_same(monkeypatch):
    pixels, _ = synth.draw(1)
    for kind in ("TIFF", "PNG"):
        monkeypatch.setattr(pictures, "_HEAVY", 1000)
        shown = Image.open(io.BytesIO(pictures.display(encode(Image.fromarray(pixels), kind))))
        assert shown.format == "JPEG"
        assert np.abs(np.asarray(shown, int) - pixels).mean() < 3


def test_a_thumbnail_keeps_the_shape_of_the_picture():
    small = Image.open(
        io.BytesIO(pictures.thumbnail(encode(Image.fromarray(np.zeros((90, 200, 3), np.uint8)), "PNG")))
    )
    assert small.size == (160, 72)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"not a picture", encode(Image.fromarray(PIXELS), "GIF")]
)
def test_other_files_are_refused(content):
    with pytest.raises(ImageError, match="not a picture that rbcal reads"):
        pictures.decode(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_truncated_picture_is_refused(kind):
    content = encode(Image.fromarray(PIXELS), kind)
    with pytest.raises(ImageError, match=r"damaged|not a picture"):
        pictures.decode(content[: len(content) // 2])


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 60 * 40 - 1)
    with pytest.raises(ImageError, match="60 x 40 pixels"):
        pictures.decode(encode(Image.fromarray(PIXELS), "PNG"))


def test_flipped_bytes_give_pixels_or_a_sentence():
    rng = np.random.default_rng(0)
    deep = io.BytesIO()
    tifffile.imwrite(deep, PIXELS.astype(np.uint16) * 16, photometric="rgb")
    originals = [encode(Image.fromarray(PIXELS), kind) for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP")]
    refused = 0
    for turn in range(300):
        content = bytearray([*originals, deep.getvalue()][turn % 6])
        for position in rng.integers(min(len(content), 400), size=3):
            content[position] = rng.integers(256)
        try:
            assert pictures.decode(bytes(content)).dtype == np.uint8
        except ImageError:
            refused += 1
    assert 0 < refused < 300
