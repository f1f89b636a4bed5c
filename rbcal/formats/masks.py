"""The boxes around outlines and masks, as annotation files write them.

Written out here, and not left to the C code of pycocotools or faster-coco-eval, which trusts the string that
it is given; neither knows the masks of Label Studio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rbcal.formats.dataset import Box, corners, number

_NO_FIT = "its mask does not fit the size of its picture"
_MAX_PIXELS = 2**28  # of a mask
_MAX_SHIFT = 60  # bits of a run; more is a trap


def around(points: Any) -> Box | str:
    """Return the box around the points ``(x, y)`` of an outline, or what is wrong with them.

    >>> around([(1, 2), (5, 9), (3, 4)])
    (1.0, 2.0, 5.0, 9.0)
    """
    pairs = [tuple(map(number, each)) for each in points if isinstance(each, list | tuple)]
    whole = len(pairs) == len(points) and all(
        len(each) == 2 and all(map(math.isfinite, each)) for each in pairs
    )
    if not pairs or not whole:
        return "its points are not pairs of finite numbers"
    xs, ys = zip(*pairs, strict=True)
    return corners([min(xs), min(ys), max(xs), max(ys)])


def around_ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Box | str:
    """Return the box around an ellipse that is turned by an angle, or what is wrong with it.

    >>> around_ellipse(20, 30, 5, 6)
    (15.0, 24.0, 25.0, 36.0)
    """
    if not math.isfinite(degrees):
        return "its angle is no finite number"
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    width, height = math.hypot(rx * cosine, ry * sine), math.hypot(rx * sine, ry * cosine)
    return corners([cx - width, cy - height, cx + width, cy + height])


def around_coco(segmentation: Any) -> Box | str:
    """Return the box around a segmentation of COCO: polygons, or runs, compressed or not.

    >>> around_coco([[1, 2, 5, 9, 3, 4]]), around_coco({"size": [3, 4], "counts": [4, 2, 6]})
    ((1.0, 2.0, 5.0, 9.0), (1.0, 1.0, 2.0, 3.0))
    """
    if isinstance(segmentation, dict):
        size, counts = segmentation.get("size"), segmentation.get("counts")
        if isinstance(counts, str):
            counts = _decompressed(counts)
        if not isinstance(size, list) or not isinstance(counts, list) or len(size) != 2:
            return "its mask has no size or no runs"
        return around_runs(counts, *size)
    if not isinstance(segmentation, list) or not all(isinstance(each, list) for each in segmentation):
        return "its segmentation is neither polygons nor runs"
    if any(len(each) % 2 for each in segmentation):
        return "its points are not pairs of finite numbers"
    return around([pair for each in segmentation for pair in zip(each[::2], each[1::2], strict=True)])


def around_runs(counts: Sequence[Any], height: Any, width: Any) -> Box | str:
    """Return the box around a mask, given as the lengths of runs down its columns: off, on, off, ..."""
    if not _are_whole([*counts, height, width]) or sum(counts) != height * width:
        return _NO_FIT
    ends = np.cumsum(np.array(counts, np.int64))
    first, last = ends[0::2][: len(counts) // 2], ends[1::2] - 1
    first, last = first[last >= first], last[last >= first]
    if not first.size:
        return "its mask is empty"
    x1, x2 = int(first.min() // height), int(last.max() // height) + 1
    if (first // height != last // height).any():  # a run goes on in the next column
        return corners([x1, 0, x2, height])
    return corners([x1, int((first % height).min()), x2, int((last % height).max()) + 1])


def around_brush(packed: Any, height: int, width: int) -> Box | str:
    """Return the box around a mask of Label Studio: RGBA pixels, packed as ``@thi.ng/rle-pack`` does.

    The bits are: how many values (32), bits of a value - 1 (5), bits of each of four lengths - 1 (4 each);
    then runs: whether a value is repeated (1), which of the lengths follows (2), the length - 1, the values.
    """
    if not isinstance(packed, list) or not _are_whole(packed) or max(packed, default=0) > 255:
        return "its mask is not a list of bytes"
    bits, place = "".join(f"{byte:08b}" for byte in packed), 0

    def take(n: int) -> int:
        nonlocal place
        place += n
        return int(bits[place - n : place], 2)

    try:
        if (n := take(32)) != 4 * height * width or not n:
            return _NO_FIT
        if height * width > _MAX_PIXELS:
            return f"its mask claims {height * width:,} pixels; at most {_MAX_PIXELS:,} are read"
        word = take(5) + 1
        lengths = [take(4) + 1 for _ in range(4)]
        start, sides = 0, [width, height, 0, 0]
        while start < n:
            is_run, length = take(1), lengths[take(2)]
            end = min(start + 1 + take(length), n)
            if is_run:
                if take(word) and start // 4 < end // 4:
                    _widen(sides, start // 4, end // 4 - 1, width)
            else:
                for at in range(start, end):
                    if take(word) and at % 4 == 3:  # the opacity of a pixel
                        _widen(sides, at // 4, at // 4, width)
            start = end
    except ValueError:
        return "its mask ends too early"
    return corners(sides) if sides[2] else "its mask is empty"


def _widen(sides: list[int], first: int, last: int, width: int) -> None:
    """Widen the box of a mask by the pixels from the first to the last, row by row."""
    (y1, x1), (y2, x2) = divmod(first, width), divmod(last, width)
    if y1 < y2:  # they go on in the next row
        x1, x2 = 0, width - 1
    sides[:] = min(sides[0], x1), min(sides[1], y1), max(sides[2], x2 + 1), max(sides[3], y2 + 1)


def _are_whole(values: Sequence[Any]) -> bool:
    return all(type(each) is int and 0 <= each < 2**31 for each in values)


def _decompressed(text: str) -> list[int] | None:
    """Return the runs in a string of COCO: five bits a character, the lowest first, the sixth: more follow.

    From the fourth on, a run is written as how much longer it is than the one before the last.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > _MAX_SHIFT:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) * (bits >> 4 & 1)  # the sign
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts
