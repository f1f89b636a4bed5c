"""The colours of classes and lines; without the chart library, which takes seconds to load."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence

from rbcal.store.classes import CellClass

# The first seven are Okabe and Ito's, told apart by colour-blind eyes, too; shapes say the same again.
# None is black or white: each is seen on a light and on a dark page.
COLOURS = [
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C8C00", "#8A63D2"),
    *("#A65628", "#E7298A", "#1BB5B5", "#66A61E", "#F08080", "#5B78FF", "#B39B6B", "#9E4F9E"),
]
SEEN = (0.12, 0.5)  # relative luminance (WCAG) of what is seen on both pages
_EVEN = 0.179  # the luminance on which black and white have the same contrast
_GOLDEN = 0.6180339887498949  # of a turn: each hue lies in the widest gap that the earlier ones left
_LIGHTNESS = (0.45, 0.62, 0.36, 0.54)


def palette(n: int) -> list[str]:
    """Return n colours, no two the same.

    >>> palette(2), len(set(palette(60)))
    (['#0072B2', '#D55E00'], 60)
    """
    endless = _colours()
    return [next(endless) for _ in range(n)]


def class_colours(classes: Sequence[CellClass]) -> list[str]:
    """Return the colour of each class: the user's choice, else one of the palette that is nobody's choice."""
    chosen = {each.colour.upper() for each in classes if each.colour}
    free = palette(len(chosen) + max((each.label + 1 for each in classes), default=0))
    usual, spare = free[: len(free) - len(chosen)], iter(free[len(free) - len(chosen) :])
    usual = [next(spare) if colour.upper() in chosen else colour for colour in usual]
    return [each.colour or usual[each.label] for each in classes]


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour in [0, 1], as WCAG has it.

    >>> luminance("#000000"), round(luminance("#FFFFFF"), 3)
    (0.0, 1.0)
    """
    shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink(colour: str) -> str:
    """Return black or white, whichever is read better on a colour.

    >>> ink("#0072B2"), ink("#E69F00")
    ('#FFFFFF', '#000000')
    """
    return "#FFFFFF" if luminance(colour) < _EVEN else "#000000"


def _colours() -> Iterator[str]:
    """Yield colours without end, no two the same: the hand-made ones, then hues spread over the circle."""
    yield from COLOURS
    given, k = set(COLOURS), 0
    while True:
        red, green, blue = colorsys.hls_to_rgb(k * _GOLDEN % 1, _LIGHTNESS[k % len(_LIGHTNESS)], 0.7)
        colour = f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"
        k += 1
        if colour not in given and SEEN[0] <= luminance(colour) <= SEEN[1]:
            given.add(colour)
            yield colour
