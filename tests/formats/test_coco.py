"""COCO files, good ones and those that people have."""

from __future__ import annotations

import json

import pytest

from rbcal.errors import FormatError
from rbcal.formats import coco


def document(**changes):
    good = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 50, "group": "slide 1"}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 15]}],
        "categories": [{"id": 3, "name": "disc"}],
    }
    return json.dumps(good | changes)


def with_box(**changes):
    annotation = {"id": 7, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 15]} | changes
    return document(annotations=[annotation])


def test_a_box_becomes_corners_with_the_name_of_its_class():
    read = coco.read(document())
    [image] = read.images
    assert (image.file_name, image.width, image.height, image.group) == ("a.png", 100, 50, "slide 1")
    assert image.boxes == [(10, 20, 40, 35)]
    assert image.classes == ["disc"]
    assert read.classes == ("disc",)
    assert read.complaints == ()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"bbox": [10, 20, 0, 15]}, "a.png: box 7: its area is zero (0 x 15)"),
        ({"bbox": [10, 20, -5, 15]}, "a.png: box 7: its area is zero (-5 x 15)"),
        ({"bbox": [10, 20, 30]}, "a.png: box 7: a box is [x, y, width, height], but got [10, 20, 30]"),
        ({"bbox": None}, "a.png: box 7: a box is [x, y, width, height], but got None"),
        ({"bbox": [float("nan"), 1, 2, 3]}, "a.png: box 7: a box has four finite numbers"),
        ({"bbox": ["1", 1, 2, 3]}, "a.png: box 7: a box has four finite numbers"),
        ({"iscrowd": 1}, "a.png: box 7: it marks a crowd, not one cell"),
        ({"image_id": 99}, "box 7: its image 99 is not in the file"),
        ({"image_id": [1]}, "box 7: its image [1] is not in the file"),
        ({"category_id": 99}, "a.png: box 7: its category 99 is not in the file"),
    ],
)
def test_a_box_that_cannot_be_used_is_named_and_skipped(changes, complaint):
    read = coco.read(with_box(**changes))
    assert read.images[0].boxes == []
    assert read.complaints[0].startswith(complaint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff\xfe\x00", "not JSON"),
        ("{", "not JSON"),
        ("[]", "'images' is missing"),
        (document(annotations=None), "'annotations' is missing"),
        (document(categories=["disc"]), "'categories' is missing"),
        (document(images=[{"id": 1}]), "an image has no valid 'file_name'"),
        (document(categories=[{"name": "x"}]), "a category has no valid 'id'"),
    ],
)
def test_what_is_not_coco_is_refused(text, message):
    with pytest.raises(FormatError, match=message):
        coco.read(text)


@pytest.mark.parametrize(
    ("changes", "box"),
    [
        ({"bbox": [], "segmentation": [[1, 2, 5, 9, 3, 4], [2, 1, 3, 1]]}, (1, 1, 5, 9)),
        ({"bbox": None, "segmentation": {"size": [3, 4], "counts": [4, 2, 6]}}, (1, 1, 2, 3)),
        ({"segmentation": [[1, 2, 5, 9, 3, 4]]}, (10, 20, 40, 35)),
    ],
)
def test_a_mask_or_outline_stands_in_for_a_box_that_is_missing(changes, box):
    [image] = coco.read(with_box(**changes)).images
    assert (image.boxes, image.is_annotated) == ([box], True)


def test_an_image_with_one_box_too_few_is_not_annotated():
    boxes = [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, width]} for width in (15, 0)]
    [image] = coco.read(document(annotations=boxes)).images
    assert (len(image.boxes), image.is_annotated) == (1, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"categories": [{"id": 3, "name": "disc", "supercategory": ["cell"]}]},
        {"annotations": [{"image_id": 1, "category_id": 3, "bbox": [0.5, 20, 10**400, 15]}]},
        {"images": [{"id": 1, "file_name": "a.png", "width": 10**400}]},
    ],
)
def test_what_no_program_writes_is_no_traceback(changes):
    assert len(coco.read(document(**changes)).images) == 1


def test_a_category_that_only_heads_others_is_no_class():
    categories = [{"id": 0, "name": "cells"}, {"id": 3, "name": "disc", "supercategory": "cells"}]
    assert coco.read(document(categories=categories)).classes == ("disc",)


def test_a_class_without_a_box_is_a_class():
    categories = [{"id": 3, "name": "disc"}, {"id": 4, "name": "slit"}]
    assert coco.read(document(categories=categories)).classes == ("disc", "slit")


@pytest.mark.parametrize("key", ["group", "slide", "patient"])
def test_a_group_is_a_slide_or_a_patient(key):
    images = [{"id": 1, "file_name": "a.png", key: 12}]
    assert coco.read(document(images=images)).images[0].group == "12"


def test_a_path_of_windows_is_a_path():
    images = [{"id": 1, "file_name": "slide 1\\a.png"}]
    assert coco.read(document(images=images)).images[0].file_name == "slide 1/a.png"


@pytest.mark.parametrize("rows", ["images", "categories"])
def test_two_rows_of_one_id_are_refused(rows):
    document = {"images": [], "annotations": [], "categories": []}
    document[rows] = [{"id": 1, "name": "disc", "file_name": "a.png"}] * 2
    with pytest.raises(FormatError, match="has the 'id' 1 of another one"):
        coco.read(json.dumps(document))


def test_names_that_no_project_can_hold_become_ones_that_it_can():
    image = {"id": 1, "file_name": "a.png", "group": "\ud800", "title": "\0b"}
    dataset = coco.read(
        json.dumps({"images": [image], "annotations": [], "categories": [{"id": 1, "name": "\udfff"}]})
    )
    assert dataset.images[0].group == "\\ud800"
    assert dataset.images[0].title == "b"
    assert dataset.classes == ("\\udfff",)
