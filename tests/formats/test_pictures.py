"""Pictures of every kind that a microscope saves, and files that only look like pictures."""

from __future__ import annotations

import contextlib
import io

import imagecodecs
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


# stacks


def stack(samples: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


PAGES = np.stack([np.full((40, 60), value, np.uint8) for value in (10, 200, 30)])
PAGES[0, 5, 7] = 250


@pytest.mark.parametrize(("layer", "value"), [("", 10), ("page=1", 10), ("page=2", 200), ("page=3", 30)])
def test_a_page_of_a_stack_can_be_chosen(layer, value):
    content = stack(PAGES, photometric="minisblack")
    assert pictures.layers(content) == pictures.Extent(3, 1, 40, 60)
    assert pictures.decode(content, layer)[0, 0].tolist() == [value] * 3


def test_the_maximum_over_the_pages_can_be_chosen():
    projected = pictures.decode(stack(PAGES, photometric="minisblack"), "max")
    assert projected[0, 0, 0] == 200
    assert projected[5, 7, 0] == 250


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "ZCYX"}},
        {"ome": True, "metadata": {"axes": "ZCYX"}, "photometric": "minisblack"},
    ],
)
def test_a_channel_of_a_hyperstack_can_be_chosen(options):
    planes = np.arange(12, dtype=np.uint16).reshape(3, 4, 1, 1) * 100 + np.arange(60, dtype=np.uint16)
    content = stack(np.ascontiguousarray(np.broadcast_to(planes, (3, 4, 40, 60))), **options)
    extent = pictures.layers(content)
    assert (extent.pages, extent.channels) == (3, 4)
    with pictures.stacks.Stack(content) as opened:
        assert opened.read(pictures.Layer.parse("page=2,channel=3"))[0, 0] == 600
        assert opened.read(pictures.Layer.parse("max,channel=4"))[0, 1] == 1101
        assert opened.read(pictures.Layer())[0, 0] == 0
    assert pictures.decode(content, "max,channel=2").shape == (40, 60, 3)


def test_a_channel_of_a_colour_picture_is_grey():
    for content in (encode(Image.fromarray(PIXELS), "PNG"), stack(PIXELS, photometric="rgb")):
        assert np.array_equal(pictures.decode(content, "channel=2"), np.repeat(PIXELS[..., 1:2], 3, axis=2))


@pytest.mark.parametrize(
    ("layer", "words"),
    [("page=4", "3 pages, so there is no page 4"), ("channel=2", "no channel 2"), ("x", "A layer is")],
)
def test_a_layer_that_is_not_there_is_said_so(layer, words):
    with pytest.raises(ImageError, match=words):
        pictures.decode(stack(PAGES, photometric="minisblack"), layer)


def test_five_channels_that_pillow_does_not_know_show_the_first():
    content = stack(
        np.stack([PAGES[k % 3] for k in range(5)]), photometric="minisblack", planarconfig="separate"
    )
    assert pictures.decode(content)[0, 0].tolist() == [10] * 3


# depth


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_png_keeps_its_depth(channels):
    deep = np.dstack([PIXELS.astype(np.uint16) * 16, np.full((40, 60), 65535, np.uint16)])[..., :channels]
    content = imagecodecs.png_encode(np.ascontiguousarray(deep))
    decoded = pictures.decode(content)
    assert (decoded.min(), decoded.max()) == (0, 255)
    assert np.corrcoef(decoded.ravel(), PIXELS.ravel())[0, 1] > 0.99
    assert pictures.display(content) != content


def test_what_is_no_number_is_black():
    values = np.linspace(-5, 5, 2400, dtype=np.float32).reshape(40, 60)
    values[3, 4], values[0, 0] = np.nan, np.inf
    decoded = pictures.decode(stack(values))
    assert decoded[3, 4].tolist() == [0, 0, 0]
    assert decoded[-1, -1, 0] == 255
    assert decoded[20, 0, 0] in range(120, 136)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned_upright_as_shallow_ones_are(orientation):
    shallow = encode(Image.fromarray(PIXELS), "TIFF", tiffinfo={274: orientation})
    deep = stack(
        PIXELS.astype(np.uint16) * 257, photometric="rgb", extratags=[(274, 3, 1, orientation, True)]
    )
    expected = pictures.decode(shallow)
    assert pictures.decode(deep).shape == expected.shape
    assert np.abs(pictures.decode(deep).astype(int) - expected).mean() < 40
    assert np.corrcoef(pictures.decode(deep).ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "jpeg"])
def test_compressed_stacks_are_read(compression):
    pages = np.stack([PIXELS] * 2)
    content = stack(pages, photometric="rgb", compression=compression)
    assert np.abs(pictures.decode(content, "page=2").astype(int) - PIXELS).mean() < 12


# hostile


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000)])
def test_a_picture_that_is_all_length_has_a_thumbnail(size):
    content = encode(Image.new("RGB", size), "PNG")
    assert pictures.decode(content).shape[:2] == size[::-1]
    with Image.open(io.BytesIO(pictures.thumbnail(content))) as small:
        assert min(small.size) >= 1


@pytest.mark.parametrize(
    "content",
    [stack(PAGES, photometric="minisblack"), stack(PAGES.astype(np.uint16), photometric="minisblack")],
)
def test_damaged_stacks_give_pixels_or_a_sentence(content):
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, 400, 3):
            damaged[place] ^= 1 << int(rng.integers(8))
        for layer in ("", "page=2", "max"):
            with contextlib.suppress(ImageError):
                assert pictures.decode(bytes(damaged), layer).dtype == np.uint8


def test_a_thumbnail_of_a_jpeg_is_upright():
    exif = Image.Exif()
    exif[274] = 6
    content = encode(Image.new("RGB", (600, 300)), "JPEG", exif=exif)
    with Image.open(io.BytesIO(pictures.thumbnail(content))) as small:
        assert small.size == (80, 160)
