"""Pictures of every kind that a microscope saves, and files that only look like pictures."""

from __future__ import annotations

import contextlib
import io
import struct

import imagecodecs
import numpy as np
import PIL
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


def test_what_a_browser_does_not_show_or_is_heavy_becomes_a_jpeg_of_nearly_the_same_pixels(monkeypatch):
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


def test_what_is_no_number_on_one_page_is_not_missed_in_the_maximum():
    pages = np.stack([np.full((4, 5), np.nan), np.arange(20.0).reshape(4, 5)]).astype(np.float32)
    projected = pictures.decode(stack(pages, photometric="minisblack"), "max")
    assert (projected[0, 0, 0], projected[3, 4, 0]) == (0, 255)


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


# every kind of TIFF means the same on its first page and on any other


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_a_page_of_a_stack_has_the_pixels_of_the_same_picture_alone(mode):
    picture = Image.fromarray(PIXELS).convert(mode)
    alone = pictures.decode(encode(picture, "PNG" if mode != "CMYK" else "JPEG", quality=100))
    stacked = encode(picture, "TIFF", save_all=True, append_images=[picture])
    for layer in ("", "page=2", "max"):
        assert np.abs(pictures.decode(stacked, layer).astype(int) - alone).mean() < 2


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_where_zero_is_white_more_is_darker(kind):
    samples = PIXELS[..., 0].astype(kind)
    light, dark = (pictures.decode(stack(samples, photometric=way)) for way in ("minisblack", "miniswhite"))
    assert np.abs(255 - dark.astype(int) - light).max() <= 1


def test_signed_samples_keep_their_order():
    values = np.arange(-1200, 1200, dtype=np.int16).reshape(40, 60)
    decoded = pictures.decode(stack(values))[..., 0].ravel()
    assert (decoded[0], decoded[-1]) == (0, 255)
    assert (np.diff(decoded.astype(int)) >= 0).all()


@pytest.mark.parametrize("associated", [True, False])
def test_opacity_of_a_tiff_lies_on_white(associated):
    half = np.full((4, 5, 4), (100, 50, 0, 128), np.uint8)
    way = "assocalpha" if associated else "unassalpha"
    decoded = pictures.decode(stack(half, photometric="rgb", extrasamples=[way]))
    red = 100 if associated else 100 * 128 / 255
    assert decoded[0, 0] == pytest.approx([red + 127, red / 2 + 127, 127], abs=1)


def test_16_bit_opacity_lies_on_white():
    deep = np.dstack([PIXELS.astype(np.uint16) * 16, np.zeros((40, 60), np.uint16)])
    assert (pictures.decode(imagecodecs.png_encode(deep)) == 255).all()


def test_a_pyramid_is_one_page_of_full_size():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(PIXELS, subifds=1, tile=(16, 16), photometric="rgb")
        writer.write(PIXELS[::2, ::2], subfiletype=1, tile=(16, 16), photometric="rgb")
    assert pictures.layers(file.getvalue()) == pictures.Extent(1, 3, 40, 60)
    assert np.array_equal(pictures.decode(file.getvalue()), PIXELS)


def test_colours_without_a_screen_are_named():
    lab = encode(Image.new("LAB", (4, 4)), "TIFF")
    with pytest.raises(ImageError, match="the space CIELAB; save it as RGB"):
        pictures.decode(lab)


def retagged(content: bytes, code: int, value: int) -> bytes:
    """Change one tag of the first page of a little-endian TIFF."""
    changed = bytearray(content)
    (at,) = struct.unpack_from("<I", changed, 4)
    for k in range(struct.unpack_from("<H", changed, at)[0]):
        if struct.unpack_from("<H", changed, at + 2 + 12 * k)[0] == code:
            struct.pack_into("<HII", changed, at + 4 + 12 * k, 4, 1, value)
    return bytes(changed)


def test_a_compression_that_nobody_reads_is_named():
    with pytest.raises(ImageError, match="compressed as JBIG2; save it without compression"):
        pictures.decode(retagged(stack(PIXELS[..., 0]), 259, 34715))


@pytest.mark.skipif(PIL.__version__.startswith("12."), reason="Pillow 12.3 reads no YCbCr that is not packed")
def test_colour_that_only_pillow_reads_is_read():
    ycc = encode(Image.fromarray(PIXELS).convert("YCbCr"), "TIFF")
    assert np.abs(pictures.decode(ycc).astype(int) - PIXELS).mean() < 2


def test_a_12_bit_jpeg_is_refused_with_what_to_do():
    content = imagecodecs.jpeg8_encode(PIXELS.astype(np.uint16) * 16, bitspersample=12)
    with pytest.raises(ImageError, match=r"more than 8 bits .* save it as PNG or TIFF"):
        pictures.decode(content)


@pytest.mark.parametrize(
    "text", ["page=3channel=2", "maxchannel=2", "page=1,", "channel=2,page=1", "page=-1"]
)
def test_a_layer_has_one_spelling(text):
    with pytest.raises(ImageError, match="A layer is"):
        pictures.Layer.parse(text)


# display


