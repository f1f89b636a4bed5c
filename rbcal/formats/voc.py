"""Pascal VOC: one XML file an image.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html. The sides of a box are
read and written as they are, with fractions, as labelImg and CVAT do; the files of the contest itself count
pixels from 1, so their left and top sides come out one pixel late. An image whose file has no object is
annotated: it has no cell. The group goes into `folder`, the test set into ``ImageSets/Main/test.txt``.

What rbcal writes on images that are not annotated says so in the element `annotated`, and on a cell that was
left unsure in the element `unsure`; to other programs it is difficult, which they do not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rbcal.errors import FormatError
from rbcal.formats import xml
from rbcal.formats.dataset import Dataset, LabelledImage, Split, corners, number, size, unusable
from rbcal.formats.files import Files, lines
from rbcal.formats.layout import folders, is_layout, split_of
from rbcal.formats.names import composed

_COLUMNS = "# label:color_rgb:parts:actions"
_OURS = "rbcal"  # the database that our files come from


def read(files: Files) -> Dataset:
    """Return what the XML files say; each box that cannot be used is skipped and named in `complaints`.

    Raises
    ------
    FormatError
        When there is no VOC file at all.
    """
    images: list[LabelledImage] = []
    complaints: list[str] = []
    test = _listed(files, "test.txt")
    for name in sorted(name for name in files if name.lower().endswith(".xml")):
        try:
            root = xml.parse(files[name](), name)
        except FormatError as err:
            complaints.append(str(err))
            continue
        if root.tag != "annotation":
            complaints.append(f"{name}: it is no Pascal VOC file: it begins with <{root.tag[:40]}>")
            continue
        split = split_of(folders(name)) if test is None else "test" if test & _ends(name) else "work"
        images.append(_image(root, name, split))
    if not images:
        raise FormatError("There is no Pascal VOC file: an XML file that begins with <annotation>.")
    classes = dict.fromkeys(label for image in images for label in image.classes)
    return Dataset(tuple(images), tuple(classes), (*unusable(images), *complaints))


def write(image: LabelledImage) -> bytes:
    """Return the VOC file of one image."""
    root = Element("annotation")
    _add(root, "folder", image.group or "")
    _add(root, "filename", image.file_name)
    _add(SubElement(root, "source"), "database", _OURS)
    for key, value in (("title", image.title), ("layer", image.layer)):
        if value:
            _add(root, key, value)
    if image.annotated is False:
        _add(root, "annotated", "0")
        _add(root, "split", image.split or "work")
    area = SubElement(root, "size")
    for key, pixels in (("width", image.width), ("height", image.height), ("depth", 3)):
        _add(area, key, str(pixels))
    _add(root, "segmented", "0")
    for place, (box, name) in enumerate(zip(image.boxes, image.classes, strict=True)):
        thing, is_unsure = SubElement(root, "object"), place in image.unsure
        difficult = str(int(is_unsure))
        for key, value in (
            ("name", name),
            ("pose", "Unspecified"),
            ("truncated", "0"),
            ("difficult", difficult),
        ):
            _add(thing, key, value)
        if is_unsure:
            _add(thing, "unsure", "1")
        sides = SubElement(thing, "bndbox")
        for key, side in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            _add(sides, key, f"{side:.3f}")
    indent(root)
    return tostring(root, "utf-8", xml_declaration=True)


def label_map(classes: Sequence[str]) -> str:
    """Return ``labelmap.txt``, by which CVAT and datumaro know the classes."""
    named = [re.sub(r"[:\s]+", " ", name) for name in classes]  # a colon parts the columns
    return "".join(f"{line}\n" for line in (_COLUMNS, *(f"{name}:::" for name in ("background", *named))))


def _image(root: Element, name: str, split: Split | None) -> LabelledImage:
    folder, is_ours = xml.text(root, "folder"), xml.text(root, "source/database") == _OURS
    is_open = xml.text(root, "annotated") == "0"
    if is_open:
        split = "test" if xml.text(root, "split") == "test" else "work"
    image = LabelledImage(
        file_name=xml.text(root, "filename").replace("\\", "/") or PurePosixPath(name).stem,
        width=size(xml.text(root, "size/width")),
        height=size(xml.text(root, "size/height")),
        group=folder or None if is_ours or not is_layout(folder) else None,
        split=split,
        annotated=not is_open,
        title=xml.text(root, "title") or None,
        layer=xml.text(root, "layer") or None,
    )
    for place, thing in enumerate(root.iter("object"), start=1):
        label = xml.text(thing, "name")
        sides = [number(xml.text(thing, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
        is_unsure = xml.text(thing, "unsure") == "1"
        image.add(
            corners(sides) if label else "it has no name", label, f"object {place}", is_unsure=is_unsure
        )
    return image


def _listed(files: Files, tail: str) -> set[str] | None:
    """Return the images that a list names, without their endings; None where there is no such list."""
    lists = [name for name in files if name.endswith(f"ImageSets/Main/{tail}")]
    if not lists:
        return None
    return {composed(line.strip('"')) for name in lists for line in lines(files[name]()) if line}


def _ends(name: str) -> set[str]:
    """Return what a list may call an annotation file: its name, with some of its folders or none."""
    parts = PurePosixPath(name).with_suffix("").parts
    return {"/".join(parts[start:]) for start in range(len(parts))}


def _add(parent: Element, name: str, value: str) -> None:
    r"""Add an element; what XML cannot hold is written as ``\x01``, so that two slides stay two."""
    SubElement(parent, name).text = "".join(
        character if _is_allowed(character) else f"\\x{ord(character):02x}" for character in value
    )


def _is_allowed(character: str) -> bool:
    """Return whether XML gives a character back: of the controls, only tab and line feed."""
    return character in "\t\n" or (
        character >= " " and character not in "\ufffe\uffff" and not "\ud800" <= character <= "\udfff"
    )
