"""COCO object detection files: JSON text in, boxes and complaints out, and back.

Format: https://cocodataset.org/#format-data. A box is ``[x, y, width, height]`` in pixels; where
there is none, it is the box around the polygons or the mask. What the format has no word for is written as
further fields of an image, which other programs ignore: `group`, `split`, `annotated`, `title`, `layer`.
A cell that was left unsure has `unsure`, and is a crowd to other programs, which neither learn from it nor
count it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from rbcal.errors import FormatError
from rbcal.formats.dataset import Box, Dataset, LabelledImage, corners, number, size, unusable, word
from rbcal.formats.masks import around_coco

_Item = TypeVar("_Item")
_GROUP_KEYS = ("group", "slide", "patient")
_FURTHER = ("group", "split", "annotated", "title", "layer")


def read(text: str | bytes) -> Dataset:
    """Return the content of a COCO file; each box that cannot be used is skipped and named in `complaints`.

    Raises
    ------
    FormatError
        When the text is not JSON, not laid out as COCO says, or two images or categories share an id: nobody
        can tell then whose a box is.
    """
    document = parse_json(text)
    check_layout(document)
    names = _by_id(document["categories"], "a category", lambda row: word(_get(row, "name", "a category")))
    images = _by_id(document["images"], "an image", _image)
    complaints = []
    for row in document["annotations"]:
        image, where = images.get(_key(row, "image_id")), f"box {row.get('id', '?')}"
        if image is None:
            complaints.append(f"{where}: its image {row.get('image_id')!r} is not in the file")
        else:
            image.add(*_annotation(row, names), where, is_unsure=row.get("unsure") is True)
    used = {name for image in images.values() for name in image.classes}
    parents = [row.get("supercategory") for row in document["categories"]]
    classes = [name for name in names.values() if name in used or name not in parents]
    complaints += unusable(images.values())
    return Dataset(tuple(images.values()), tuple(dict.fromkeys(classes)), tuple(complaints))


def _annotation(row: Mapping[str, Any], names: Mapping[str | int | None, str]) -> tuple[Box | str, str]:
    """Return the box of an annotation, or what is wrong with it, and its class."""
    category = names.get(_key(row, "category_id"))
    if category is None:
        return f"its category {row.get('category_id')!r} is not in the file", ""
    if row.get("iscrowd") and row.get("unsure") is not True:
        return "it marks a crowd, not one cell", category
    box = _box(row.get("bbox"))
    if isinstance(box, str) and row.get("segmentation"):
        box = around_coco(row["segmentation"])
    return box, category


def write(
    images: Callable[[], Iterable[tuple[int, LabelledImage]]],
    classes: Sequence[str],
    rare: Collection[str] = (),
    about: str = "exported by rbcal",
) -> Iterator[str]:
    """Yield a COCO file piece by piece.

    A category has the id label + 1, whether it is used or not, so that it means the same in every export.

    Parameters
    ----------
    images : callable
        Gives the images anew, each with its id; they are gone through twice.
    classes : sequence of str
        The class of each label.
    rare : collection of str
        Those of them that are rare.
    about : str
        What the data set is.
    """
    labels = {name: label for label, name in enumerate(classes)}
    categories = [
        {"id": label + 1, "name": name, "supercategory": "cell"} | ({"rare": True} if name in rare else {})
        for name, label in labels.items()
    ]
    yield f'{{"info": {json.dumps({"description": about})},\n'
    yield f'"categories": {json.dumps(categories)},\n"images": ['
    yield from _joined(_image_row(image_id, image) for image_id, image in images())
    yield '],\n"annotations": ['
    boxes = (
        (image_id, box, labels[name], place in image.unsure)
        for image_id, image in images()
        for place, (box, name) in enumerate(zip(image.boxes, image.classes, strict=True))
    )
    yield from _joined(_annotation_row(number, *each) for number, each in enumerate(boxes, start=1))
    yield "]}\n"


def _joined(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for place, row in enumerate(rows):
        yield (",\n" if place else "\n") + json.dumps(row)


def _annotation_row(number: int, image_id: int, box: Box, label: int, is_unsure: bool) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    row = {
        "id": number,
        "image_id": image_id,
        "category_id": label + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": int(is_unsure),
    }
    return row | {"unsure": True} if is_unsure else row


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    FormatError
        When it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as err:
        raise FormatError(f"The annotation file is not JSON: {err}.") from err


def check_layout(document: Any) -> None:
    """Raise FormatError unless a JSON document is laid out as a COCO file."""
    for key in ("images", "annotations", "categories"):
        rows = document.get(key) if isinstance(document, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise FormatError(
                f"A COCO file is an object with lists of objects 'images', 'annotations' and 'categories'; "
                f"here {key!r} is missing or is something else."
            )


def _by_id(
    rows: Sequence[Mapping[str, Any]], what: str, read_row: Callable[[Mapping[str, Any]], _Item]
) -> dict[str | int | None, _Item]:
    """Return what the rows say, by their ids."""
    by_id: dict[str | int | None, _Item] = {}
    for row in rows:
        if (key := _get(row, "id", what)) in by_id:
            raise FormatError(
                f"In the COCO file, {what} has the 'id' {key!r} of another one. Give each its own."
            )
        by_id[key] = read_row(row)
    return by_id


def _image(row: Mapping[str, Any]) -> LabelledImage:
    split, annotated, title, layer = (row.get(key) for key in _FURTHER[1:])
    return LabelledImage(
        file_name=word(_get(row, "file_name", "an image")).replace("\\", "/"),
        width=size(row.get("width")),
        height=size(row.get("height")),
        group=next((name for key in _GROUP_KEYS if (name := word(row.get(key) or ""))), None),
        split=split if split in ("work", "test") else None,
        annotated=annotated if isinstance(annotated, bool) else None,
        title=word(title) if isinstance(title, str) else None,
        layer=layer if isinstance(layer, str) else None,
    )


def _image_row(image_id: int, image: LabelledImage) -> dict[str, Any]:
    own = {"id": image_id, "file_name": image.file_name, "width": image.width, "height": image.height}
    further = {key: getattr(image, key) for key in _FURTHER}
    return own | {key: value for key, value in further.items() if value is not None}


def _get(row: Mapping[str, Any], key: str, what: str) -> Any:
    value = row.get(key)
    if not isinstance(value, str | int):
        raise FormatError(f"In the COCO file, {what} has no valid {key!r}: {str(row)[:80]}")
    return value


def _key(row: Mapping[str, Any], name: str) -> str | int | None:
    value = row.get(name)
    return value if isinstance(value, str | int) else None


def _box(bbox: Any) -> Box | str:
    """Return the corners of a COCO box, or what is wrong with it."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return f"a box is [x, y, width, height], but got {str(bbox)[:60]}"
    if not all(isinstance(side, int | float) for side in bbox):
        return f"a box has four finite numbers, but got {str(bbox)[:60]}"
    x, y, width, height = map(number, bbox)
    return corners([x, y, x + width, y + height])
