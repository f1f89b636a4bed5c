"""Label Studio: the JSON export, a list of tasks.

Format: https://labelstud.io/guide/export. Places are percent of the picture's width and height. Of a polygon,
an ellipse or a brush mask the box around it counts. Of several annotations of a task that were not cancelled
the one that is marked as ground truth counts, else the last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from rbcal.errors import FormatError
from rbcal.formats.coco import parse_json
from rbcal.formats.dataset import Box, Dataset, LabelledImage, corners, number, size, unusable, word
from rbcal.formats.masks import around, around_brush, around_ellipse
from rbcal.formats.pictures import SUFFIXES

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
# Entries that say something of the whole image, or of another entry.
_OF_THE_IMAGE = ("choices", "textarea", "rating", "number", "taxonomy", "datetime", "pairwise", "relation")


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
    done = _annotations(task)
    regions = _regions(_counting(done))
    name, first = file_name(address), regions[0] if regions else {}
    image = LabelledImage(
        name, size(first.get("original_width")), size(first.get("original_height")), annotated=bool(done)
    )
    if not regions and any(map(_regions, done)) and not any(each.get("ground_truth") for each in done):
        image.add(
            "it has no cells, but another one has: mark the right one as ground truth",
            "",
            "the last annotation",
        )
    for place, region in enumerate(regions, start=1):
        image.add(*_region(region), f"region {place}")
    return image


def _annotations(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the annotations of a task that were not cancelled."""
    all_of_them = task.get("annotations")
    return [
        each
        for each in (all_of_them if isinstance(all_of_them, list) else [])
        if isinstance(each, dict) and not each.get("was_cancelled") and isinstance(each.get("result"), list)
    ]


def _counting(done: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the annotation that counts; an empty one where there is none."""
    truths = [each for each in done if each.get("ground_truth")]
    return ([{"result": []}, *done, *truths])[-1]


def _regions(annotation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what an annotation marks: a shape and its label, which may be two entries of one id."""
    entries = [each if isinstance(each, dict) else {} for each in annotation["result"]]
    entries = [each for each in entries if each.get("type") not in _OF_THE_IMAGE]
    labelled = {str(each["id"]) for each in entries if "id" in each and _label(each)}
    return [each for each in entries if _label(each) or str(each.get("id")) not in labelled]


def _label(region: Mapping[str, Any]) -> str:
    """Return the class of a region: ``rectanglelabels``, ``brushlabels``, ...; empty where there is none."""
    value = region.get("value")
    named = [each for key, each in value.items() if key.endswith("labels")] if isinstance(value, dict) else []
    first = named[0][0] if named and isinstance(named[0], list) and named[0] else ""
    return word(first) if isinstance(first, str) else ""


def _region(region: Mapping[str, Any]) -> tuple[Box | str, str]:
    """Return the box of a region, or what is wrong with it, and its class."""
    value, label = region.get("value"), _label(region)
    if not isinstance(value, dict) or not label:
        return "it has no label", ""
    width, height = number(region.get("original_width")), number(region.get("original_height"))
    turned = number(value.get("rotation") or 0)
    if number(region.get("image_rotation") or 0) != 0:
        return "its picture is turned", ""
    if "rle" in value:
        return around_brush(value["rle"], size(height), size(width)), label
    if isinstance(points := value.get("points"), list):
        return around([_scaled(point, width, height) for point in points]), label
    x, y, w, h, rx, ry = (
        number(value.get(side)) for side in ("x", "y", "width", "height", "radiusX", "radiusY")
    )
    x, y = x / 100 * width, y / 100 * height
    if "radiusX" in value:
        return around_ellipse(x, y, rx / 100 * width, ry / 100 * height, turned), label
    if turned != 0:
        return "it is turned; a box has upright sides", ""
    return corners([x, y, x + w / 100 * width, y + h / 100 * height]), label


def _scaled(point: Any, width: float, height: float) -> list[float]:
    """Return a point in pixels that is given in percent; empty where it is no point."""
    if not isinstance(point, list) or len(point) != 2:
        return []
    return [number(point[0]) / 100 * width, number(point[1]) / 100 * height]


def _picture_likelihood(entry: tuple[str, Any]) -> int:
    """Return how much a field of a task looks like the address of its picture; 0: not at all."""
    key, value = entry
    if not isinstance(value, str):
        return 0
    return ("/" in value) + 2 * (key in ("image", "img")) + 4 * value.lower().endswith(SUFFIXES)
