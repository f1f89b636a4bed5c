"""Annotation files of any format that rbcal reads: which one it is, and what it says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from rbcal.errors import FormatError
from rbcal.formats import coco, cvat, labelstudio, voc, yolo
from rbcal.formats.coco import parse_json
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.files import Files
from rbcal.formats.layout import folders, split_of

Format = Literal["auto", "coco", "voc", "yolo", "cvat", "labelstudio"]
SUFFIXES = (".json", ".xml", ".txt", ".yaml", ".yml", ".names", ".data")
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
        When no file is of a format that rbcal reads, or not of the one that was named, or two files
        contradict each other.
    """
    kind = recognise(files) if format_ == "auto" else format_
    match kind:
        case "voc":
            return voc.read(files)
        case "yolo":
            return yolo.read(files, pictures, size_of)
        case "cvat":
            return _joined(files, pictures, ".xml", kind, cvat.read)
        case "coco":
            return _joined(files, pictures, ".json", kind, coco.read)
        case _:
            return _joined(files, pictures, ".json", kind, labelstudio.read)


def title(format_: Format) -> str:
    """Return what users call a format."""
    return _NAMES.get(format_, format_)


def recognise(files: Files) -> Format:
    """Return the format of annotation files, by a look into them."""
    suffixes = {PurePosixPath(name).suffix.lower() for name in files}
    kinds = {kind for name in _ending(files, ".json") if (kind := _json_kind(files[name]()))}
    if len(kinds) > 1:
        raise FormatError("There are COCO and Label Studio files. Name the one that is meant.")
    if kinds:
        return kinds.pop()
    if ".xml" in suffixes:
        first = _ending(files, ".xml")[0]
        return "cvat" if b"<annotations" in files[first]()[:2000] else "voc"
    if suffixes & {".txt", ".yaml", ".yml"}:
        return "yolo"
    if ".json" in suffixes:
        return "coco"  # which says what is wrong with it
    raise FormatError(
        "There is no annotation file: JSON (COCO, Label Studio), XML (Pascal VOC, CVAT), or TXT beside a "
        "data.yaml (YOLO)."
    )


def _json_kind(content: bytes) -> Format | None:
    """Return what a JSON file is; None: something else, as Label Studio's notes.json beside YOLO texts."""
    try:
        document = parse_json(content)
    except FormatError:
        return None
    if isinstance(document, list):
        return "labelstudio"
    return "coco" if isinstance(document, dict) and "images" in document else None


def _ending(files: Files, suffix: str) -> list[str]:
    return [name for name in files if name.lower().endswith(suffix)]


def _joined(
    files: Files, pictures: Files, suffix: str, kind: Format, read_one: Callable[[bytes], Dataset]
) -> Dataset:
    """Return what all files with a suffix say together: one for each side of the test set, or each task."""
    names = _ending(files, suffix)
    if not names:
        raise FormatError(f"{_NAMES[kind]} is a {suffix[1:].upper()} file, but there is none. Name it.")
    if len(names) == 1:
        return read_one(files[names[0]]())
    images: list[LabelledImage] = []
    classes: list[str] = []
    complaints: list[str] = []
    errors: list[str] = []
    by_tail = defaultdict[str, list[str]](list)
    for picture in pictures:
        by_tail[PurePosixPath(picture).name].append(picture)
    for name in names:
        try:
            dataset = read_one(files[name]())
        except FormatError as err:
            errors.append(f"{name}: {err}")
            continue
        images += [_placed(image, name, by_tail) for image in dataset.images]
        classes += dataset.classes
        complaints += dataset.complaints
    if len(errors) == len(names):
        raise FormatError(f"None of the {len(names)} {suffix[1:].upper()} files can be read. {errors[0]}")
    for file_name, n in Counter(image.file_name for image in images).items():
        if n > 1:
            raise FormatError(
                f"There are {n} {_NAMES[kind]} files on {file_name}. Name the one that is meant."
            )
    return Dataset(tuple(images), tuple(dict.fromkeys(classes)), (*complaints, *errors))


def _placed(image: LabelledImage, name: str, by_tail: Mapping[str, Sequence[str]]) -> LabelledImage:
    """Return an image of one file among several, under the name of its picture, with the file's split.

    Two folders may have pictures of one name. The one is meant whose folders share the most words with the
    path of the file: ``train/_annotations.coco.json``, or ``annotations/instances_train.json``.
    """
    words = {*folders(name), *PurePosixPath(name).stem.split("_")}
    shared = [
        (len(words.intersection(folders(picture))), picture)
        for picture in by_tail.get(PurePosixPath(image.file_name).name, ())
        if f"/{picture}".endswith(f"/{image.file_name}")
    ]
    most = [picture for n, picture in shared if n == max(shared)[0]]
    return replace(
        image,
        file_name=most[0] if len(most) == 1 else image.file_name,
        title=image.title or image.file_name,
        split=image.split or split_of((*folders(name), *PurePosixPath(name).stem.split("_"))),
    )
