"""The colours of classes and lines; without the chart library, which takes seconds to load."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.store.classes import CellClass

# Okabe and Ito's colours, told apart by colour-blind eyes, too; shapes say the same again.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C8C00", "#000000"]


def class_colours(classes: Sequence[CellClass]) -> list[str]:
    """Return the colour of each class: the user's choice, else the one of its place."""
    return [each.colour or COLOURS[each.label % len(COLOURS)] for each in classes]
