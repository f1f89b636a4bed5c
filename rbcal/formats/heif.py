"""HEIC and HEIF, the photographs of phones: their pixels, upright, and not where they were taken.

They take the package pillow-heif, of the extra ``rbcal[pictures]``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from rbcal.formats.stacks import Extent, Samples

if TYPE_CHECKING:
    from pillow_heif import HeifFile

NAME, PACKAGE, SUFFIXES = "HEIC", "pillow_heif", (".heic", ".heif")
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def is_one(content: bytes) -> bool:
    """Return whether a file is HEIC or HEIF, as its first bytes say."""
    return content[4:8] == b"ftyp" and content[8:12] in _BRANDS


def extent(content: bytes) -> Extent:
    """Return the size of the main picture of a file, upright, and its channels."""
    opened = _opened(content)
    width, height = opened.size
    return Extent(1, 1 if opened.mode.startswith("L") else 3, height, width)


def pages(content: bytes) -> Iterator[Samples]:
    """Yield the main picture of a file, (H, W) grey or (H, W, 3) colour, in 8 bits, transparency on white.

    The decoder turns it upright: how it lies is a part of the picture, whatever EXIF says of it.
    """
    picture = _opened(content).to_pillow()
    is_grey = picture.mode.startswith("L")
    if picture.mode[-1] in "Aa":
        clear = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    yield np.asarray(picture.convert("L" if is_grey else "RGB"))


def _opened(content: bytes) -> HeifFile:
    from pillow_heif import open_heif

    return open_heif(io.BytesIO(content))
