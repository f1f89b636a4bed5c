"""Annotation files of any format that rbcal reads: which one it is, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Literal

from rbcal.errors import FormatError
from rbcal.formats import coco, cvat, labelstudio, voc, yolo
from rbcal.formats.coco import parse_json
from rbcal.formats.dataset import Dataset
from rbcal.formats.files import Files

Format = Literal["auto", "coco", "voc", "yolo", "cvat", "labelstudio"]
SUFFIXES = (".json", ".xml", ".txt", ".yaml", ".yml")
_NAMES = {"coco": "COCO", "voc": "Pascal VOC", "yolo": "YOLO", "cvat": "CVAT", "labelstudio": "Label Studio"}


def read(
    files: Files, pictures: Files, size_of: Callable[[bytes], yolo.Size], format_: Format = "auto"
) -> Dataset:
    """Return what annotation files say.

    Parameters
    ----------
    files : Files
        The annotation files; others among them are left alone.
    pictures : Files
        The pictures that they are about.
    size_of : callable
        Returns the width and height of a picture, which YOLO does not say.
    format_ : Format
        "auto": as the files look.

    Raises
    ------
    FormatError
        When no file is of a format that rbcal reads, or not of the one that was named.
    """
    kind = recognise(files) if format_ == "auto" else format_
    match kind:
        case "voc":
            return voc.read(files)
        case "yolo":
            return yolo.read(files, pictures, size_of)
        case "cvat":
            return cvat.read(_only(files, ".xml", kind))
        case "coco":
            return coco.read(_only(files, ".json", kind))
        case _:
            return labelstudio.read(_only(files, ".json", kind))


def recognise(files: Files) -> Format:
    """Return the format of annotation files, by a look into them."""
    suffixes = {PurePosixPath(name).suffix.lower() for name in files}
    if ".json" in suffixes:
        document = parse_json(_only(files, ".json", "coco"))
        if isinstance(document, list):
            return "labelstudio"
        if ".txt" not in suffixes or (isinstance(document, dict) and "images" in document):
            return "coco"  # else: the notes.json that Label Studio puts beside its YOLO texts
    if ".xml" in suffixes:
        first = next(name for name in files if name.lower().endswith(".xml"))
        return "cvat" if b"<annotations" in files[first]()[:2000] else "voc"
    if suffixes & {".txt", ".yaml", ".yml"}:
        return "yolo"
    raise FormatError(
        "There is no annotation file: JSON (COCO, Label Studio), XML (Pascal VOC, CVAT), or TXT beside a "
        "data.yaml (YOLO)."
    )


def _only(files: Files, suffix: str, kind: str) -> bytes:
    """Return the one file with a suffix; a format that is one file must not come as several."""
    names = [name for name in files if name.lower().endswith(suffix)]
    if len(names) != 1:
        raise FormatError(
            f"{_NAMES[kind]} is one {suffix[1:].upper()} file, but there are {len(names)}. "
            "Name the one that is meant."
        )
    return files[names[0]]()
