"""CVAT for images 1.1: one XML file for all images.

Format: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/. A polygon, ellipse or mask
counts as the box around it; a box that is turned, or has no area, cannot be used.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from rbcal.errors import FormatError
from rbcal.formats import xml
from rbcal.formats.dataset import Box, Dataset, LabelledImage, corners, number, size, unusable, word
from rbcal.formats.layout import split_of
from rbcal.formats.masks import around, around_ellipse


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
    image = LabelledImage(
        file_name=word(element.get("name", "")).replace("\\", "/"),
        width=size(element.get("width")),
        height=size(element.get("height")),
        split=split_of([subset]) or ("work" if subset else None),
    )
    for place, shape in enumerate(element, start=1):
        if shape.tag == "tag":  # which says something of the whole image
            continue
        label = word(shape.get("label", ""))
        image.add(_box(shape) if label else "it has no label", label, f"{shape.tag} {place}")
    return image


def _box(shape: Element) -> Box | str:
    def numbers(*names: str) -> list[float]:
        return [number(shape.get(name)) for name in names]

    turned = number(shape.get("rotation", "0"))
    if shape.tag == "ellipse":
        cx, cy, rx, ry = numbers("cx", "cy", "rx", "ry")
        return around_ellipse(cx, cy, rx, ry, turned)
    if turned != 0:
        return "it is turned; a box has upright sides"
    if shape.tag == "box":
        return corners(numbers("xtl", "ytl", "xbr", "ybr"))
    if shape.tag == "mask":
        left, top, width, height = numbers("left", "top", "width", "height")
        return corners([left, top, left + width, top + height])
    if shape.tag == "polygon":
        return around([point.split(",") for point in shape.get("points", "").split(";")])
    return "it is no box, ellipse, polygon or mask"
