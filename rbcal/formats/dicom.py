"""DICOM, the files of clinical archives: their pixels, and nothing of what they say about a patient.

Format: https://www.dicomstandard.org. It takes the package pydicom, of the extra ``rbcal[pictures]``.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rbcal.errors import ImageError
from rbcal.formats.stacks import MAX_PAGES, Extent, Samples

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

NAME, PACKAGE, SUFFIXES = "DICOM", "pydicom", (".dcm",)
_MOST_BYTES = 2**30  # of all frames together
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # the file but its head is a zip, which pydicom unpacks without a limit
_GREY, _PALETTE = ("MONOCHROME1", "MONOCHROME2"), "PALETTE COLOR"
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # pydicom returns each as RGB
_UNSEEN = ("HSV", "ARGB", "CMYK", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "XYB")
_PALETTES = [f"{colour}PaletteColorLookupTable" for colour in ("Red", "Green", "Blue")]
# All that is read of a file. Names, dates and numbers of a patient never get into memory as such.
_SIZE = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PlanarConfiguration",
]
_LIGHT = [
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "PaletteColorLookupTableUID",
    *(f"{palette}Descriptor" for palette in _PALETTES),
    *(f"{palette}Data" for palette in _PALETTES),
    *(f"Segmented{palette}Data" for palette in _PALETTES),
]
_PIXELS = [
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "PixelData",
]
_DAMAGED = "it is damaged, or a DICOM file of a kind that rbcal does not read"


def is_one(content: bytes) -> bool:
    """Return whether a file is DICOM, even if it is a TIFF, too, as some whole slides are."""
    return content[128:132] == b"DICM"


def extent(content: bytes) -> Extent:
    """Return how many frames and channels a file has, and the size of each frame, as its head says."""
    return _guarded(lambda: _extent(_opened(content, _SIZE, pixels=False)))


def pages(content: bytes) -> Iterator[Samples]:
    """Yield the frames of a file one by one, (H, W) grey or (H, W, 3) colour: more is brighter.

    A window or table that the file gives is applied, and the frame has 8 bits then. Without one, the samples
    keep their depth; that they stand for other values, on a straight line, changes nothing of what is seen.
    """
    there = extent(content)
    if there.pages > MAX_PAGES:
        raise ImageError(f"it has more than {MAX_PAGES:,} frames")
    data = _guarded(lambda: _opened(content, _SIZE + _LIGHT + _PIXELS))
    _guarded(lambda: _check_claims(data, there))
    frames = _guarded(lambda: _frames(data, there.pages))
    for _ in range(there.pages):
        yield _guarded(lambda: _in_light(next(frames), data))


def _guarded(act: Any) -> Any:
    """Do something with a file; where it fails, say so without a word that was read in it."""
    import pydicom  # noqa: F401  a package that is not there is no damage

    try:
        return act()
    except (ImageError, MemoryError):
        raise
    except Exception:  # pydicom raises of every kind, and its words may hold a patient's name
        raise ImageError(_DAMAGED) from None


def _opened(content: bytes, tags: list[str], *, pixels: bool = True) -> FileDataset:
    from pydicom import dcmread

    logging.getLogger("pydicom").propagate = False  # it tells values
    if _DEFLATED in content:
        raise ImageError("its data are deflated; export it without that")
    return dcmread(io.BytesIO(content), specific_tags=list(tags), stop_before_pixels=not pixels)


def _extent(data: FileDataset) -> Extent:
    if "Rows" not in data or "Columns" not in data:
        raise ImageError("it has no picture: it is damaged, or another kind of DICOM file, such as a report")
    is_colour = data.get("SamplesPerPixel", 1) == 3 or data.get("PhotometricInterpretation") == _PALETTE
    pages = int(data.get("NumberOfFrames") or 1)
    if pages < 1:
        raise ImageError("it has no frame")
    return Extent(pages, 3 if is_colour else 1, int(data.Rows), int(data.Columns))


def _check_claims(data: FileDataset, there: Extent) -> None:
    """Refuse a file that cannot be read, or would take too much memory, before its pixels are touched."""
    from pydicom.pixels.decoders.base import get_decoder

    if not any(keyword in data for keyword in _PIXELS[2:]):
        raise ImageError("it has no picture: its pixels are missing")
    colours = data.PhotometricInterpretation
    if colours in _UNSEEN:
        raise ImageError(f"its colours are in the space {colours}; export it as RGB")
    if data.SamplesPerPixel != (3 if colours in _COLOUR else 1) or colours not in (
        *_GREY,
        *_COLOUR,
        _PALETTE,
    ):
        raise ImageError(_DAMAGED)
    n_bytes = (
        there.pages * there.height * there.width * data.SamplesPerPixel * max(8, data.BitsAllocated) // 8
    )
    if n_bytes > _MOST_BYTES:
        raise ImageError(
            f"its {there.pages:,} frame{'s' * (there.pages != 1)} come to {n_bytes / 1e6:,.0f} MB; at most "
            f"{_MOST_BYTES / 1e6:,.0f} MB are read. Export the frames that you need by themselves"
        )
    syntax = data.file_meta.TransferSyntaxUID
    try:
        is_read = get_decoder(syntax).is_available
    except NotImplementedError:
        is_read = False
    if not is_read:
        name = syntax.name if syntax.name != str(syntax) else "a kind without a name"
        raise ImageError(f"its pixels are compressed as {name}, which cannot be read here; export it without")


def _frames(data: FileDataset, n: int) -> Iterator[Samples]:
    from pydicom.pixels.utils import iter_pixels

    return iter_pixels(data, indices=range(n))


def _in_light(frame: Samples, data: FileDataset) -> Samples:
    """Return a frame as light: more is brighter, and colours are red, green, blue."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    if data.SamplesPerPixel == 3:
        return frame
    if data.PhotometricInterpretation == _PALETTE:
        colours = apply_color_lut(frame, data)[:, :, :3]
        return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    is_inverted = data.PhotometricInterpretation == "MONOCHROME1"
    if data.get("VOILUTSequence") or (_has(data, "WindowCenter") and _has(data, "WindowWidth")):
        light: Samples = _windowed(frame, data)
    elif data.get("ModalityLUTSequence"):
        light = apply_modality_lut(frame, data)
    else:
        light = _few_bits(frame, data)
        is_inverted ^= _has(data, "RescaleSlope") and data.RescaleSlope < 0
    if not is_inverted:
        return light
    return -light if light.dtype.kind == "f" else ~light


