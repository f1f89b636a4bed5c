"""How the expert likes to see images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class View:
    """How the expert likes to see images; outlives the image."""

    zoom: float = 0.75  # what a window of 1280 x 720 comes to
    names_on: str = "all"  # boxes whose names are shown: "all", "flagged" or "none"
    only: str | int = "all"  # boxes that are shown: "all", "flagged", "unsure", or those of a class
    lists_all: bool = False  # whether the list beside the image has all cells, or the red ones
    filters: dict[str, Any] = field(default_factory=dict)  # brightness, contrast, gamma, channel, invert
    passes: bool = False  # whether the cell review shows the boxes of the passes
    cell_review: bool = False  # whether an image opens with its cell review
    batches: bool = False  # whether the cell review shows several cells side by side
    queue_label: int | None = None  # the class that the queue is filtered by
    by_cells: bool | None = None  # whether cells come, not images; None: the expert has not chosen
    drawing: bool = False
    label: int = 0  # of new boxes
