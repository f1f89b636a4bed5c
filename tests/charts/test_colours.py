"""The colours of classes and lines."""

from __future__ import annotations

import pytest

from rbcal.charts.colours import SEEN, class_colours, luminance, palette
from rbcal.store.classes import CellClass


def test_no_colour_of_a_palette_comes_twice():
    assert len(set(palette(120))) == 120
    assert palette(120)[:16] == palette(16)


@pytest.mark.parametrize("colour", palette(40))
def test_a_colour_is_seen_on_a_light_and_on_a_dark_page(colour):
    assert SEEN[0] <= luminance(colour) <= SEEN[1]


def test_thirty_classes_have_thirty_colours():
    assert len(set(class_colours([CellClass(k, str(k), rare=False) for k in range(30)]))) == 30


def test_a_colour_that_the_expert_gave_one_class_is_no_other_ones():
    classes = [CellClass(0, "disc", rare=False), CellClass(1, "slit", rare=False, colour="#0072b2")]
    first, second = class_colours(classes)
    assert second == "#0072b2"
    assert first.upper() != "#0072B2"
