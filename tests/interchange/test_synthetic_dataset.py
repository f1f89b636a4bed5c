"""Synthetic slides as a data set, and as a project to try things out on; both say what they are."""

from __future__ import annotations

import errno
import json
import pathlib

import numpy as np
import pytest

from rbcal import synth
from rbcal.errors import ExistsError, FormatError, ProjectError
from rbcal.formats import coco, files
from rbcal.interchange import export_dataset, import_images, synthetic_dataset
from rbcal.store.classes import RBC7
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.conftest import add_image


@pytest.fixture
def small(monkeypatch):
    """Six images of three slides, so that a demo takes no time."""
    monkeypatch.setattr("rbcal.synth.slides.PER_SLIDE", 2)
    monkeypatch.setattr(synthetic_dataset, "DEMO_IMAGES", 6)
    monkeypatch.setattr(synthetic_dataset, "DEMO_ANNOTATED", 2)


@pytest.fixture
def demo(small, tmp_path):
    path = tmp_path / "demo.rbcal"
    synthetic_dataset.create_demo(path)
    with Project.open(path) as project:
        yield project


def test_a_data_set_holds_the_exact_boxes_and_says_that_it_is_synthetic(tmp_path):
    n_cells = synthetic_dataset.write_dataset(tmp_path / "out", 2, seed=3)
    text = (tmp_path / "out" / "annotations.json").read_text()
    assert "synthetic" in json.loads(text)["info"]["description"]
    dataset = coco.read(text)
    assert dataset.classes == RBC7
    assert sum(len(image.boxes) for image in dataset.images) == n_cells
    for image in dataset.images:
        truth = synth.redraw(image.file_name).annotations
        assert np.allclose(image.boxes, truth.boxes, atol=1e-3)
        assert [RBC7.index(name) for name in image.classes] == truth.labels.tolist()
        assert image.group == "synthetic slide 3-1"


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ExistsError, match="exists already"):
        synthetic_dataset.write_dataset(tmp_path, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_data_set_whose_drawing_stops_leaves_nothing(tmp_path):
    def stop(numbers):
        yield numbers[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic_dataset.write_dataset(tmp_path / "out", 2, track=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(ProjectError, match="cannot be written: No space left on device"):
        synthetic_dataset.write_dataset(tmp_path / "out", 2)


def test_the_demo_has_a_few_annotated_images_a_test_set_and_a_pool(demo):
    counts = demo.images.counts()
    assert (counts.images, counts.annotated_images, counts.test_images) == (6, 2, 2)
    assert counts.pool_images == 2
    assert demo.classes.names() == RBC7
    assert [demo.classes.names()[label] for label in demo.classes.rare_labels()] == ["S.D", "E.F"]
    assert verify(demo.path).ok


def test_the_boxes_in_the_demo_are_the_truth(demo):
    image = demo.images.annotated()[0]
    stored = demo.reviews.current(image.id).annotations
    truth = synth.redraw(image.name).annotations
    assert np.array_equal(stored.boxes, truth.boxes)
    assert np.array_equal(stored.labels, truth.labels)


def test_a_demo_that_cannot_be_drawn_leaves_no_file(small, tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic_dataset, "DEMO_ANNOTATED", 100)
    with pytest.raises(ProjectError, match="Ask for fewer"):
        synthetic_dataset.create_demo(tmp_path / "demo.rbcal")
    assert not list(tmp_path.glob("*.rbcal"))


def test_a_project_of_drawn_slides_is_marked_and_one_of_photographs_is_not(demo, project):
    add_image(project, 1)
    assert demo.is_synthetic
    assert not project.is_synthetic


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo"])
def test_the_mark_survives_an_export_and_an_import(demo, tmp_path, format_):
    export_dataset.export(demo, tmp_path / "out", format_, unreviewed=True)
    source = files.located(tmp_path / "out")
    with Project.create(tmp_path / "other.rbcal") as other:
        import_images.import_images(other, source, annotations=import_images.enclosed_labels(source))
        assert other.images.counts().images == 6
        assert other.is_synthetic


def test_the_mark_survives_a_folder_of_the_pictures_alone(demo, project):
    source = {
        f"batch/{each.name}": lambda each=each: demo.images.content(each.id) for each in demo.images.all()
    }
    import_images.import_images(project, source, group="Ward 3")
    assert project.is_synthetic


def test_a_name_that_is_not_of_a_drawn_picture_has_no_truth():
    with pytest.raises(FormatError, match=r"photo\.jpg is not a synthetic picture"):
        synth.redraw("photo.jpg")
