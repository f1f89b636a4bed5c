"""Pictures drawn for the benchmarks, and what their clocks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from rbcal import synth
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations, Floats, area

WIDTH, HEIGHT, RADIUS = 640, 480, 20.0  # pixels; a common field of a microscope camera
N_CLASSES = 3
Say = Callable[[str], None]
Sample = tuple[Pixels, Annotations]


def draw(seed: int) -> Sample:
    """Return a picture with about 50 cells, and their boxes."""
    return synth.draw(seed, n_cells=70, width=WIDTH, height=HEIGHT, n_classes=N_CLASSES, radius=RADIUS)


def box_sides(pictures: Sequence[Sample]) -> Floats:
    """Return the square roots of the areas of all boxes, in pixels."""
    return np.sqrt(np.concatenate([area(truth.boxes) for _, truth in pictures]))


def wait_for_gpu() -> None:
    """Wait for the GPU, which works on while Python goes ahead, before a clock is read."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
