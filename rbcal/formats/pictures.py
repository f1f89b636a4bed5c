"""Pictures: a file's bytes in; its size, its pixels, or a copy that a browser can show, out."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from rbcal.errors import ImageError
from rbcal.formats import foreign, stacks
from rbcal.formats.stacks import Extent, Layer

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")  # an allow-list: each decoder is a door
OWN_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")  # read with no extra
SUFFIXES = (*OWN_SUFFIXES, *foreign.SUFFIXES)
MAX_PIXELS = 200_000_000  # 0.6 GB as RGB; a bomb claims more
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own is lower, and would speak first
_HEAVY = 2_000_000  # bytes; it goes to the browser whenever its boxes are drawn anew
_SAMPLED = 4_000_000  # samples that the percentiles are taken of
_ORIENTATION = 0x0112  # the tag of EXIF
_BAND = 1_000_000  # pixels that are worked on at once
_JPEG_SIDE = 65_500  # pixels; a JPEG knows no longer side
_JPEG = b"\xff\xd8"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_WINDOW = (0.1, 99.9)  # percentiles of a 16-bit picture that become black and white
_GREY = ("1", "L", "LA", "La", "I", "I;16", "F")
_EIGHT_BIT = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")

# What the decoders raise on bytes that make no sense; found by flipping bits.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    struct.error,
    zlib.error,
    tifffile.TiffFileError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    RuntimeError,  # of the codecs
)

Pixels = NDArray[np.uint8]


def decode(content: bytes, layer: str = "") -> Pixels:
    """Return the pixels of a picture file as (H, W, 3) uint8, turned upright.

    Grey becomes three equal channels, transparency lies on white, and what is deeper than 8 bits is windowed
    between two percentiles of the picture. A TIFF with several pictures gives the one that `layer` names, in
    the words of :class:`~rbcal.formats.stacks.Layer`; by default its first page, in colour if it is one and
    else its first channel. The frames of a DICOM file are pages, too. Of an animation or a burst (PNG, WebP,
    MPO, HEIC) it is always the first or main picture.

    Raises
    ------
    ImageError
        When the file is damaged, too large, in a format that rbcal does not read, or only with an extra, or
        has no such layer.
    """
    wanted = Layer.parse(layer)
    content = plain(content)
    if content[:4] in _TIFF:
        return _decode_tiff(content, wanted)
    with _opened(content) as picture:
        _check_layer(wanted, _extent(picture))
        if _is_deep_png(content):  # of which Pillow keeps the high byte, unless it is plain grey
            samples = imagecodecs.png_decode(content)
            samples = samples if samples.ndim == 3 else samples[:, :, None]
            pixels = _shallow(stacks.upright(samples, int(picture.getexif().get(_ORIENTATION, 1))))
        else:
            pixels = _pixels(picture)
    return pixels if wanted.channel is None else np.repeat(pixels[:, :, wanted.channel - 1, None], 3, axis=2)


def plain(content: bytes) -> bytes:
    """Return a picture as a project keeps it: the file as it is, or a TIFF in place of a DICOM or HEIC file.

    That TIFF has the same pixels, and nothing else of the file: no name of a patient, no place. It is read
    without the extra that the file needs.

    Raises
    ------
    ImageError
        As :func:`decode`, for a DICOM or HEIC file.
    """
    with _words_for_damage():
        format_ = foreign.format_of(content)
        if format_ is None:
            return content
        there = format_.extent(content)
        _check_size(there.width, there.height)
        return foreign.to_tiff(format_.pages(content))


def layers(content: bytes) -> Extent:
    """Return how many pages and channels a picture file has, of which :func:`decode` shows one.

    Raises
    ------
    ImageError
        As :func:`decode`.
    """
    with _words_for_damage():
        if (format_ := foreign.format_of(content)) is not None:
            return format_.extent(content)
        if content[:4] in _TIFF:
            return stacks.extent(content)
    with _opened(content) as picture:
        return _extent(picture)


def size(content: bytes) -> tuple[int, int]:
    """Return the width and height of the picture of :func:`decode`, without a look at its pixels.

    Raises
    ------
    ImageError
        As :func:`decode`.
    """
    extent = layers(content)
    return extent.width, extent.height


def suffix(content: bytes) -> str:
    r"""Return the usual ending of a picture's file name, as its first bytes say; empty where they do not.

    >>> suffix(b"\xff\xd8\xff\xe0"), suffix(b"what?")
    ('.jpg', '')
    """
    kinds = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}
    kinds |= dict.fromkeys(_TIFF, ".tif")
    return next((ending for begins, ending in kinds.items() if content.startswith(begins)), "")


def display(content: bytes, layer: str = "") -> bytes:
    """Return a file that every browser shows quickly: the picture of :func:`decode`.

    An upright 8-bit JPEG or PNG that does not move is returned as it is, unless it is so large that its way
    to the browser would be felt; then, and for every other kind, it is a JPEG of high quality with all of its
    colour, or a PNG where a side is longer than a JPEG's can be. It is only looked at: nothing is trained on
    it or stored from it.
    """
    content = plain(content)
    if not layer and content[:4] not in _TIFF and len(content) <= _HEAVY:
        with _opened(content) as picture:
            upright = picture.getexif().get(_ORIENTATION, 1) == 1
            shown = picture.format in ("JPEG", "PNG") and picture.mode in ("L", "RGB")
            still = not getattr(picture, "is_animated", False) and "transparency" not in picture.info
            if upright and shown and still and not _is_deep_png(content):
                return content
    picture = Image.fromarray(decode(content, layer))
    if max(picture.size) > _JPEG_SIDE:
        return _encoded(picture, "PNG", compress_level=1)
    return _encoded(picture, "JPEG", quality=95, subsampling=0)


def thumbnail(content: bytes, side: int = 160, layer: str = "") -> bytes:
    """Return a small copy of a picture, a JPEG of at most `side` pixels a side."""
    if content.startswith(_JPEG) and not layer:
        with _opened(content) as picture:
            picture.thumbnail((side, side))  # of a JPEG it decodes only as much as that takes
            return _encoded(ImageOps.exif_transpose(picture).convert("RGB"), "JPEG", quality=80)
    return small_copy(decode(content, layer), side)


def small_copy(pixels: Pixels, side: int = 160) -> bytes:
    """Return a small copy of a picture that is decoded, a JPEG of at most `side` pixels a side."""
    step = max(1, max(pixels.shape) // (8 * side))  # the filter needs no more to average over
    small = Image.fromarray(pixels[::step, ::step])
    small.thumbnail((side, side))
    return _encoded(small, "JPEG", quality=80)


def _encoded(picture: Image.Image, kind: str, **settings: int) -> bytes:
    copy = io.BytesIO()
    picture.save(copy, kind, **settings)
    return copy.getvalue()


@contextmanager
def _opened(content: bytes, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """Open a picture, and say in one sentence what is wrong when it, or what is done with it, fails."""
    with _words_for_damage(content), Image.open(io.BytesIO(content), formats=formats) as picture:
        _check_size(picture.width, picture.height)
        yield picture


@contextmanager
def _words_for_damage(content: bytes = b"") -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata is not damaged pixels
            yield
    except Image.DecompressionBombError as err:
        raise ImageError(f"it is too large; at most {MAX_PIXELS:,} pixels are read") from err
    except UnidentifiedImageError as err:
        if content.startswith(_JPEG):
            raise ImageError(
                "it is damaged, or a JPEG of more than 8 bits or without loss, which rbcal does not read; "
                "save it as PNG or TIFF"
            ) from err
        names = (*FORMATS, *(each.NAME for each in foreign.FORMATS))
        raise ImageError(f"it is not a picture that rbcal reads ({', '.join(names)})") from err
    except MemoryError as err:
        raise ImageError("it needs more memory than there is; save it smaller or in parts") from err
    except _DAMAGE as err:
        raise ImageError(f"it is damaged ({err})") from err


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"it has {width} x {height} pixels; there is nothing to see")
    if width * height > MAX_PIXELS:
        raise ImageError(f"it has {width} x {height} pixels; at most {MAX_PIXELS:,} are read")


def _check_layer(layer: Layer, there: Extent) -> None:
    for name, asked, n in (("page", layer.page, there.pages), ("channel", layer.channel, there.channels)):
        if asked is not None and not 1 <= asked <= n:
            raise ImageError(f"it has {n} {name}{'s' * (n != 1)}, so there is no {name} {asked}")


def _extent(picture: Image.Image) -> Extent:
    height, width = picture.height, picture.width
    if picture.getexif().get(_ORIENTATION, 1) in stacks.LYING:
        height, width = width, height
    return Extent(1, 1 if picture.mode in _GREY else 3, height, width)


def _decode_tiff(content: bytes, layer: Layer) -> Pixels:
    with _words_for_damage():
        try:
            with stacks.Stack(content) as stack:
                _check_size(stack.extent.width, stack.extent.height)
                _check_layer(layer, stack.extent)
                return _shallow(stack.read(layer))
        except stacks.CodecError as err:
            if layer != Layer():
                raise
            try:
                with _opened(content, ("TIFF",)) as picture:
                    return _pixels(picture)
            except ImageError:
                raise err from None


# ---- to 8 bits ---------------------------------------------------------------------------------------


def _pixels(picture: Image.Image) -> Pixels:
    """Return what Pillow decodes as (H, W, 3) uint8, upright, transparency on white."""
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode not in _EIGHT_BIT:
        return _shallow(np.asarray(picture)[:, :, None])
    clear = "A" in picture.getbands() or "transparency" in picture.info
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top, bottom in _bands(pixels):
        band = picture.crop((0, top, picture.width, bottom))
        if clear:
            band = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
        pixels[top:bottom] = np.asarray(band.convert("RGB"))
    return pixels


def _bands(pixels: Pixels) -> Iterator[tuple[int, int]]:
    """Yield rows from and to, so few that a large picture is never there a second time."""
    height, width = pixels.shape[:2]
    step = max(1, _BAND // width)
    yield from ((top, min(top + step, height)) for top in range(0, height, step))


def _is_deep_png(content: bytes) -> bool:
    """Return whether a PNG has 16-bit samples."""
    return content.startswith(b"\x89PNG") and content[24:25] == b"\x10"


def _shallow(samples: stacks.Samples) -> Pixels:
    """Return samples (H, W, 1..4) as (H, W, 3) uint8; of 2 and 4 the last is opacity, on white."""
    clear = samples.shape[2] in (2, 4)
    colour, opacity = (samples[..., :-1], samples[..., -1:]) if clear else (samples, None)
    full = np.iinfo(samples.dtype).max if samples.dtype.kind in "iu" else 1
    to_8_bits = _window(colour)
    pixels = np.empty((*samples.shape[:2], 3), np.uint8)
    for top, bottom in _bands(pixels):
        band = to_8_bits(colour[top:bottom])
        if opacity is not None:
            share = np.clip(opacity[top:bottom] / full, 0, 1)
            band = np.nan_to_num(band * share + 255 * (1 - share)).round().astype(np.uint8)
        pixels[top:bottom] = band
    return pixels


def _window(values: stacks.Samples) -> Callable[[stacks.Samples], Pixels]:
    """Return what maps samples to 8 bits: black and white are two percentiles of `values`.

    What is no number is black. The percentiles are those of some million samples, evenly spread. 8 bits stay
    what they are, and a single bit is black or white.
    """
    if values.dtype == np.uint8:
        return lambda some: some
    if values.dtype == bool:
        return lambda some: some * np.uint8(255)
    step = math.ceil(math.sqrt(values.size / _SAMPLED)) or 1
    sample = values[::step, ::step]
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)].astype(np.float64)
    low, high = np.percentile(sample, _WINDOW) if sample.size else (0.0, 1.0)
    if not high > low:
        low, high = float(sample.min()), max(float(sample.max()), float(sample.min()) + 1)

    def scale(some: stacks.Samples) -> Pixels:
        scaled = np.clip((some.astype(np.float64) - low) * (255 / (high - low)), 0, 255)
        return np.nan_to_num(scaled).round().astype(np.uint8)

    if values.dtype.kind == "f" or values.dtype.itemsize > 2:
        return scale
    every = np.arange(2 ** (8 * values.dtype.itemsize)).astype(values.dtype)  # negative ones from the end
    table = scale(every)
    return lambda some: table[some]
