"""COCO object detection files: JSON text in, boxes and complaints out.

Format: https://cocodataset.org/#format-data. A box is ``[x, y, width, height]`` in pixels.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rbcal.errors import FormatError

Box = tuple[float, float, float, float]
_GROUP_KEYS = ("group", "slide", "patient")


@dataclass(frozen=True)
class CocoImage:
    """An image of the file: its boxes as ``x1, y1, x2, y2``, its class names, its group or None.

    Width and height are 0 where the file does not say.
    """

    file_name: str
    width: int
    height: int
    group: str | None
    boxes: list[Box] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CocoFile:
    """What a COCO file holds: images, class names in its own order, and what could not be used and why."""

    images: tuple[CocoImage, ...]
    classes: tuple[str, ...]
    complaints: tuple[str, ...]


def read(text: str | bytes) -> CocoFile:
    """Return the content of a COCO file; each box that cannot be used is skipped and named in `complaints`.

    Raises
    ------
    FormatError
        When the text is not JSON, or not laid out as COCO says.
    """
    document = _parse(text)
    names = {
        _get(row, "id", "a category"): str(_get(row, "name", "a category")) for row in document["categories"]
    }
    images = {}
    complaints = []
    for row in document["images"]:
        image = CocoImage(
            file_name=str(_get(row, "file_name", "an image")).replace("\\", "/"),
            width=_size(row.get("width")),
            height=_size(row.get("height")),
            group=next((str(row[key]) for key in _GROUP_KEYS if row.get(key) not in (None, "")), None),
        )
        images[_get(row, "id", "an image")] = image
    used: Counter[str] = Counter()
    for row in document["annotations"]:
        owner, category = images.get(_key(row, "image_id")), names.get(_key(row, "category_id"))
        label = f"box {row.get('id', '?')}"
        if owner is None:
            complaints.append(f"{label}: its image {row.get('image_id')!r} is not in the file")
        elif category is None:
            complaints.append(
                f"{owner.file_name}: {label}: its category {row.get('category_id')!r} is not in the file"
            )
        elif row.get("iscrowd"):
            complaints.append(f"{owner.file_name}: {label}: it marks a crowd, not one cell")
        elif isinstance(box := _box(row.get("bbox")), str):
            complaints.append(f"{owner.file_name}: {label}: {box}")
        else:
            owner.boxes.append(box)
            owner.classes.append(category)
            used[category] += 1
    parents = {row.get("supercategory") for row in document["categories"]}
    classes = [name for name in names.values() if used[name] or name not in parents]
    return CocoFile(tuple(images.values()), tuple(dict.fromkeys(classes)), tuple(complaints))


def _parse(text: str | bytes) -> Mapping[str, list[dict[str, Any]]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise FormatError(f"The annotation file is not JSON: {err}.") from err
    for key in ("images", "annotations", "categories"):
        rows = document.get(key) if isinstance(document, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise FormatError(
                f"A COCO file is an object with lists of objects 'images', 'annotations' and 'categories'; "
                f"here {key!r} is missing or is something else."
            )
    return document


def _get(row: Mapping[str, Any], key: str, what: str) -> Any:
    value = row.get(key)
    if not isinstance(value, str | int):
        raise FormatError(f"In the COCO file, {what} has no valid {key!r}: {str(row)[:80]}")
    return value


def _key(row: Mapping[str, Any], name: str) -> str | int | None:
    value = row.get(name)
    return value if isinstance(value, str | int) else None


def _size(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else 0


def _box(bbox: Any) -> Box | str:
    """Return the corners of a COCO box, or what is wrong with it."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return f"a box is [x, y, width, height], but got {str(bbox)[:60]}"
    if not all(isinstance(side, int | float) and math.isfinite(side) for side in bbox):
        return f"a box has four finite numbers, but got {str(bbox)[:60]}"
    x, y, width, height = map(float, bbox)
    if width <= 0 or height <= 0:
        return f"its area is zero ({width:g} x {height:g})"
    return x, y, x + width, y + height
