"""Looking at images with what memory there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rbcal.detector import devices
from rbcal.detector.faster_rcnn import Detector, settle
from rbcal.errors import DetectorError
from rbcal.formats.pictures import Pixels
from rbcal.jobs.progress import ProgressReporter
from rbcal.store.images import Image
from rbcal.wording import count

_Prediction = TypeVar("_Prediction")
_SMALLEST_TILE = 256  # working pixels; three cells wide


def log_tiles(detector: Detector, images: Sequence[Image], progress: ProgressReporter) -> None:
    """Log how many images are too large to be looked at in one piece."""
    n_tiled = sum(len(detector.tiles(image.height, image.width)) > 1 for image in images)
    if n_tiled:
        every = count(len(images), "image")
        progress.log(f"{n_tiled:,} of {every} too large for one piece: looked at in overlapping tiles")


def predict_within_memory(
    detector: Detector, predict: Callable[[Pixels], _Prediction], pixels: Pixels, progress: ProgressReporter
) -> _Prediction:
    """Return what `look` sees, in smaller tiles or on the CPU if the memory does not suffice."""
    while True:
        try:
            return predict(pixels)
        except (RuntimeError, MemoryError) as err:
            if not devices.is_out_of_memory(err):
                raise
            if detector.tile < 2 * _SMALLEST_TILE and detector.device.type == "cpu":
                raise DetectorError(
                    "There is too little memory to look at an image even in small tiles. "
                    "Close other programs."
                ) from err
        if detector.tile >= 2 * _SMALLEST_TILE:
            detector.tile //= 2
            progress.log(f"Out of memory. Going on with tiles of {detector.tile} pixels")
        else:
            settle(detector, devices.resolve_device("cpu"))
            progress.log("Out of memory. Going on with the CPU")
        devices.free_memory()
