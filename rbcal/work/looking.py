"""Looking at images with what memory there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rbcal.errors import DetectorError
from rbcal.formats.pictures import Pixels
from rbcal.store.images import Image
from rbcal.vision import devices
from rbcal.vision.detector import Detector, settle
from rbcal.work.reporting import Reporter

_Seen = TypeVar("_Seen")
_SMALLEST_TILE = 256  # working pixels; three cells wide


def say_tiles(detector: Detector, images: Sequence[Image], tell: Reporter) -> None:
    """Log how many images are too large to be looked at in one piece."""
    n_tiled = sum(len(detector.tiles(image.height, image.width)) > 1 for image in images)
    if n_tiled:
        tell.log(f"{n_tiled} of {len(images)} images are large, and are looked at in overlapping tiles")


def see(detector: Detector, look: Callable[[Pixels], _Seen], pixels: Pixels, tell: Reporter) -> _Seen:
    """Return what `look` sees, in smaller tiles or on the CPU if the memory does not suffice."""
    while True:
        try:
            return look(pixels)
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
            tell.log(f"Out of memory. Going on with tiles of {detector.tile} pixels")
        else:
            settle(detector, devices.resolve_device("cpu"))
            tell.log("Out of memory. Going on with the CPU")
        devices.free_memory()