def test_what_moves_or_is_clear_is_not_shown_as_it_is():
    still = Image.fromarray(PIXELS)
    moving = encode(still, "PNG", save_all=True, append_images=[still.rotate(180)])
    clear = encode(still, "PNG", transparency=(0, 0, 0))
    for content in (moving, clear):
        assert pictures.display(content).startswith(b"\xff\xd8")
    assert np.array_equal(pictures.decode(moving), PIXELS)


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000)])
def test_a_picture_too_long_for_a_jpeg_is_shown_as_a_png(size):
    with Image.open(io.BytesIO(pictures.display(encode(Image.new("RGB", size), "BMP")))) as shown:
        assert (shown.format, shown.size) == ("PNG", size)


def test_the_percentiles_of_a_large_picture_are_those_of_all_its_channels(monkeypatch):
    monkeypatch.setattr(pictures, "_SAMPLED", 1000)  # a step of 9, a multiple of the 3 channels
    deep = np.zeros((150, 180, 3), np.uint16)
    deep[..., 1], deep[..., 2] = 2000, 4000
    assert pictures.decode(stack(deep, photometric="rgb"))[0, 0].tolist() == [0, 128, 255]


# claims


def test_pages_that_go_round_in_a_circle_are_refused():
    content = bytearray(stack(PAGES, photometric="minisblack", metadata=None))
    (at,) = struct.unpack_from("<I", content, 4)
    (n,) = struct.unpack_from("<H", content, at)
    struct.pack_into("<I", content, at + 2 + 12 * n, at)
    with pytest.raises(ImageError, match="round in a circle"):
        pictures.layers(bytes(content))


@pytest.mark.parametrize("claim", ["3000000000", "&#51;000000000", "3_000_000_000", "-1", "many", "9" * 5000])
def test_an_ome_file_that_claims_too_many_pages_is_refused_or_read_as_it_is(claim):
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="60" SizeY="40" '
        f'SizeC="1" SizeZ="1" SizeT="{claim}"><TiffData/></Pixels></Image></OME>'
    )
    with contextlib.suppress(ImageError):
        content = stack(PAGES, photometric="minisblack", metadata=None, description=xml)
        assert pictures.layers(content).pages == 3


def test_more_pages_than_a_microscope_writes_are_refused(monkeypatch):
    monkeypatch.setattr(pictures.stacks, "MAX_PAGES", 2)
    with pytest.raises(ImageError, match="more than 2 pages"):
        pictures.layers(stack(PAGES, photometric="minisblack"))


def test_a_maximum_over_more_than_a_minute_is_refused(monkeypatch):
    monkeypatch.setattr(pictures.stacks, "_MOST_PROJECTED", 2 * 40 * 60)
    with pytest.raises(ImageError, match=r"3 pages have 7,200 pixels; .* Choose a page"):
        pictures.decode(stack(PAGES, photometric="minisblack"), "max")


@pytest.mark.parametrize(("tag", "words"), [(256, "claims"), (277, "claims"), (257, "claims")])
def test_a_tiff_that_claims_more_than_it_has_is_refused_before_memory_is_taken(tag, words):
    content = stack(PIXELS[..., 0], metadata=None, compression="zlib")
    with pytest.raises(ImageError, match=words):
        pictures.decode(retagged(content, tag, 2_000_000_000))


def test_no_warning_or_note_on_damage_escapes(capfd):
    content = stack(PAGES, photometric="minisblack")
    for tag in (259, 266, 279, 282, 317):
        with contextlib.suppress(ImageError):
            pictures.decode(retagged(content, tag, 77))
    assert capfd.readouterr().err == ""


HOSTS = {
    "JPEG": encode(Image.fromarray(PIXELS), "JPEG"),
    "CMYK": encode(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"),
    "PNG": encode(Image.fromarray(PIXELS).convert("P"), "PNG", transparency=3),
    "deep PNG": imagecodecs.png_encode(PIXELS.astype(np.uint16) * 16),
    "BMP": encode(Image.fromarray(PIXELS), "BMP"),
    "WEBP": encode(Image.fromarray(PIXELS), "WEBP"),
    "ImageJ": stack(PAGES.astype(np.float32), imagej=True, metadata={"axes": "ZYX"}),
    "OME": stack(PAGES.astype(np.int16), ome=True, metadata={"axes": "CYX"}, photometric="minisblack"),
    "tiles": stack(PIXELS, photometric="rgb", tile=(16, 16), compression="lzw", bigtiff=True),
    "palette": encode(Image.fromarray(PIXELS).convert("P"), "TIFF", compression="tiff_deflate"),
}


@pytest.mark.parametrize("kind", HOSTS)
def test_any_damage_gives_pixels_or_a_sentence(kind):
    rng, content = np.random.default_rng(0), HOSTS[kind]
    damaged = [content[:n] for n in np.linspace(0, len(content) - 1, 50).astype(int)]
    for k in range(100):
        flipped = bytearray(content)
        for place in rng.integers(0, min(len(content), (400, len(content))[k % 2]), 3):
            flipped[place] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for broken in damaged:
        for layer in ("", "max,channel=1"):
            with contextlib.suppress(ImageError):
                assert pictures.decode(broken, layer).dtype == np.uint8
        for act in (pictures.layers, pictures.display, pictures.thumbnail):
            with contextlib.suppress(ImageError):
                act(broken)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
def test_the_size_that_is_said_is_that_of_the_pixels(kind):
    exif = Image.Exif()
    exif[274] = 6
    content = encode(Image.fromarray(PIXELS), kind, exif=exif)
    assert pictures.size(content) == pictures.decode(content).shape[1::-1] == (40, 60)
