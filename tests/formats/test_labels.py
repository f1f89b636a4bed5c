"""Annotation files as other programs write them, good ones and those that strangers send."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given, settings
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


def test_a_voc_list_or_folder_names_the_test_set_and_a_layout_folder_no_slide():
    content = VOC.replace(b"slide 7", b"images")
    listed = voc.read(as_files(**{"a.xml": content, "b.xml": content, "ImageSets/Main/test.txt": b'"b"\n'}))
    assert [(image.split, image.group) for image in listed.images] == [("work", None), ("test", None)]
    laid_out = voc.read(as_files(**{"train/a.xml": content, "test/b.xml": content}))
    assert [image.split for image in laid_out.images] == ["test", "work"]


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
        ("0 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "it must be class, centre x"),
        ("0 0.1 0.2 nan 0.4 0.5 0.6", "its points are not pairs"),
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


def test_a_yolo_outline_is_read_as_the_box_around_it_and_keypoints_are_left_alone():
    line = b"0 0.1 0.2 0.3 0.4 0.2 0.6"
    texts = {"data.yaml": b"names: [disc]", "labels/train/a.txt": line}
    [image, *_] = yolo.read(as_files(**texts), PICTURES, size_of).images
    assert (image.boxes, image.is_annotated) == ([pytest.approx((20, 20, 60, 60))], True)
    texts["data.yaml"] += b"\nkpt_shape: [1, 2]"
    [image, *_] = yolo.read(as_files(**texts), PICTURES, size_of).images
    assert image.boxes == [pytest.approx((-10, 0, 50, 40))]


def test_the_mark_that_windows_puts_before_a_text_costs_no_cell():
    mark = b"\xef\xbb\xbf"
    texts = {"classes.txt": mark + b"disc", "labels/train/a.txt": mark + b"0 0.5 0.5 0.1 0.1"}
    dataset = yolo.read(as_files(**texts), PICTURES, size_of)
    assert dataset.classes == ("disc",)
    assert len(dataset.images[0].boxes) == 1


def splits(texts, *names):
    pictures = {name: lambda: b"" for name in names}
    dataset = yolo.read(as_files(**{"data.yaml": b"names: [disc]"} | texts), pictures, size_of)
    return {image.file_name: image.split for image in dataset.images}, dataset.complaints


@pytest.mark.parametrize(
    "test",
    ["test.txt", "/home/ann/set/test.txt", "images/test2017", "../set/images/test2017", "[images/test2017]"],
)
def test_the_test_set_that_data_yaml_declares_is_one(test):
    names = ("images/train2017/a.png", "images/test2017/b.png")
    about = f"names: [disc]\ntrain: images/train2017\ntest: {test}".encode()
    lists = {"test.txt": b"./images/test2017/b.png\n"} if "txt" in test else {}
    assert splits({"data.yaml": about} | lists, *names) == (
        dict(zip(names, ("work", "test"), strict=True)),
        (),
    )


def test_a_list_of_test_images_wins_over_the_folder():
    texts = {"data.yaml": b"names: [disc]\ntest: test.txt", "test.txt": b"/old/pc/images/train/a.png"}
    assert splits(texts, "images/train/a.png", "images/train/b.png")[0] == {
        "images/train/a.png": "test",
        "images/train/b.png": "work",
    }


def test_a_declared_test_set_that_is_not_there_is_said_and_takes_nothing_else():
    texts = {"data.yaml": b"names: [disc]\ntest: ../test/images"}
    sides, complaints = splits(texts, "train/images/a.png")
    assert sides == {"train/images/a.png": "work"}
    assert complaints == ("../test/images: the test images that it names are not among the pictures",)


def test_darknet_is_read_with_its_names_and_lists():
    texts = {
        "obj.data": b"classes = 2\ntrain = data/train.txt\ntest = data/holdout.txt\nnames = data/obj.names\n",
        "obj.names": b"disc\nslit\n",
        "train.txt": b"data/obj_train_data/a.png\n",
        "holdout.txt": b"data/obj_train_data/b.png\n",
        "obj_train_data/a.txt": b"1 0.5 0.5 0.1 0.1",
        "obj_train_data/b.txt": b"0 0.5 0.5 0.1 0.1",
    }
    pictures = {f"obj_train_data/{name}.png": lambda: b"" for name in "ab"}
    dataset = labels.read(as_files(**texts), pictures, size_of)
    assert [(image.classes, image.split, image.group) for image in dataset.images] == [
        (["slit"], "work", None),
        (["disc"], "test", None),
    ]
    assert (dataset.classes, dataset.complaints) == (("disc", "slit"), ())


def test_what_is_written_names_no_folder_of_this_pc():
    assert "path" not in yolo.description(["disc"], has_test=True)


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
        "points 6: it is no box, ellipse, polygon or mask",
    ]
    assert not image.is_annotated


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ('<mask label="disc" rle="1, 2, 3" left="10" top="20" width="3" height="2"/>', (10, 20, 13, 22)),
        ('<ellipse label="disc" cx="20" cy="30" rx="5" ry="6" rotation="90"/>', (14, 25, 26, 35)),
    ],
)
def test_cvat_masks_and_turned_ellipses_are_read_as_the_boxes_around_them(shape, box):
    [image] = cvat.read(f'<annotations><image name="a.png">{shape}</image></annotations>'.encode()).images
    assert image.boxes == [pytest.approx(box)]


def test_a_cvat_box_without_a_label_is_named_and_its_image_waits():
    box = '<box xtl="1" ytl="2" xbr="5" ybr="6"/>'
    good = '<box label="disc" xtl="1" ytl="2" xbr="5" ybr="6"/>'
    [image] = cvat.read(f'<annotations><image name="a.png">{good}{box}</image></annotations>'.encode()).images
    assert image.unusable == ["a.png: box 2: it has no label"]
    assert not image.is_annotated


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


def test_the_ground_truth_counts_before_a_later_annotation():
    each = task(region(), ground_truth=True)
    each["annotations"].append({"result": []})
    [image] = labelstudio.read(json.dumps([each]).encode()).images
    assert (len(image.boxes), image.is_annotated) == (1, True)


def test_a_later_annotation_without_a_cell_is_not_believed_over_one_with_cells():
    each = task(region())
    each["annotations"].append({"result": []})
    dataset = labelstudio.read(json.dumps([each]).encode())
    assert not dataset.images[0].is_annotated
    assert "mark the right one as ground truth" in dataset.complaints[0]


@pytest.mark.parametrize(
    ("value", "box"),
    [
        ({"points": [[5, 10], [10, 40], [7, 20]], "polygonlabels": ["disc"]}, (10, 10, 20, 40)),
        ({"x": 50, "y": 50, "radiusX": 5, "radiusY": 20, "ellipselabels": ["disc"]}, (90, 30, 110, 70)),
        ({"x": 10, "y": 20, "width": 5, "height": 10, "labels": ["disc"]}, (20, 20, 30, 30)),
    ],
)
def test_label_studio_shapes_are_read_as_the_boxes_around_them(value, box):
    other = {"type": "rectangle", "id": "r1", "original_width": 200, "original_height": 100}
    shape = other | {"type": "labels", "value": value}
    [image] = labelstudio.read(json.dumps([task(other | {"value": {}}, shape)]).encode()).images
    assert (image.boxes, image.classes, image.is_annotated) == ([pytest.approx(box)], ["disc"], True)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (region(rotation=12), "it is turned"),
        (region(rectanglelabels=[]), "it has no label"),
        (region(x="left"), "four finite numbers"),
        ({"type": "polygonlabels", "value": {}}, "it has no label"),
        ({"value": {"x": 1}}, "it has no label"),
        ("nothing", "it has no label"),
        (region(points=[[1, 2], 5]), "its points are not pairs"),
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
        ("a.xml", VOC.replace(b"<object><name>slit</name></object>", b"", 1)),
        ("images/train/a.txt", b"0 0.5 0.5 0.1 0.1\n9 0.5 0.5 0.1 0.1"),
        ("a.json", json.dumps([task(region(), {"type": "polygonlabels", "value": {}})]).encode()),
    ],
)
def test_an_image_that_lost_a_box_is_not_one_without_cells_there(name, content):
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


def coco_of(*names):
    images = [{"id": place, "file_name": name} for place, name in enumerate(names)]
    boxes = [
        {"id": place, "image_id": place, "category_id": 1, "bbox": [1, 2, 3, 4]}
        for place in range(len(names))
    ]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "disc"}]}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("train", "test", "places"),
    [
        ("train/_annotations.coco.json", "test/_annotations.coco.json", ("train", "test")),
        (
            "annotations/instances_train.json",
            "annotations/instances_test.json",
            ("images/train", "images/test"),
        ),
    ],
)
def test_coco_in_several_files_is_one_data_set_with_its_test_set(train, test, places):
    pictures = as_files(**{f"{place}/1.png": b"" for place in places})
    read = labels.read(as_files(**{train: coco_of("1.png"), test: coco_of("1.png")}), pictures, size_of)
    assert [(image.file_name, image.split) for image in read.images] == [
        (f"{places[0]}/1.png", "work"),
        (f"{places[1]}/1.png", "test"),
    ]
    assert (read.classes, read.complaints) == (("disc",), ())


def test_several_tasks_of_cvat_are_one_data_set():
    tasks = {
        f"{n}.xml": CVAT.replace(b"a.png", b"a%d.png" % n).replace(b"b.png", b"b%d.png" % n) for n in (1, 2)
    }
    read = labels.read(as_files(**tasks), {}, size_of)
    assert [image.file_name for image in read.images] == ["d/a1.png", "b1.png", "d/a2.png", "b2.png"]


def test_two_files_on_one_image_are_not_guessed_at():
    with pytest.raises(FormatError, match=r"There are 2 COCO files on 1\.png\. Name the one that is meant"):
        labels.read(as_files(**{"old.json": coco_of("1.png"), "new.json": coco_of("1.png")}), {}, size_of)


def test_a_file_among_several_that_is_something_else_is_named():
    read = labels.read(as_files(**{"a.json": coco_of("1.png"), "package.json": b"{}"}), {}, size_of)
    assert len(read.images) == 1
    assert read.complaints[0].startswith("package.json: A COCO file is")
    with pytest.raises(FormatError, match="None of the 2 JSON files can be read"):
        labels.read(as_files(**{"a.json": b"{}", "b.json": b"{}"}), {}, size_of)


@given(st.binary(max_size=300), st.sampled_from(["a.json", "a.xml", "data.yaml", "labels/train/a.txt"]))
def test_any_bytes_give_a_dataset_or_a_sentence(content, name):
    with contextlib.suppress(RbcalError):
        assert labels.read(as_files(**{name: content}), PICTURES, size_of).images is not None


# any tree: what a program may write in the place of what rbcal expects

KEYS = """
images annotations categories id file_name width height name supercategory image_id category_id bbox
iscrowd segmentation size counts group split annotated title layer data image result value type
rectanglelabels polygonlabels labels points x y radiusX radiusY rotation rle original_width
original_height ground_truth was_cancelled
"""
TAGS = """
annotations annotation image box polygon ellipse mask points label name object bndbox xmin ymin xmax
ymax filename folder size width height source database split annotated tag
"""
ATTRIBUTES = """
name label xtl ytl xbr ybr points cx cy rx ry rotation left top width height subset
"""
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 30)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, "a.png", "disc", "rectanglelabels", "relation", "test"])
)
keys = st.sampled_from(KEYS.split())
trees = st.recursive(
    leaves, lambda some: st.lists(some, max_size=4) | st.dictionaries(keys, some, max_size=6)
)
rows = st.lists(st.dictionaries(keys, trees, max_size=6) | trees, max_size=3)
near_coco = st.fixed_dictionaries({"images": rows, "annotations": rows, "categories": rows})
near_studio = st.lists(
    st.fixed_dictionaries(
        {
            "data": st.just({"image": "a.png"}) | trees,
            "annotations": st.lists(st.fixed_dictionaries({"result": rows})) | trees,
        }
    )
)


@given(trees | near_coco | near_studio)
@settings(max_examples=40)
def test_any_json_gives_a_dataset_or_a_sentence(tree):
    content = as_files(**{"a.json": json.dumps(tree).encode()})
    for kind in ("auto", "coco", "labelstudio"):
        with contextlib.suppress(FormatError):
            assert all(map(unharmed, labels.read(content, PICTURES, size_of, kind).images))


tags = st.sampled_from(TAGS.split())
attributes = st.dictionaries(
    st.sampled_from(ATTRIBUTES.split()),
    st.sampled_from(["", "disc", "1", "7.5", "nan", "9" * 400, "1,2;5,6;3,9", "1,2;x", "test", "a.png"]),
    max_size=5,
)
elements = st.recursive(
    st.tuples(tags, attributes, st.sampled_from(["", "3", "disc", "inf", "9" * 400])),
    lambda some: st.tuples(tags, attributes, st.lists(some, max_size=4)),
)


def xml_of(tree):
    tag, given_attributes, inside = tree
    said = "".join(f' {key}="{value}"' for key, value in given_attributes.items())
    return f"<{tag}{said}>{inside if isinstance(inside, str) else ''.join(map(xml_of, inside))}</{tag}>"


@given(st.sampled_from(["annotations", "annotation"]), st.lists(elements, max_size=5))
@settings(max_examples=40)
def test_any_xml_gives_a_dataset_or_a_sentence(root, inside):
    content = as_files(**{"a.xml": xml_of((root, {}, inside)).encode()})
    with contextlib.suppress(FormatError):
        assert all(map(unharmed, labels.read(content, PICTURES, size_of).images))


documents = st.dictionaries(
    st.sampled_from(["names", "train", "val", "test", "path", "kpt_shape"]),
    trees | st.just(["disc"]) | st.sampled_from(["test.txt", "images/test", "..", "/"]),
)


@given(documents)
@settings(max_examples=40)
def test_any_yaml_gives_a_dataset_or_a_sentence(document):
    texts = {"data.yaml": json.dumps(document).encode(), "test.txt": b"images/train/a.png\n..\n/\n"}
    with contextlib.suppress(FormatError):
        assert all(map(unharmed, yolo.read(as_files(**texts), PICTURES, size_of).images))


def unharmed(image):
    """Return whether an image is one that the import can work with."""
    finite = all(math.isfinite(side) for box in image.boxes for side in box)
    return (
        isinstance(image.file_name, str) and finite and all(isinstance(name, str) for name in image.classes)
    )
