"""COCO object detection files: JSON text in, boxes and complaints out, and back.

Format: https://cocodataset.org/#format-data. A box is ``[x, y, width, height]`` in pixels. What the format
has no word for is written as further fields of an image, which other programs ignore: `group`, `split`,
`annotated`, `title`, `layer`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from rbcal.errors import FormatError
from rbcal.formats.dataset import Box, Dataset, LabelledImage, corners, size, unusable, word

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
    used: Counter[str] = Counter()
    for row in document["annotations"]:
        owner, category = images.get(_key(row, "image_id")), names.get(_key(row, "category_id"))
        label = f"box {row.get('id', '?')}"
        if owner is None:
            complaints.append(f"{label}: its image {row.get('image_id')!r} is not in the file")
        elif category is None:
            owner.add(f"its category {row.get('category_id')!r} is not in the file", "", label)
        elif row.get("iscrowd"):
            owner.add("it marks a crowd, not one cell", category, label)
        else:
            owner.add(_box(row.get("bbox")), category, label)
    for image in images.values():
        used.update(image.classes)
    parents = {row.get("supercategory") for row in document["categories"]}
    classes = [name for name in names.values() if used[name] or name not in parents]
    complaints += unusable(images.values())
    return Dataset(tuple(images.values()), tuple(dict.fromkeys(classes)), tuple(complaints))


def write(
    images: Callable[[], Iterable[tuple[int, LabelledImage]]],
    classes: Sequence[str],
    rare: Iterable[str] = (),
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
    rare : iterable of str
        Those of them that are rare.
    about : str
        What the data set is.
    """
    marked = set(rare)
    labels = {name: label for label, name in enumerate(classes)}
    categories = [
        {"id": label + 1, "name": name, "supercategory": "cell", **({"rare": True} if name in marked else {})}
        for name, label in labels.items()
    ]
    yield f'{{"info": {json.dumps({"description": about})},\n'
    yield f'"categories": {json.dumps(categories)},\n"images": ['
    for place, (image_id, image) in enumerate(images()):
        yield (",\n" if place else "\n") + json.dumps(_image_row(image_id, image))
    yield '],\n"annotations": ['
    n = 0
    for image_id, image in images():
        for (x1, y1, x2, y2), name in zip(image.boxes, image.classes, strict=True):
            row = {
                "id": (n := n + 1),
                "image_id": image_id,
                "category_id": labels[name] + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            yield (",\n" if n > 1 else "\n") + json.dumps(row)
    yield "]}\n"


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
    found: dict[str | int | None, _Item] = {}
    for row in rows:
        if (key := _get(row, "id", what)) in found:
            raise FormatError(
                f"In the COCO file, {what} has the 'id' {key!r} of another one. Give each its own."
            )
        found[key] = read_row(row)
    return found


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
    row: dict[str, Any] = {
        "id": image_id,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
    }
    further = {key: getattr(image, key) for key in _FURTHER}
    return row | {key: value for key, value in further.items() if value is not None}


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
    x, y, width, height = bbox
    return corners([x, y, x + width, y + height])