def _has(data: FileDataset, keyword: str) -> bool:
    return data.get(keyword) is not None


def _few_bits(frame: Samples, data: FileDataset) -> Samples:
    """Return samples of up to 8 bits as 8 bits, the highest white; others as they are."""
    if frame.dtype.kind != "u" or data.BitsStored > 8:
        return frame
    top = 2**data.BitsStored - 1
    return (np.minimum(frame, top).astype(np.uint16) * 255 // top).astype(np.uint8)


def _windowed(frame: Samples, data: FileDataset) -> Samples:
    """Return a frame in 8 bits, as the window or table of its file says."""
    if frame.dtype.kind in "iu" and frame.dtype.itemsize <= 2:
        every = np.arange(2 ** (8 * frame.dtype.itemsize)).astype(frame.dtype)  # negative ones from the end
        return _shown(every, data)[frame]
    light = np.empty(frame.shape, np.uint8)
    for row, samples in enumerate(frame):  # one at a time: they become wide numbers on the way
        light[row] = _shown(samples, data)
    return light


def _shown(samples: Samples, data: FileDataset) -> Samples:
    from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

    values = apply_modality_lut(samples, data)
    if data.get("VOILUTSequence"):
        light, low, high = apply_voi(values, data), 0, 2 ** int(data.VOILUTSequence[0].LUTDescriptor[2]) - 1
    else:
        light = apply_windowing(values, data)
        low, high = apply_windowing(np.array([-1e30, 1e30]), data)  # black and white, whichever is more
    if low == high:
        return np.zeros(samples.shape, np.uint8)
    return np.clip((light.astype(np.float64) - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
