"""Label Studio: the JSON export, a list of tasks.

Format: https://labelstud.io/guide/export. The sides of a rectangle are percent of the picture's width and
height. The last annotation of a task that was not cancelled counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from rbcal.errors import FormatError
from rbcal.formats.coco import parse_json
from rbcal.formats.dataset import Box, Dataset, LabelledImage, corners, number, size, unusable, word
from rbcal.formats.pictures import SUFFIXES

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file


def read(content: bytes) -> Dataset:
    """Return what the tasks say; each region that cannot be used is skipped and named in `complaints`.

    Raises
    ------
    FormatError
        When it is not such a file.
    """
    tasks = parse_json(content)
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks
    ):
        raise FormatError("A Label Studio export is a list of tasks, each with 'data'. Export as JSON.")
    complaints: list[str] = []
    images = [image for task in tasks if (image := _image(task, complaints)) is not None]
    classes = dict.fromkeys(label for image in images for label in image.classes)
    return Dataset(tuple(images), tuple(classes), (*complaints, *unusable(images)))


def file_name(address: str) -> str:
    """Return the name of the file that a task shows, without what Label Studio put before it.

    >>> file_name("/data/upload/3/0a1b2c3d-slide%201.png"), file_name("/data/local-files/?d=slides/2.png")
    ('slide 1.png', '2.png')
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # it is no address, so it is a name
        return word(address).replace("\\", "/").rsplit("/", 1)[-1]
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    tail = word(path).replace("\\", "/").rsplit("/", 1)[-1]
    return _UPLOAD.sub("", tail) if "/upload/" in parts.path else tail


def _image(task: Mapping[str, Any], complaints: list[str]) -> LabelledImage | None:
    field = max(task["data"].items(), key=_picture_likelihood, default=("", None))
    address = field[1] if _picture_likelihood(field) else None
    if address is None:
        complaints.append(f"task {task.get('id', '?')}: it shows no picture")
        return None
    done = [
        each
        for each in task.get("annotations") or []
        if isinstance(each, dict) and not each.get("was_cancelled") and isinstance(each.get("result"), list)
    ]
    regions = [region for region in (done[-1]["result"] if done else []) if isinstance(region, dict)]
    name, first = file_name(address), regions[0] if regions else {}
    image = LabelledImage(
        name, size(first.get("original_width")), size(first.get("original_height")), annotated=bool(done)
    )
    for place, region in enumerate(regions, start=1):
        if region.get("type") in ("choices", "textarea", "rating", "number", "labels"):
            continue  # it says something of the whole image
        box, label = _region(region)
        image.add(box, label, f"region {place}")
    return image


def _region(region: Mapping[str, Any]) -> tuple[Box | str, str]:
    """Return the box of a region, or what is wrong with it, and its class."""
    value = region.get("value")
    labels = value.get("rectanglelabels") if isinstance(value, dict) else None
    if region.get("type") != "rectanglelabels" or not isinstance(value, dict):
        return "it is no rectangle with a label", ""
    if not isinstance(labels, list) or not labels or not isinstance(labels[0], str):
        return "it has no label", ""
    if number(value.get("rotation") or 0) != 0 or number(region.get("image_rotation") or 0) != 0:
        return "it is turned; a box has upright sides", ""
    width, height = number(region.get("original_width")), number(region.get("original_height"))
    x, y, w, h = (number(value.get(side)) for side in ("x", "y", "width", "height"))
    box = corners([x / 100 * width, y / 100 * height, (x + w) / 100 * width, (y + h) / 100 * height])
    return box, word(labels[0])


def _picture_likelihood(entry: tuple[str, Any]) -> int:
    """Return how much a field of a task looks like the address of its picture; 0: not at all."""
    key, value = entry
    if not isinstance(value, str):
        return 0
    return ("/" in value) + 2 * (key in ("image", "img")) + 4 * value.lower().endswith(SUFFIXES)
