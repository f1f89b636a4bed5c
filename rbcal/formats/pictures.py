"""Pictures: a file's bytes in; its size, its pixels, or a copy that a browser can show, out."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from rbcal.errors import ImageError
from rbcal.formats import stacks
from rbcal.formats.stacks import Extent, Layer

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")  # an allow-list: each decoder is a door
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
MAX_PIXELS = 200_000_000  # 0.6 GB as RGB; a bomb claims more
_HEAVY = 2_000_000  # bytes; it goes to the browser whenever its boxes are drawn anew
_SAMPLED = 4_000_000  # samples that the percentiles are taken of
_ORIENTATION = 0x0112  # the tag of EXIF
_JPEG = b"\xff\xd8"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_WINDOW = (0.1, 99.9)  # percentiles of a 16-bit picture that become black and white
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
    between two percentiles of the picture. A file with several pictures gives the one that `layer` names, in
    the words of :class:`~rbcal.formats.stacks.Layer`; by default the first.

    Raises
    ------
    ImageError
        When the file is damaged, too large, in a format that rbcal does not read, or has no such layer.
    """
    wanted = Layer.parse(layer)
    if wanted != Layer() or _is_stack_alone(content):
        return _decode_layer(content, wanted)
    with _opened(content) as picture:
        deep = _deep_colour(picture, content)
        if deep is not None:
            return deep
        turned = ImageOps.exif_transpose(picture)
        if turned.mode == "LAB":
            raise ImageError("its colours are in the space Lab; save it as RGB")
        if turned.mode not in _EIGHT_BIT:
            return _window(np.asarray(turned))
        if "A" in turned.getbands() or "transparency" in turned.info:
            layered = turned.convert("RGBA")
            turned = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
        return np.array(turned.convert("RGB"))


def layers(content: bytes) -> Extent:
    """Return how many pages and channels a picture file has, of which :func:`decode` shows one.

    Raises
    ------
    ImageError
        As :func:`decode`.
    """
    if content[:4] in _TIFF:
        with _words_for_damage():
            return stacks.extent(content)
    with _opened(content) as picture:
        width, height = picture.size
        if picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        return Extent(1, 1 if picture.mode in ("1", "L", "I", "I;16", "F") else 3, height, width)


def suffix(content: bytes) -> str:
    r"""Return the usual ending of a picture's file name, as its first bytes say; empty where they do not.

    >>> suffix(b"\xff\xd8\xff\xe0"), suffix(b"what?")
    ('.jpg', '')
    """
    kinds = {
        _JPEG: ".jpg",
        b"\x89PNG": ".png",
        b"BM": ".bmp",
        b"RIFF": ".webp",
        **dict.fromkeys(_TIFF, ".tif"),
    }
    return next((ending for begins, ending in kinds.items() if content.startswith(begins)), "")


def size(content: bytes) -> tuple[int, int]:
    """Return the width and height of the picture of :func:`decode`, without a look at its pixels.

    Raises
    ------
    ImageError
        As :func:`decode`.
    """
    extent = layers(content)
    return extent.width, extent.height


def display(content: bytes, layer: str = "") -> bytes:
    """Return a file that every browser shows quickly: the picture of :func:`decode`.

    An upright 8-bit JPEG or PNG is returned as it is, unless it is so large that its way to the browser
    would be felt; then, and for every other kind, it is a JPEG of high quality with all of its colour. It is
    only looked at: nothing is trained on it or stored from it.
    """
    if not layer and content[:4] not in _TIFF:
        with _opened(content) as picture:
            upright = picture.getexif().get(_ORIENTATION, 1) == 1
            shown = picture.format in ("JPEG", "PNG") and picture.mode in ("L", "RGB")
            if upright and shown and len(content) <= _HEAVY and not _is_deep_png(content):
                return content
    return _jpeg(Image.fromarray(decode(content, layer)), quality=95, subsampling=0)


def thumbnail(content: bytes, side: int = 160, layer: str = "") -> bytes:
    """Return a small copy of a picture, a JPEG of at most `side` pixels a side."""
    if content.startswith(_JPEG) and not layer:
        with _opened(content) as picture:
            picture.thumbnail((side, side))  # of a JPEG it decodes only as much as that takes
            return _jpeg(ImageOps.exif_transpose(picture).convert("RGB"), quality=80)
    small = Image.fromarray(decode(content, layer))
    small.thumbnail((side, side))
    return _jpeg(small, quality=80)


