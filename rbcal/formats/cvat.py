"""CVAT for images 1.1: one XML file for all images.

Format: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/. A polygon or ellipse counts as the box
around it; what is turned, or has no area, cannot be used.
"""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element

from rbcal.errors import FormatError
from rbcal.formats import xml
from rbcal.formats.dataset import Box, Dataset, LabelledImage, Split, corners, number, size, unusable

_TEST = ("test", "testing")


def read(content: bytes) -> Dataset:
    """Return what the file says; each shape that cannot be used is skipped and named in `complaints`.

    Raises
    ------
    FormatError
        When it is not such a file.
    """
    root = xml.parse(content, "The CVAT file")
    if root.tag != "annotations":
        raise FormatError(f"A CVAT file begins with <annotations>, but this one with <{root.tag[:40]}>.")
    if root.find("track") is not None:
        raise FormatError("This is CVAT for video. Export the task as 'CVAT for images 1.1'.")
    images = [_image(element) for element in root.iter("image")]
    declared = [xml.text(label, "name") for label in root.iter("label")]
    used = [label for image in images for label in image.classes]
    return Dataset(tuple(images), tuple(dict.fromkeys(filter(None, [*declared, *used]))), unusable(images))


def _image(element: Element) -> LabelledImage:
    subset = element.get("subset", "")
    split: Split | None = "test" if subset.lower() in _TEST else "work" if subset else None
    image = LabelledImage(
        file_name=element.get("name", "").replace("\\", "/"),
        width=size(element.get("width")),
        height=size(element.get("height")),
        split=split,
    )
    for place, shape in enumerate(element, start=1):
        label = shape.get("label")
        if label is not None and shape.tag != "tag":  # which says something of the whole image
            image.add(_box(shape), label, f"{shape.tag} {place}")
    return image


def _box(shape: Element) -> Box | str:
    if number(shape.get("rotation", "0")) != 0:
        return "it is turned; a box has upright sides"
    if shape.tag == "box":
        return corners([number(shape.get(side)) for side in ("xtl", "ytl", "xbr", "ybr")])
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (number(shape.get(part)) for part in ("cx", "cy", "rx", "ry"))
        return corners([cx - rx, cy - ry, cx + rx, cy + ry])
    if shape.tag == "polygon":
        points = [[number(part) for part in point.split(",")] for point in shape.get("points", "").split(";")]
        if any(len(point) != 2 or not all(map(math.isfinite, point)) for point in points):
            return "its points are not pairs of finite numbers"
        xs, ys = zip(*points, strict=True)
        return corners([min(xs), min(ys), max(xs), max(ys)])
    return "it is no box, ellipse or polygon"
