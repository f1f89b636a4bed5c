"""Pictures: a file's bytes in; its size, its pixels, or a copy that a browser can show, out."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from rbcal.errors import ImageError

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")  # an allow-list: each decoder is a door
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
MAX_PIXELS = 200_000_000  # 0.6 GB as RGB; a bomb claims more
_HEAVY = 2_000_000  # bytes; it goes to the browser whenever its boxes are drawn anew
_WINDOW = (0.1, 99.9)  # percentiles of a 16-bit picture that become black and white
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")

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
)

Pixels = NDArray[np.uint8]


def decode(content: bytes) -> Pixels:
    """Return the pixels of a picture file as (H, W, 3) uint8, turned upright.

    Grey becomes three equal channels, transparency lies on white, and 16-bit values are windowed between
    two percentiles of the picture. Of a file with several pages it is the first.

    Raises
    ------
    ImageError
        When the file is damaged, too large, or in a format that rbcal does not read.
    """
    with _opened(content) as picture:
        if picture.format == "TIFF" and picture.mode == "RGB" and _bits(picture) > 8:
            return _window(_deep_colour(content))
        upright = ImageOps.exif_transpose(picture)
        if upright.mode not in _EIGHT_BIT:
            return _window(np.asarray(upright))
        if "A" in upright.getbands() or "transparency" in upright.info:
            layer = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return np.array(upright.convert("RGB"))


def display(content: bytes) -> bytes:
    """Return a file that every browser shows quickly: the picture of :func:`decode`.

    An upright 8-bit JPEG or PNG is returned as it is, unless it is so large that its way to the browser
    would be felt; then, and for every other kind, it is a JPEG of high quality with all of its colour. It is
    only looked at: nothing is trained on it or stored from it.
    """
    with _opened(content) as picture:
        upright = picture.getexif().get(0x0112, 1) == 1
        shown = picture.format in ("JPEG", "PNG") and picture.mode in ("L", "RGB")
        if upright and shown and len(content) <= _HEAVY:
            return content
    return _jpeg(Image.fromarray(decode(content)), quality=95, subsampling=0)


def thumbnail(content: bytes, side: int = 160) -> bytes:
    """Return a small copy of a picture, a JPEG of at most `side` pixels a side."""
    small = Image.fromarray(decode(content))
    small.thumbnail((side, side))
    return _jpeg(small, quality=80)


def _jpeg(picture: Image.Image, **settings: int) -> bytes:
    copy = io.BytesIO()
    picture.save(copy, "JPEG", **settings)
    return copy.getvalue()


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open a picture, and say in one sentence what is wrong when it, or what is done with it, fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata is not damaged pixels
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise ImageError(
                        f"it has {picture.width} x {picture.height} pixels; at most {MAX_PIXELS:,} are read"
                    )
                yield picture
    except Image.DecompressionBombError as err:
        raise ImageError(f"it is too large; at most {MAX_PIXELS:,} pixels are read") from err
    except UnidentifiedImageError as err:
        raise ImageError(f"it is not a picture that rbcal reads ({', '.join(FORMATS)})") from err
    except _DAMAGE as err:
        raise ImageError(f"it is damaged ({err})") from err


def _bits(picture: Image.Image) -> int:
    """Return the bits of one sample of a TIFF."""
    return int(max(getattr(picture, "tag_v2", {}).get(258, (8,))))


def _deep_colour(content: bytes) -> NDArray[np.generic]:
    """Return the samples (H, W, 3) of a deep TIFF, of which Pillow keeps the high byte only."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        samples = np.asarray(file.pages[0].asarray())
    planes_first = samples.shape[0] in (3, 4) and samples.shape[-1] not in (3, 4)
    return (np.moveaxis(samples, 0, -1) if planes_first else samples)[..., :3]


def _window(values: NDArray[np.generic]) -> Pixels:
    """Map a deep picture, (H, W) or (H, W, 3), to 8 bits, black and white at two of its percentiles."""
    deep = values.astype(np.float64)
    low, high = np.percentile(deep, _WINDOW)
    if not high > low:
        low, high = deep.min(), max(deep.max(), deep.min() + 1)
    shallow = (np.clip((deep - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    return shallow if shallow.ndim == 3 else np.repeat(shallow[:, :, None], 3, axis=2)
