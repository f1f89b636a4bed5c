"""Files with more than one picture in them: the pages and channels of a TIFF, one of which is looked at."""

from __future__ import annotations

import html
import io
import logging
import math
import re
import struct
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from rbcal.errors import ImageError

Samples = NDArray[Any]
LYING = (5, 6, 7, 8)  # orientations in which width is height
MAX_PAGES = 20_000  # half an hour at 10 a second; a bomb claims millions
_MOST_BYTES = 2**31  # of the samples of one page
_LAYER = re.compile(r"(?:(?P<page>max|page=\d{1,6})(?:,(?=c)|$))?(?:channel=(?P<channel>\d{1,6}))?")
_MOST_PROJECTED = 10**10  # pixels of all pages; a minute
# What the samples of a TIFF mean: its tag PhotometricInterpretation.
_WHITE_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 2, 3, 5, 6
_UNSEEN = (8, 9, 10, 32844, 32845)  # CIELAB and its kin, LogLuv
_PLAIN = (1, 5, 8, 32773, 32946)  # none, LZW, deflate, PackBits: YCbCr stays what it is
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # damage is said in a sentence, not on stderr


@dataclass(frozen=True)
class Layer:
    """Which picture of a file is meant: a page or the maximum over all of them, and a channel or all.

    Pages and channels count from 1; None: the first page, and the channels as they are.

    >>> Layer.parse("page=3,channel=2")
    Layer(page=3, channel=2, projection=False)
    >>> str(Layer.parse("max")), str(Layer())
    ('max', '')
    """

    page: int | None = None
    channel: int | None = None
    projection: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the layer that is written as ``page=3``, ``channel=2``, ``max``, or ``max,channel=2``."""
        match = _LAYER.fullmatch(text.replace(" ", ""))
        if match is None:
            raise ImageError(
                f"A layer is page=3, channel=2, max, or two of them with a comma, but got {text[:40]!r}"
            )
        page, channel = match["page"], match["channel"]
        projection = page == "max"
        number = None if page is None or projection else int(page.removeprefix("page="))
        return cls(number, None if channel is None else int(channel), projection)

    def __str__(self) -> str:
        page = "max" if self.projection else f"page={self.page}" if self.page else ""
        return ",".join(filter(None, (page, f"channel={self.channel}" if self.channel else "")))


def same_layer(first: str, second: str) -> bool:
    """Return whether two texts mean the same picture of a file; one that is no layer is like no other.

    >>> same_layer("page=1, channel=2", "channel=2"), same_layer("max", ""), same_layer("page=one", "")
    (True, False, False)
    """
    try:
        layers = [Layer.parse(each) for each in (first, second)]
    except ImageError:
        return False
    return len({replace(each, page=each.page or 1) for each in layers}) == 1


@dataclass(frozen=True)
class Extent:
    """How many pages and channels a file has, and the size of each picture in pixels."""

    pages: int
    channels: int
    height: int
    width: int


class CodecError(ImageError):
    """The samples are written in a way that tifffile does not read; another reader might."""


class Stack:
    """An open TIFF: its pages, one after the other, of which each has the same channels.

    Time, depth and plain pages all count as pages, in the order of the file, as long as they look like the
    first one: the smaller copies of a pyramid, and the label of a slide, do not. A colour picture has 3
    channels, however it is written (RGB, palette, CMYK); in any other file the axis C counts.

    Raises
    ------
    ImageError
        When the file claims what no microscope writes, or its colours are in a space without a screen.
    CodecError
        When tifffile cannot read its samples.
    """

    def __init__(self, content: bytes) -> None:
        _check_chain(content, first=True)
        self._content = content
        self._file = tifffile.TiffFile(io.BytesIO(content))
        for offset in self._file.pages.first.subifds or ():
            _check_chain(content, at=offset)
        _check_claims(self._file.ome_metadata or "")
        self._series = self._file.series[0]
        self._frame = frame = self._series.keyframe
        self._axes, self._shape = self._series.axes, self._series.shape
        inner = frame.axes  # those that lie within a page of the file
        self._outer = self._axes[: len(self._axes) - len(inner)]
        sizes = dict(zip(self._axes, self._shape, strict=True))
        n_samples = sizes.get("S", 1)
        palette = frame.photometric == _PALETTE and frame.colormap is not None
        self.is_colour = palette or (frame.photometric in (_RGB, _YCBCR, _CMYK) and n_samples >= 3)
        self.has_opacity = n_samples in (2, 4) and frame.extrasamples[-1:] in ((1,), (2,))
        self._channel_axis = "S" if self.is_colour or "C" not in sizes else "C"
        among = sizes.get(self._channel_axis, 1)
        self.extent = Extent(
            pages=math.prod(size for axis, size in sizes.items() if axis not in f"YX{self._channel_axis}"),
            channels=3 if self.is_colour else max(1, among - self.has_opacity),
            height=sizes["Y"],
            width=sizes["X"],
        )
        self._check_readable()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, layer: Layer) -> Samples:
        """Return the samples of a layer, (H, W, 1) grey or (H, W, 3) colour, upright.

        With :attr:`has_opacity` there is one more, the opacity, unless a channel was asked for. Without a
        channel, a picture that is not in colour shows its first one. Pages are read one at a time.
        """
        pages = range(self.extent.pages) if layer.projection else [(layer.page or 1) - 1]
        n_pixels = len(pages) * self.extent.height * self.extent.width
        if n_pixels > _MOST_PROJECTED:
            raise ImageError(
                f"its {len(pages):,} pages have {n_pixels:,} pixels; a maximum is taken over at most "
                f"{_MOST_PROJECTED:,}. Choose a page"
            )
        samples: Samples | None = None
        for page in pages:
            one = self._page(page, layer.channel)
            samples = one if samples is None else np.fmax(samples, one)
        if samples is None:
            raise ImageError("it has no page")
        return upright(samples, self.orientation)

    @property
    def orientation(self) -> int:
        """How the pictures lie: 1 to 8, as EXIF says it."""
        tag = self._frame.tags.get(274)
        return int(tag.value) if tag is not None else 1

    def _page(self, page: int, channel: int | None) -> Samples:
        at: dict[str, int] = {}
        for axis, size in reversed(list(zip(self._axes, self._shape, strict=True))):
            if axis not in f"YX{self._channel_axis}":
                page, at[axis] = divmod(page, size)
        if self._channel_axis == "C":
            at["C"] = (channel or 1) - 1
        place = [(axis, at.get(axis)) for axis in self._axes]
        outer, inner = place[: len(self._outer)], place[len(self._outer) :]
        shape = self._shape[: len(outer)]
        key = int(np.ravel_multi_index([index or 0 for _, index in outer], shape)) if outer else 0
        samples = self._samples(key)[tuple(slice(None) if index is None else index for _, index in inner)]
        kept = [axis for axis, index in inner if index is None]
        samples = samples.transpose([kept.index(axis) for axis in ("Y", "X", "S") if axis in kept])
        samples = self._in_light(samples if samples.ndim == 3 else samples[:, :, None])
        if channel is not None:
            return samples[:, :, (channel - 1 if self._channel_axis == "S" else 0), None]
        if self.has_opacity:
            return _unmixed(samples) if self._frame.extrasamples[-1] == 1 else samples
        return samples[:, :, : 3 if self.is_colour else 1]

    def _samples(self, key: int) -> Samples:
        """Return the samples of one page of the file, in the axes of that page."""
        offset, frame = self._series.dataoffset, self._frame
        if offset is not None:  # one after the other, as they are: nothing is copied
            kind = np.dtype(frame.dtype).newbyteorder(self._file.byteorder)
            count = math.prod(frame.shape)
            return np.frombuffer(self._content, kind, count, offset + key * count * kind.itemsize).reshape(
                frame.shape
            )
        page = self._series.pages[key] if key < len(self._series.pages) else None
        if page is None:
            raise ImageError(f"its page {key + 1} is missing")
        ends = [start + n for start, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if max(ends, default=0) > len(self._content):
            raise ImageError("it is damaged (its end is missing)")
        return np.asarray(page.asarray())

    def _in_light(self, samples: Samples) -> Samples:
        """Return samples (H, W, S) as light: more is brighter, and colours are red, green, blue."""
        frame = self._frame
        if frame.photometric == _PALETTE and frame.colormap is not None:
            return (frame.colormap.T >> 8).astype(np.uint8)[samples[:, :, 0]]
        if samples.dtype.kind == "u":
            top = 2 ** int(np.min(frame.bitspersample)) - 1
            if frame.photometric == _CMYK and self.is_colour and samples.shape[2] >= 4:
                ink = (samples >> (8 * (samples.dtype.itemsize - 1))).astype(np.uint16)
                return ((255 - ink[:, :, :3]) * (255 - ink[:, :, 3:4]) // 255).astype(np.uint8)
            if frame.photometric == _WHITE_IS_ZERO:
                samples = top - samples
            return samples * (255 // top) if top < 255 else samples  # of 2 or 4 bits
        return ~samples if frame.photometric == _WHITE_IS_ZERO and samples.dtype.kind in "bi" else samples

    def _check_readable(self) -> None:
        frame = self._frame
        if frame.photometric in _UNSEEN:
            name = tifffile.PHOTOMETRIC(frame.photometric).name
            raise ImageError(f"its colours are in the space {name}; save it as RGB")
        if np.dtype(frame.dtype).kind not in "buif":
            raise ImageError(f"its samples are of the type {frame.dtype}; save their amount")
        if self.extent.pages > MAX_PAGES:
            raise ImageError(f"it has more than {MAX_PAGES:,} pages")
        if frame.nbytes > _MOST_BYTES:
            raise ImageError(f"a page of it claims {frame.nbytes:,} bytes; at most {_MOST_BYTES:,} are read")
        plain = frame.compression in _PLAIN
        if frame.compression not in tifffile.TIFF.DECOMPRESSORS or (frame.photometric == _YCBCR and plain):
            names = {int(kind): kind.name for kind in tifffile.COMPRESSION}
            name = names.get(frame.compression, "a kind without a name")
            raise CodecError(f"its samples are compressed as {name}; save it without compression")


def _unmixed(samples: Samples) -> Samples:
    """Return samples whose colour was multiplied by their opacity, the last, as they were before."""
    if samples.dtype.kind != "u":
        return samples
    top = np.iinfo(samples.dtype).max
    colour = samples[..., :-1] * (top / np.maximum(samples[..., -1:], 1))
    return np.concatenate([np.minimum(colour.round(), top).astype(samples.dtype), samples[..., -1:]], axis=2)


def extent(content: bytes) -> Extent:
    """Return how many pages and channels a TIFF has, and the size of each page, upright."""
    with Stack(content) as stack:
        there = stack.extent
        if stack.orientation in LYING:
            return replace(there, height=there.width, width=there.height)
        return there


def _check_chain(content: bytes, at: int = 0, *, first: bool = False) -> None:
    """Refuse pages that go round in a circle, which tifffile would follow for ever, or that never end."""
    byte_order = "<" if content[:2] == b"II" else ">"
    long = b"+" in content[2:4]
    count, entry, pointer = ("Q", 20, "Q") if long else ("H", 12, "I")
    seen: set[int] = set()
    try:
        if first:
            (at,) = struct.unpack_from(byte_order + pointer, content, 8 if long else 4)
        while at:
            if at in seen:
                raise ImageError("it is damaged (its pages go round in a circle)")
            if len(seen) >= MAX_PAGES:
                raise ImageError(f"it has more than {MAX_PAGES:,} pages")
            seen.add(at)
            (n,) = struct.unpack_from(byte_order + count, content, at)
            (at,) = struct.unpack_from(byte_order + pointer, content, at + struct.calcsize(count) + n * entry)
    except (struct.error, OverflowError):
        return  # the chain is torn; what comes before can be read


def _check_claims(ome: str) -> None:
    """Refuse an OME-XML that claims more pages than there can be: a list of them would be made."""
    if "<!ENTITY" in ome:
        raise ImageError("it is damaged (its OME-XML defines entities)")
    for tag in re.findall(r"<(?:\w+:)?(?:Pixels|TiffData)\b[^>]*>", ome):
        claims = re.findall(r"\b(?:Size[TZC]|PlaneCount)\s*=\s*[\"']([^\"']*)", html.unescape(tag))
        if math.prod(map(int, claims)) > MAX_PAGES:
            raise ImageError(f"it has more than {MAX_PAGES:,} pages")


def upright(samples: Samples, orientation: int) -> Samples:
    """Return samples (H, W, ...) turned as the EXIF orientation 1 to 8 says."""
    if orientation in LYING:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
