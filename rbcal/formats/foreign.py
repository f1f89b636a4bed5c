"""Pictures in formats that need an extra, DICOM and HEIC: once read, they are TIFF files as any other.

So a project that holds one opens on every PC, with the extra or without, and has nothing of a patient in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Protocol

import tifffile

from rbcal.errors import ImageError
from rbcal.formats import dicom, heif
from rbcal.formats.stacks import Extent, Samples


class ForeignFormat(Protocol):
    """What a module of such a format has: its name, the package that it needs, and three functions."""

    @property
    def NAME(self) -> str:  # noqa: N802  a constant of the module
        """The name that people know it by."""

    @property
    def PACKAGE(self) -> str:  # noqa: N802
        """The package that reads it, as it is imported."""

    @property
    def SUFFIXES(self) -> tuple[str, ...]:  # noqa: N802
        """The endings of its files."""

    def is_one(self, content: bytes) -> bool:
        """Return whether a file is of this format."""

    def extent(self, content: bytes) -> Extent:
        """Return the size of a file's pictures, without a look at the pixels."""

    def pages(self, content: bytes) -> Iterator[Samples]:
        """Yield the pictures of a file."""


FORMATS: tuple[ForeignFormat, ...] = (dicom, heif)
SUFFIXES = (*dicom.SUFFIXES, *heif.SUFFIXES)


def format_of(content: bytes) -> ForeignFormat | None:
    """Return the format of a file; None where it needs no extra.

    Raises
    ------
    ImageError
        When the extra that it needs is not installed.
    """
    format_ = next((each for each in FORMATS if each.is_one(content)), None)
    if format_ is not None and find_spec(format_.PACKAGE) is None:
        raise ImageError(f"it is a {format_.NAME} file. {installation(format_)}")
    return format_


def missing(name: str) -> str:
    """Return what to install before a file of this name can be read; empty where nothing is missing."""
    format_ = next((each for each in FORMATS if name.lower().endswith(each.SUFFIXES)), None)
    return installation(format_) if format_ is not None and find_spec(format_.PACKAGE) is None else ""


def installation(format_: ForeignFormat) -> str:
    """Return the sentence that says what to install for a format."""
    return (
        f"To read {format_.NAME}, install the extra pictures: "
        'python -m pip install "rbcal[pictures]", or in a copy of the source: uv sync --extra pictures'
    )


def to_tiff(pages: Iterator[Samples]) -> bytes:
    """Return a TIFF with these pictures as its pages, without loss; the same ones give the same bytes."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(
                page,
                photometric="rgb" if page.ndim == 3 else "minisblack",
                compression="lzw",  # another version of its library writes the same
                predictor=page.dtype.kind in "iu" and page.dtype.itemsize <= 4,
                metadata=None,
                software=False,
            )
    return file.getvalue()
