"""Files with more than one picture in them: the pages and channels of a TIFF, one of which is looked at."""

from __future__ import annotations

import io
import math
import re
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from rbcal.errors import ImageError

_LYING = (5, 6, 7, 8)  # orientations in which width is height
Samples = NDArray[np.generic]
_LAYER = re.compile(r"(?:(?P<page>max|page=\d{1,6}),?)?(?:channel=(?P<channel>\d{1,6}))?")


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
        if match is None or text.endswith(","):
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


@dataclass(frozen=True)
class Extent:
    """How many pages and channels a file has, and the size of each picture, upright, in pixels."""

    pages: int
    channels: int
    height: int
    width: int


class Stack:
    """An open TIFF: its pages, one after the other, of which each has the same channels.

    Time, depth and plain pages all count as pages, in the order of the file. A colour picture has 3
    channels; in any other file the axis C counts.
    """

    def __init__(self, content: bytes) -> None:
        self._file = tifffile.TiffFile(io.BytesIO(content))
        self._series = self._file.series[0]
        self._frame = self._series.keyframe
        self._axes, self._shape = self._series.axes, self._series.shape
        inner = self._frame.axes  # those that lie within a page of the file
        self._outer = self._axes[: len(self._axes) - len(inner)]
        sizes = dict(zip(self._axes, self._shape, strict=True))
        self.is_rgb = self._frame.photometric in (2, 6) and sizes.get("S", 1) >= 3  # RGB, YCbCr
        self._channel_axis = "S" if self.is_rgb else "C" if "C" in sizes else "S"
        self.extent = Extent(
            pages=math.prod(size for axis, size in sizes.items() if axis not in f"YX{self._channel_axis}"),
            channels=3 if self.is_rgb else sizes.get(self._channel_axis, 1),
            height=sizes["Y"],
            width=sizes["X"],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, layer: Layer) -> Samples:
        """Return the samples of a layer: (H, W), or (H, W, 3) for colour; upright.

        Without a channel, a picture that is not in colour shows its first one.
        """
        pages = range(self.extent.pages) if layer.projection else [(layer.page or 1) - 1]
        looked_at: Samples | None = None
        for page in pages:
            samples = self._page(page, layer.channel)
            looked_at = samples if looked_at is None else np.maximum(looked_at, samples)
        if looked_at is None:
            raise ImageError("it has no page")
        return upright(looked_at, self.orientation)

    def _page(self, page: int, channel: int | None) -> Samples:
        at: dict[str, int] = {}
        for axis, size in reversed(list(zip(self._axes, self._shape, strict=True))):
            if axis not in f"YX{self._channel_axis}":
                page, at[axis] = divmod(page, size)
        whole = self.is_rgb and channel is None
        if not whole and self._channel_axis in self._axes:
            at[self._channel_axis] = (channel or 1) - 1
        place = [(axis, at.get(axis)) for axis in self._axes]
        outer, inner = place[: len(self._outer)], place[len(self._outer) :]
        shape = self._shape[: len(outer)]
        key = int(np.ravel_multi_index([index or 0 for _, index in outer], shape)) if outer else 0
        samples = np.asarray(self._frames(key))
        kept = [axis for axis, index in inner if index is None]
        samples = samples[tuple(slice(None) if index is None else index for _, index in inner)]
        order = [kept.index(axis) for axis in ("Y", "X", "S") if axis in kept]
        return samples.transpose(order)[..., :3] if len(order) == 3 else samples.transpose(order)

    def _frames(self, key: int) -> Any:
        if len(self._series.pages) == 1 and self._outer:  # ImageJ: one page that stands for all of them
            return self._series.asarray().reshape(-1, *self._shape[len(self._outer) :])[key]
        page = self._series.pages[key]
        if page is None:
            raise ImageError(f"page {key + 1} of it is missing")
        return page.asarray()

    @property
    def orientation(self) -> int:
        """How the pictures lie: 1 to 8, as EXIF says it."""
        tag = self._frame.tags.get(274)
        return int(tag.value) if tag is not None else 1


def extent(content: bytes) -> Extent:
    """Return how many pages and channels a TIFF has."""
    with Stack(content) as stack:
        pages, channels, height, width = astuple(stack.extent)
        return Extent(pages, channels, *((width, height) if stack.orientation in _LYING else (height, width)))


def upright(samples: Samples, orientation: int) -> Samples:
    """Return samples (H, W) or (H, W, 3) turned as the EXIF orientation 1 to 8 says."""
    if orientation in _LYING:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