def _jpeg(picture: Image.Image, **settings: int) -> bytes:
    copy = io.BytesIO()
    picture.save(copy, "JPEG", **settings)
    return copy.getvalue()


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open a picture, and say in one sentence what is wrong when it, or what is done with it, fails."""
    with _words_for_damage(), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        _check_size(picture.width, picture.height)
        yield picture


@contextmanager
def _words_for_damage() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata is not damaged pixels
            yield
    except Image.DecompressionBombError as err:
        raise ImageError(f"it is too large; at most {MAX_PIXELS:,} pixels are read") from err
    except UnidentifiedImageError as err:
        raise ImageError(f"it is not a picture that rbcal reads ({', '.join(FORMATS)})") from err
    except _DAMAGE as err:
        raise ImageError(f"it is damaged ({err})") from err


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"it has {width} x {height} pixels; at most {MAX_PIXELS:,} are read")


# ---- layers ------------------------------------------------------------------------------------------


def _is_stack_alone(content: bytes) -> bool:
    """Return whether only the reader of stacks knows a TIFF: Pillow reads neither 5 channels nor doubles."""
    if content[:4] not in _TIFF:
        return False
    try:
        with _words_for_damage(), Image.open(io.BytesIO(content), formats=("TIFF",)):
            return False
    except ImageError as err:
        return isinstance(err.__cause__, UnidentifiedImageError)


def _decode_layer(content: bytes, layer: Layer) -> Pixels:
    if content[:4] not in _TIFF:
        pixels = decode(content)
        _check_layer(layer, Extent(1, 3, *pixels.shape[:2]))
        return pixels if layer.channel is None else np.repeat(pixels[..., layer.channel - 1, None], 3, axis=2)
    with _words_for_damage(), stacks.Stack(content) as stack:
        _check_size(stack.extent.width, stack.extent.height)
        _check_layer(layer, stack.extent)
        return _shallow(stack.read(layer))


def _check_layer(layer: Layer, there: Extent) -> None:
    for name, asked, n in (("page", layer.page, there.pages), ("channel", layer.channel, there.channels)):
        if asked is not None and not 1 <= asked <= n:
            raise ImageError(f"it has {n} {name}{'s' * (n != 1)}, so there is no {name} {asked}")


# ---- more than 8 bits --------------------------------------------------------------------------------


def _is_deep_png(content: bytes) -> bool:
    """Return whether a PNG has 16-bit samples of which Pillow keeps the high byte: all but plain grey."""
    return content.startswith(b"\x89PNG") and content[24:25] == b"\x10" and content[25:26] in b"\x02\x04\x06"


def _deep_colour(picture: Image.Image, content: bytes) -> Pixels | None:
    """Return the pixels of a deep file in colour or with transparency; None for any other."""
    if _is_deep_png(content):
        orientation = int(picture.getexif().get(_ORIENTATION, 1))
        samples = stacks.upright(imagecodecs.png_decode(content), orientation)
        if samples.shape[-1] in (3, 1):
            return _window(samples)
        opacity = samples[..., -1:].astype(np.float32) / (2**16 - 1)
        colour = _window(samples[..., :-1] if samples.shape[-1] == 4 else samples[..., 0])
        return (colour * opacity + 255 * (1 - opacity)).round().astype(np.uint8)
    if picture.format == "TIFF" and picture.mode in ("RGB", "RGBA", "RGBX") and _bits(picture) > 8:
        with stacks.Stack(content) as stack:
            return _shallow(stack.read(Layer()))
    return None


def _bits(picture: Image.Image) -> int:
    """Return the bits of one sample of a TIFF."""
    return int(max(getattr(picture, "tag_v2", {}).get(258, (8,))))


def _shallow(samples: stacks.Samples) -> Pixels:
    """Return samples (H, W) or (H, W, 3) as (H, W, 3) uint8."""
    if samples.dtype not in (np.uint8, bool):
        return _window(samples)
    shallow = samples.astype(np.uint8) * np.uint8(255 if samples.dtype == bool else 1)
    return shallow if shallow.ndim == 3 else np.repeat(shallow[:, :, None], 3, axis=2)


def _window(values: stacks.Samples) -> Pixels:
    """Map a deep picture, (H, W) or (H, W, 3), to 8 bits, black and white at two of its percentiles.

    What is no number is black. The percentiles are those of some million samples, evenly spread.
    """
    step = max(1, values.size // _SAMPLED)
    some = values.reshape(-1)[::step].astype(np.float64)
    some = some[np.isfinite(some)]
    low, high = np.percentile(some, _WINDOW) if some.size else (0.0, 1.0)
    if not high > low:
        low, high = some.min(initial=0), max(some.max(initial=1), some.min(initial=0) + 1)
    shallow = np.empty(values.shape, np.uint8)
    for row, line in enumerate(values):  # line by line: a large picture is never there a second time
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.clip((line.astype(np.float64) - low) * (255 / (high - low)), 0, 255)
        shallow[row] = np.nan_to_num(scaled).round()
    return shallow if shallow.ndim == 3 else np.repeat(shallow[:, :, None], 3, axis=2)
