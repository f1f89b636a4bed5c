"""Annotation files as other programs write them, good ones and those that strangers send."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbcal.errors import FormatError, RbcalError
from rbcal.formats import cvat, labels, labelstudio, voc, yolo
from rbcal.formats.dataset import LabelledImage

PICTURES = {"images/train/a.png": lambda: b"", "images/test/slide 2/b.png": lambda: b"", "c.png": lambda: b""}


def as_files(**contents):
    return {name: (lambda content=content: content) for name, content in contents.items()}


def size_of(_content):
    return 200, 100


# Pascal VOC

VOC = b"""<annotation><folder>slide 7</folder><filename>a.png</filename>
<size><width>200</width><height>100</height><depth>3</depth></size>
<object><name>disc</name><difficult>1</difficult>
<bndbox><xmin>10.5</xmin><ymin>20</ymin><xmax>40</xmax><ymax>35</ymax></bndbox></object>
<object><name>slit</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>10</xmax><ymax>35</ymax></bndbox></object>
<object><name>slit</name></object></annotation>"""


def test_voc_gives_boxes_groups_and_names_what_cannot_be_used():
    dataset = voc.read(as_files(**{"a.xml": VOC, "b.xml": b"<html/>", "c.xml": b"<annotation>"}))
    [image] = dataset.images
    assert (image.file_name, image.width, image.group) == ("a.png", 200, "slide 7")
    assert (image.boxes, image.classes) == ([(10.5, 20, 40, 35)], ["disc"])
    first, second, third, fourth = dataset.complaints
    assert "object 2: its area is zero" in first
    assert "object 3: a box has four finite numbers" in second
    assert "b.xml: it is no Pascal VOC file" in third
    assert "c.xml is not XML" in fourth


def test_a_voc_file_without_objects_is_an_annotated_image():
    [image] = voc.read(as_files(**{"a.xml": voc.write(LabelledImage("a.png", 9, 9))})).images
    assert image.is_annotated
    assert image.boxes == []


@pytest.mark.parametrize(
    "bomb",
    [
        b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;">]><annotation>&c;</annotation>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotations>&b;</annotations>',
    ],
)
@pytest.mark.parametrize("kind", ["voc", "cvat"])
def test_xml_that_opens_files_or_fills_the_memory_is_refused(bomb, kind):
    with pytest.raises(FormatError, match="Pascal VOC" if kind == "voc" else "not XML"):
        labels.read(as_files(**{"a.xml": bomb}), {}, size_of, kind)


@given(st.text(min_size=1))
def test_voc_can_write_and_read_any_name(name):
    written = voc.write(
        LabelledImage("a.png", 9, 9, group=name, boxes=[(1, 2, 3, 4)], classes=["x"], title=name)
    )
    [image] = voc.read(as_files(**{"a.xml": written})).images
    assert image.boxes == [(1, 2, 3, 4)]


def test_voc_keeps_two_groups_apart_that_differ_only_in_what_xml_cannot_hold():
    written = [
        voc.write(LabelledImage("a.png", 9, 9, group=group)) for group in ("a\x01b", "ab", "a\rb", "a\nb")
    ]
    dataset = voc.read(as_files(**{f"{place}.xml": content for place, content in enumerate(written)}))
    assert [image.group for image in dataset.images] == ["a\\x01b", "ab", "a\\x0db", "a\nb"]


# YOLO


def test_yolo_counts_in_parts_of_the_picture_and_knows_groups_splits_and_empty_images():
    texts = {
        "data.yaml": b"names: {0: disc, 1: slit}",
        "labels/train/a.txt": b"1 0.5 0.5 0.1 0.2\n",
        "labels/test/slide 2/b.txt": b"",
    }
    dataset = yolo.read(as_files(**texts), PICTURES, size_of)
    a, b, c = dataset.images
    assert a.boxes == [pytest.approx((90, 40, 110, 60))]
    assert (a.classes, a.split, a.group) == (["slit"], "work", None)
    assert (b.split, b.group, b.is_annotated, b.boxes) == ("test", "slide 2", True, [])
    assert not c.is_annotated
    assert dataset.classes == ("disc", "slit")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("7 0.5 0.5 0.1 0.1", "there is no class 7"),
        ("0 0.5 0.5 0 0.1", "its area is zero"),
        ("0 nan 0.5 0.1 0.1", "four finite numbers"),
        ("disc 0.5 0.5 0.1 0.1", "there is no class disc"),
        ("0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8", "it must be class, centre x"),
    ],
)
def test_a_yolo_line_that_cannot_be_used_is_named(line, complaint):
    texts = {"classes.txt": b"disc\nslit\n", "labels/train/a.txt": line.encode()}
    dataset = yolo.read(as_files(**texts), PICTURES, size_of)
    assert complaint in dataset.complaints[0]
    assert "line 1" in dataset.complaints[0]


@pytest.mark.parametrize(
    "text",
    [
        b"names: 5",
        b"names: disc",
        b"names: {.inf: a}",
        b"names: [[a, b]]",  # many of these in each other, by reference, are gigabytes of text
        b"nc: 3",
        b"[",
        b"names: [!!python/object/apply:os.system ['id']]",
    ],
)
def test_a_data_yaml_that_names_no_classes_is_said_so_and_runs_nothing(text):
    with pytest.raises(FormatError, match=r"data\.yaml"):
        yolo.read(as_files(**{"data.yaml": text}), PICTURES, size_of)


@pytest.mark.parametrize("name", ["test", "train", "README", "classes"])
def test_a_text_that_is_named_like_a_list_still_belongs_to_its_picture(name):
    texts = {"data.yaml": b"names: [disc]", f"labels/train/{name}.txt": b"0 0.5 0.5 0.1 0.2"}
    dataset = yolo.read(as_files(**texts), {f"images/train/{name}.png": lambda: b""}, size_of)
    assert [len(image.boxes) for image in dataset.images] == [1]
    assert dataset.complaints == ()


def test_pictures_of_one_name_in_two_folders_keep_their_own_boxes():
    pictures = {"train/images/1.png": lambda: b"", "test/images/1.png": lambda: b""}
    texts = {
        "data.yaml": b"names: [disc]",
        "train/labels/1.txt": b"0 0.5 0.5 0.1 0.2",
        "test/labels/1.txt": b"",
    }
    first, second = yolo.read(as_files(**texts), pictures, size_of).images
    assert (len(first.boxes), first.split) == (1, "work")
    assert (len(second.boxes), second.split, second.is_annotated) == (0, "test", True)


def test_a_text_elsewhere_is_paired_by_its_name_unless_two_have_it():
    texts = {"classes.txt": b"disc", "labels/a.txt": b"0 0.5 0.5 0.1 0.2"}
    [image] = yolo.read(as_files(**texts), {"slides/images/a.png": lambda: b""}, size_of).images
    assert len(image.boxes) == 1
    two = {"1/images/a.png": lambda: b"", "2/images/a.png": lambda: b""}
    dataset = yolo.read(as_files(**texts), two, size_of)
    assert [image.is_annotated for image in dataset.images] == [False, False]
    assert dataset.complaints == ("labels/a.txt: there is no picture of that name",)


# CVAT

CVAT = b"""<annotations><version>1.1</version><meta><task><labels><label><name>disc</name></label>
<label><name>slit</name></label></labels></task></meta>
<image id="0" name="d/a.png" subset="Test" width="200" height="100">
<box label="disc" xtl="10.5" ytl="20" xbr="40" ybr="35"/>
<polygon label="slit" points="1,2;5,9;3,4"/><polygon label="slit" points="1,2;nan,9;3,4"/>
<ellipse label="slit" cx="20" cy="30" rx="5" ry="6"/>
<box label="disc" xtl="1" ytl="1" xbr="5" ybr="5" rotation="30"/><points label="disc" points="1,2"/></image>
<image id="1" name="b.png" width="200" height="100"/></annotations>"""


def test_cvat_gives_boxes_and_the_boxes_around_polygons_and_ellipses():
    dataset = cvat.read(CVAT)
    image, other = dataset.images
    assert image.boxes == [(10.5, 20, 40, 35), (1, 2, 5, 9), (15, 24, 25, 36)]
    assert (image.split, other.split, other.is_annotated) == ("test", None, False)
    assert dataset.classes == ("disc", "slit")
    assert [line.split(": ", 1)[1] for line in dataset.complaints] == [
        "polygon 3: its points are not pairs of finite numbers",
        "box 5: it is turned; a box has upright sides",
        "points 6: it is no box, ellipse or polygon",
    ]


def test_cvat_for_video_is_said_so():
    with pytest.raises(FormatError, match="CVAT for images"):
        cvat.read(b"<annotations><track/></annotations>")


# Label Studio


def task(*regions, **changes):
    done = {"result": list(regions)} | changes
    return {"id": 4, "data": {"image": "/data/upload/1/0a1b2c3d-a%20b.png"}, "annotations": [done]}


def region(**changes):
    value = {"x": 10, "y": 20, "width": 5, "height": 10, "rotation": 0, "rectanglelabels": ["disc"]} | changes
    return {"type": "rectanglelabels", "original_width": 200, "original_height": 100, "value": value}


def test_label_studio_counts_in_percent_and_its_names_lead_to_the_pictures():
    [image] = labelstudio.read(json.dumps([task(region())]).encode()).images
    assert (image.file_name, image.boxes, image.classes) == ("a b.png", [(20, 20, 30, 30)], ["disc"])


def test_the_last_annotation_that_was_not_cancelled_counts():
    each = task(region())
    each["annotations"].append({"result": [], "was_cancelled": True})
    [image] = labelstudio.read(json.dumps([each]).encode()).images
    assert len(image.boxes) == 1
    [empty] = labelstudio.read(json.dumps([task()]).encode()).images
    assert empty.is_annotated


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (region(rotation=12), "it is turned"),
        (region(rectanglelabels=[]), "it has no label"),
        (region(x="left"), "four finite numbers"),
        ({"type": "polygonlabels", "value": {}}, "it is no rectangle"),
    ],
)
def test_a_region_that_cannot_be_used_is_named(bad, complaint):
    dataset = labelstudio.read(json.dumps([task(bad)]).encode())
    assert complaint in dataset.complaints[0]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"patient": "A.B.", "image": "/data/upload/1/0a1b2c3d-a.png"}, "a.png"),
        ({"link": "http://x.org/case/7", "slide": "s3://bucket/a.png"}, "a.png"),
        ({"image": "file:///slides/a.png"}, "a.png"),
        ({"image": "/data/local-files/?d=slides/50%25.png"}, "50%.png"),
        ({"image": "http://[x/a.png"}, "a.png"),
    ],
)
def test_the_picture_of_a_task_is_recognised_among_its_fields(fields, name):
    [image] = labelstudio.read(json.dumps([{"data": fields}]).encode()).images
    assert image.file_name == name


def test_a_task_without_a_picture_is_named():
    dataset = labelstudio.read(b'[{"id": 3, "data": {"text": "hello"}}]')
    assert (dataset.images, dataset.complaints) == ((), ("task 3: it shows no picture",))


# all formats


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", b"<annotation><filename>a.png</filename><object><name>x</name></object></annotation>"),
        ("images/train/a.txt", b"9 0.5 0.5 0.1 0.1"),
        ("a.json", json.dumps([task({"type": "polygonlabels", "value": {}})]).encode()),
    ],
)
def test_an_image_that_lost_every_box_is_not_one_without_cells(name, content):
    contents = {name: content} | ({"classes.txt": b"disc"} if name.endswith("txt") else {})
    dataset = labels.read(as_files(**contents), {"images/train/a.png": lambda: b""}, size_of)
    assert [image.is_annotated for image in dataset.images] == [False]
    assert len(dataset.complaints) == 1


# which format


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", b'{"images": []}', "coco"),
        ("a.json", b"[]", "labelstudio"),
        ("a.xml", VOC, "voc"),
        ("a.xml", b"<?xml version='1.0'?>" + CVAT, "cvat"),
        ("data.yaml", b"names: [a]", "yolo"),
    ],
)
def test_a_format_is_recognised(name, content, kind):
    assert labels.recognise(as_files(**{name: content})) == kind


def test_the_notes_beside_yolo_texts_are_not_taken_for_coco():
    contents = {"notes.json": b'{"categories": []}', "classes.txt": b"disc", "labels/a.txt": b""}
    assert labels.recognise(as_files(**contents)) == "yolo"


def test_two_json_files_are_not_guessed_at():
    with pytest.raises(FormatError, match="there are 2"):
        labels.read(as_files(**{"a.json": b"{}", "b.json": b"{}"}), {}, size_of)


@given(st.binary(max_size=300), st.sampled_from(["a.json", "a.xml", "data.yaml", "labels/train/a.txt"]))
def test_any_bytes_give_a_dataset_or_a_sentence(content, name):
    with contextlib.suppress(RbcalError):
        assert labels.read(as_files(**{name: content}), PICTURES, size_of).images is not None
