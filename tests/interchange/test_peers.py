"""Other programs read what rbcal writes, and write what rbcal reads, box by box.

globox and labelformat come with the development tools. supervision and datumaro are too heavy for each run
(`poe peers` brings them): 160 MB of video and plots, and a pandas and pillow that are older than ours.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest

from rbcal.formats.files import located
from rbcal.interchange import export_dataset, import_images
from rbcal.store.project import Project
from tests.conftest import CLASSES, add_image

HALF = 0.5  # pixels
Boxes = dict[str, list[tuple[str, tuple[float, ...]]]]  # by the stem of the picture


@pytest.fixture
def ours(project):
    """Two images with cells, and one that nobody reviewed, which must not reach anybody."""
    add_image(project, 1, group="a", annotated=True)
    add_image(project, 2, group="b", annotated=True)
    add_image(project, 3, group="c")
    return project


@pytest.fixture(autouse=True)
def _peers_may_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def boxes_of(project: Project) -> Boxes:
    names = project.classes.names()
    return {
        Path(image.name).stem: [
            (names[state.label], state.box) for state in project.log.boxes(image.id).values()
        ]
        for image in project.images.all()
        if image.review_id is not None
    }


def assert_same(found: Boxes, expected: Boxes) -> None:
    assert found.keys() == expected.keys()
    for name, cells in expected.items():
        assert len(found[name]) == len(cells)
        left = list(found[name])
        for label, box in cells:
            near = [
                each for each in left if each[0] == label and np.abs(np.subtract(each[1], box)).max() <= HALF
            ]
            assert near, (name, label, box, left)
            left.remove(near[0])


def imported(folder: Path, target: Path) -> Boxes:
    source = located(folder)
    with Project.create(target) as project:
        report = import_images.import_images(
            project, source, annotations=import_images.read_labels(source, source)
        )
        assert report.complaints == []
        return boxes_of(project)


def pictures_into(project: Project, folder: Path) -> None:
    folder.mkdir(parents=True)
    for image in project.images.annotated():
        (folder / image.name).write_bytes(project.images.content(image.id))


# ---- globox ------------------------------------------------------------------------------------------


def of_globox(sets) -> Boxes:
    return {
        Path(each.image_id).stem: [
            (
                CLASSES[int(box.label)] if str(box.label).isdigit() else box.label,
                (box.xmin, box.ymin, box.xmax, box.ymax),
            )
            for box in each.boxes
        ]
        for each in sets
    }


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo"])
def test_globox_reads_what_we_write(ours, tmp_path, format_):
    globox = pytest.importorskip("globox").AnnotationSet
    export_dataset.export(ours, tmp_path / "out", format_)
    out = tmp_path / "out"
    read = {
        "coco": lambda: globox.from_coco(out / "annotations" / "instances_train.json"),
        "voc": lambda: globox.from_pascal_voc(out / "Annotations"),
        "yolo": lambda: globox.from_yolo_v5(
            out / "labels" / "train",
            image_folder=out / "images" / "train",
            image_extension=".png",
        ),
    }
    assert_same(of_globox(read[format_]()), boxes_of(ours))


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo", "cvat"])
def test_we_read_what_globox_writes(ours, tmp_path, format_):
    globox = pytest.importorskip("globox").AnnotationSet
    export_dataset.export(ours, tmp_path / "out", "coco")
    sets, theirs = (
        globox.from_coco(tmp_path / "out" / "annotations" / "instances_train.json"),
        tmp_path / "theirs",
    )
    pictures_into(ours, theirs / "images")
    with contextlib.redirect_stdout(io.StringIO()):
        if format_ == "coco":
            sets.save_coco(theirs / "all.json", auto_ids=True)
        elif format_ == "voc":
            sets.save_pascal_voc(theirs / "Annotations")
        elif format_ == "cvat":
            sets.save_cvat(theirs / "all.xml")
        else:
            sets.save_yolo_v5(theirs / "labels", label_to_id={name: n for n, name in enumerate(CLASSES)})
            (theirs / "classes.txt").write_text("\n".join(CLASSES))
    assert_same(imported(theirs, tmp_path / "o.rbcal"), boxes_of(ours))


# ---- labelformat -------------------------------------------------------------------------------------


def labelformat_input(format_: str, out: Path):
    formats = pytest.importorskip("labelformat.formats")
    if format_ == "coco":
        return formats.COCOObjectDetectionInput(out / "annotations" / "instances_train.json")
    if format_ == "voc":
        return formats.PascalVOCObjectDetectionInput(out / "Annotations", ",".join(CLASSES))
    return formats.YOLOv8ObjectDetectionInput(out / "data.yaml", "train")


def of_labelformat(labels) -> Boxes:
    return {
        Path(each.image.filename).stem: [
            (one.category.name, (one.box.xmin, one.box.ymin, one.box.xmax, one.box.ymax))
            for one in each.objects
        ]
        for each in labels.get_labels()
    }


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo"])
def test_labelformat_reads_what_we_write(ours, tmp_path, format_):
    pytest.importorskip("labelformat")
    export_dataset.export(ours, tmp_path / "out", format_)
    assert_same(of_labelformat(labelformat_input(format_, tmp_path / "out")), boxes_of(ours))


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo"])
def test_we_read_what_labelformat_writes(ours, tmp_path, format_):
    formats = pytest.importorskip("labelformat.formats")
    export_dataset.export(ours, tmp_path / "out", "coco")
    labels, theirs = labelformat_input("coco", tmp_path / "out"), tmp_path / "theirs"
    pictures_into(ours, theirs / "images")
    output = {
        "coco": lambda: formats.COCOObjectDetectionOutput(theirs / "all.json"),
        "voc": lambda: formats.PascalVOCObjectDetectionOutput(theirs / "Annotations"),
        "yolo": lambda: formats.YOLOv8ObjectDetectionOutput(theirs / "data.yaml", "train"),
    }
    output[format_]().save(labels)
    assert_same(imported(theirs, tmp_path / "o.rbcal"), boxes_of(ours))


# ---- supervision -------------------------------------------------------------------------------------

# Its Pascal VOC counts pixels from 1, as the contest did, and rounds them: 1 px from everybody else's.


def supervised(format_: str, out: Path):
    dataset = pytest.importorskip("supervision").DetectionDataset
    if format_ == "coco":
        return dataset.from_coco(str(out / "images"), str(out / "annotations" / "instances_train.json"))
    return dataset.from_yolo(
        str(out / "images" / "train"), str(out / "labels" / "train"), str(out / "data.yaml")
    )


def of_supervision(dataset) -> Boxes:
    return {
        Path(path).stem: [
            (dataset.classes[label], tuple(box))
            for box, label in zip(found.xyxy, found.class_id, strict=True)
        ]
        for path, _, found in dataset
    }


@pytest.mark.parametrize("format_", ["coco", "yolo"])
def test_supervision_reads_what_we_write(ours, tmp_path, format_):
    pytest.importorskip("supervision")
    export_dataset.export(ours, tmp_path / "out", format_)
    assert_same(of_supervision(supervised(format_, tmp_path / "out")), boxes_of(ours))


@pytest.mark.parametrize("format_", ["coco", "yolo"])
def test_we_read_what_supervision_writes(ours, tmp_path, format_):
    pytest.importorskip("supervision")
    export_dataset.export(ours, tmp_path / "out", "coco")
    dataset, theirs = supervised("coco", tmp_path / "out"), tmp_path / "theirs"
    images = str(theirs / "images")
    if format_ == "coco":
        dataset.as_coco(images, str(theirs / "all.json"))
    else:
        dataset.as_yolo(images, str(theirs / "labels"), str(theirs / "data.yaml"))
    assert_same(imported(theirs, tmp_path / "o.rbcal"), boxes_of(ours))


# ---- datumaro ----------------------------------------------------------------------------------------


def of_datumaro(dataset) -> Boxes:
    names = [label.name for label in dataset.categories()[next(iter(dataset.categories()))]]
    return {
        Path(item.id).name: [(names[each.label], tuple(each.points)) for each in item.annotations]
        for item in dataset
    }


@pytest.mark.parametrize(
    ("format_", "theirs"), [("coco", "coco"), ("voc", "voc_detection"), ("yolo", "yolo")]
)
def test_datumaro_reads_what_we_write(ours, tmp_path, format_, theirs):
    datumaro = pytest.importorskip("datumaro")
    export_dataset.export(ours, tmp_path / "out", format_)
    assert_same(of_datumaro(datumaro.Dataset.import_from(str(tmp_path / "out"), theirs)), boxes_of(ours))


@pytest.mark.parametrize("format_", ["coco_instances", "voc_detection", "yolo", "cvat"])
def test_we_read_what_datumaro_writes(ours, tmp_path, format_):
    datumaro = pytest.importorskip("datumaro")
    export_dataset.export(ours, tmp_path / "out", "coco")
    dataset = datumaro.Dataset.import_from(str(tmp_path / "out"), "coco")
    dataset.export(str(tmp_path / "theirs"), format_, save_media=True)
    assert_same(imported(tmp_path / "theirs", tmp_path / "o.rbcal"), boxes_of(ours))
