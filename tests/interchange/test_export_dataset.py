"""Annotations and predictions on their way out of a project and back into another one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rbcal import synth
from rbcal.errors import ProjectError
from rbcal.formats.files import located
from rbcal.formats.tables import BOX_SIDES
from rbcal.interchange import export_dataset, import_images
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.types import Annotations
from tests.browser.driver import plant
from tests.conftest import add_image

FORMATS = ("coco", "voc", "yolo")
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "=cmd()",
    "../..",
    "é" * 300,
    "🔴 'quote\".png",
    "a/b.png",
    "nul.tif",
    ".jpg",
    "a\x85b\u2028c",
]


def there_and_back(project: Project, folder: Path, format_: str) -> Project:
    """Export a project with all of its images, and import it into a new one."""
    export_dataset.export(project, folder / "out", format_, unreviewed=True)
    source = located(folder / "out")
    other = Project.create(folder / "other.rbcal")
    dataset = import_images.read_labels(source, source)
    assert dataset.complaints == ()
    report = import_images.import_images(other, source, annotations=dataset)
    assert report.complaints == []
    return other


def content(project: Project) -> dict[str, tuple]:
    """Return what a project holds of each picture, by the digest of its bytes."""
    names = project.classes.names()
    by_digest = {}
    for image in project.images.all():
        review = project.reviews.current(image.id)
        cells = None
        if review is not None:
            cells = [(names[state.label], state.box) for state in project.log.boxes(image.id).values()]
        by_digest[project.images.digest(image.id)] = (image.split, cells)
    return by_digest


def cells_by_name(project: Project) -> dict[str, int]:
    return {project.classes.names()[k]: n for k, n in project.reviews.cells_per_class().items()}


def groups(project: Project) -> set[frozenset[str]]:
    """Return which pictures are of one group."""
    by_group: dict[str, set[str]] = {}
    for image in project.images.all():
        by_group.setdefault(image.group, set()).add(project.images.digest(image.id))
    return {frozenset(each) for each in by_group.values()}


@pytest.fixture
def shared(project):
    """A project with everything that a format may lose: groups, a test set, an empty image, the pool."""
    add_image(project, 1, group="slide 1", annotated=True)
    add_image(project, 2, group="slide 1")
    add_image(project, 3, group="slide 2", split="test", annotated=True)
    empty, _ = add_image(project, 4, group="slide 3")
    project.reviews.save(empty, Annotations.empty(), origin="expert", base_revision=0)
    add_image(project, 5, group="slide 2", split="test")
    add_image(project, 6, group="images", annotated=True)
    return project


@pytest.mark.parametrize("format_", FORMATS)
def test_everything_that_a_format_carries_comes_back(shared, tmp_path, format_):
    with there_and_back(shared, tmp_path, format_) as other:
        before, after = content(shared), content(other)
        assert before.keys() == after.keys()
        for digest, (split, cells) in before.items():
            assert after[digest][0] == split
            assert (after[digest][1] is None) == (cells is None)
            for (name, box), (name_after, box_after) in zip(cells or (), after[digest][1] or (), strict=True):
                assert name == name_after
                assert np.abs(np.subtract(box, box_after)).max() <= 0.5
        assert groups(other) == groups(shared)


def learnt(folder: Path, format_: str) -> set[str]:
    """Return the stems of the pictures that another program finds in an export: those beside annotations."""
    place = "JPEGImages" if format_ == "voc" else "images"
    return {path.stem for path in (folder / place).rglob("*.png")}


def begin(project: Project, image_id: int) -> None:
    """Draw a box, and do not save it."""
    version = project.log.record(image_id, "begin", {}, version=project.log.version(image_id))
    project.log.record(image_id, "edit", {0: BoxState((1, 2, 30, 40), 0, "drawn")}, version=version)


@pytest.mark.parametrize("format_", FORMATS)
def test_no_other_program_learns_from_an_image_that_nobody_reviewed(shared, tmp_path, format_):
    begin(shared, 5)  # no review is saved: partly reviewed is not reviewed
    report = export_dataset.export(shared, tmp_path / "out", format_)
    assert (report.images, report.left_out) == (4, 2)
    assert learnt(tmp_path / "out", format_) == {"001", "003", "004", "006"}
    assert not (tmp_path / "out" / "not_annotated").exists()


@pytest.mark.parametrize("format_", FORMATS)
def test_an_image_that_was_read_in_part_is_no_truth_for_other_programs(project, tmp_path, format_):
    for seed, status in ((1, "kept"), (2, "open")):
        image_id, cells = add_image(project, seed)
        statuses = ["kept"] * (len(cells) - 1) + [status]
        project.reviews.save(image_id, cells, origin="expert", base_revision=0, review_status=statuses)
    report = export_dataset.export(project, tmp_path / "out", format_)
    assert (report.images, report.left_out) == (1, 1)
    assert "1 image was left out: its boxes are not reviewed, not all read" in export_dataset.summary(
        report, ""
    )
    assert learnt(tmp_path / "out", format_) == {"001"}
    with there_and_back(project, tmp_path / "again", format_) as other:
        assert [each.n_boxes > 0 for each in other.images.all()] == [True, False]
        assert len(other.images.pool()) == 1


@pytest.mark.parametrize("format_", FORMATS)
def test_images_that_nobody_reviewed_lie_apart(shared, tmp_path, format_):
    report = export_dataset.export(shared, tmp_path / "out", format_, unreviewed=True)
    assert (report.images, report.left_out) == (6, 0)
    assert learnt(tmp_path / "out", format_) == {"001", "003", "004", "006"}
    assert learnt(tmp_path / "out" / "not_annotated", format_) == {"002", "005"}


def test_a_picture_that_is_called_like_a_part_of_coco_is_still_yolo(project, tmp_path):
    pixels, annotations = synth.draw(1, width=80, height=60, n_cells=3)
    image_id = project.images.add(
        synth.encode(pixels), name="images", width=80, height=60, group="slide", split="work"
    )
    project.reviews.save(image_id, annotations, origin="expert", base_revision=0)
    with there_and_back(project, tmp_path, "yolo") as other:
        assert [image.group for image in other.images.all()] == ["slide"]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_project_without_a_review_has_no_annotations_to_write(project, tmp_path, format_):
    add_image(project, 1)
    with pytest.raises(ProjectError, match=r"No image of slides\.rbcal is reviewed"):
        export_dataset.export(project, tmp_path / "out", format_)
    assert not (tmp_path / "out").exists()


def test_what_datumaro_and_cvat_look_for_is_there(shared, tmp_path):
    export_dataset.export(shared, tmp_path / "coco", "coco")
    assert {path.name for path in (tmp_path / "coco" / "annotations").iterdir()} == {
        "instances_train.json",
        "instances_test.json",
    }
    export_dataset.export(shared, tmp_path / "voc", "voc")
    named = (tmp_path / "voc" / "labelmap.txt").read_text().splitlines()
    assert named == ["# label:color_rgb:parts:actions", "background:::", "disc:::", "slit:::", "spiky:::"]


corner, side = st.floats(0, 100), st.floats(0.5, 50)
cells = st.lists(st.tuples(corner, corner, side, side, st.integers(0, 2)), max_size=8)


@pytest.mark.parametrize("format_", FORMATS)
@given(drawn=cells)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_boxes_come_back_within_half_a_pixel(tmp_path_factory, format_, drawn):
    folder = tmp_path_factory.mktemp("share")
    with Project.create(folder / "a.rbcal", classes=["disc", "slit", "spiky"]) as project:
        image_id, _ = add_image(project, 1)
        boxes = [(x, y, min(x + w, 160), min(y + h, 120)) for x, y, w, h, _ in drawn]
        annotations = Annotations(np.array(boxes, np.float32).reshape(-1, 4), [cell[4] for cell in drawn])
        project.reviews.save(image_id, annotations, origin="expert", base_revision=0)
        with there_and_back(project, folder, format_) as other:
            [(_, before)], [(_, after)] = content(project).values(), content(other).values()
            assert [name for name, _ in before] == [name for name, _ in after]
            for (_, a), (_, b) in zip(before, after, strict=True):
                assert np.abs(np.subtract(a, b)).max() <= 0.5


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
words = words.filter(str.strip) | st.sampled_from(
    [*HOSTILE, "images", "labels", "test", "train", "VOC", "a b"]
)
pictured = st.lists(
    st.tuples(words, st.integers(0, 2), st.sampled_from([None, 0, 3])), min_size=1, max_size=5
)


@pytest.mark.parametrize("format_", FORMATS)
@given(
    pictured=pictured,
    slides=st.lists(words, min_size=4, max_size=4, unique_by=str.strip),
    tested=st.integers(0, 3),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_things_are_called_they_come_back(tmp_path_factory, format_, pictured, slides, tested):
    folder = tmp_path_factory.mktemp("share")
    with Project.create(folder / "a.rbcal", classes=["disc", "slit", "spiky"]) as project:
        for place, (name, slide, n_cells) in enumerate([*pictured, ("rest", 3, 3)]):
            pixels, annotations = synth.draw(place, width=80, height=60, n_cells=n_cells or 0)
            split = "test" if slide < tested else "work"
            image_id = project.images.add(
                synth.encode(pixels), name=name, width=80, height=60, group=slides[slide], split=split
            )
            if n_cells is not None:
                project.reviews.save(image_id, annotations, origin="expert", base_revision=0)
        with there_and_back(project, folder, format_) as other:
            before, after = content(project), content(other)
            assert {digest: split for digest, (split, _) in before.items()} == {
                digest: split for digest, (split, _) in after.items()
            }
            for digest, (_, exported) in before.items():
                assert (exported and [name for name, _ in exported]) == (
                    after[digest][1] and [name for name, _ in after[digest][1]]
                )
            assert groups(other) == groups(project)


@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_names_stay_inside_the_folder_and_come_back_where_the_format_can(tmp_path, format_):
    with Project.create(tmp_path / "a.rbcal", classes=[*HOSTILE[:3], "disc"]) as project:
        for place, name in enumerate(HOSTILE):
            pixels, annotations = synth.draw(place, width=80, height=60, n_cells=3, n_classes=4)
            image_id = project.images.add(
                synth.encode(pixels), name=name, width=80, height=60, group=name, split="work"
            )
            project.reviews.save(image_id, annotations, origin="import", base_revision=0)
        with there_and_back(project, tmp_path, format_) as other:
            assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"out"}
            if format_ != "yolo":
                assert {image.name for image in other.images.all()} == set(HOSTILE)
            assert cells_by_name(other) == cells_by_name(project)


def test_categories_keep_their_ids_whether_used_or_not(shared, tmp_path):
    shared.classes.add(["never seen"])
    export_dataset.export(shared, tmp_path / "out", "coco", with_images=False)
    document = json.loads((tmp_path / "out" / "annotations" / "instances_train.json").read_text())
    assert [(row["id"], row["name"]) for row in document["categories"]] == [
        (label + 1, name) for label, name in enumerate(shared.classes.names())
    ]
    assert not (tmp_path / "out" / "images").exists()


def test_pycocotools_loads_the_annotations_and_the_results(tmp_path, capsys):
    from pycocotools.coco import COCO

    ids = plant(tmp_path / "p.rbcal", 2, width=160, height=120, n_cells=12)
    with Project.open(tmp_path / "p.rbcal") as project:
        export_dataset.export(project, tmp_path / "out", "coco", unreviewed=True)
        n = export_dataset.export(project, tmp_path / "predicted", "predictions-coco").images
        cells = project.rankings.cells(project.rankings.current().id, ids[0])
    truth = COCO(tmp_path / "out" / "not_annotated" / "annotations" / "instances_train.json")
    results = truth.loadRes(str(tmp_path / "predicted" / "results.json"))
    capsys.readouterr()
    assert n == 2
    rows = results.loadAnns(results.getAnnIds(imgIds=[ids[0]]))
    assert [row["category_id"] for row in rows] == [cell.label + 1 for cell in cells]
    assert [row["u_d"] for row in rows] == [cell.u_d for cell in cells]


def test_predictions_come_as_tables_of_cells_and_of_images(tmp_path):
    first, *_ = plant(tmp_path / "p.rbcal", 2, width=160, height=120, n_cells=12)
    with Project.open(tmp_path / "p.rbcal") as project:
        export_dataset.export(project, tmp_path / "out", "predictions-csv")
        ranking = project.rankings.current()
        score, cells = project.rankings.score(ranking.id, first), project.rankings.cells(ranking.id, first)
    with (tmp_path / "out" / "images.csv").open(encoding="utf-8-sig", newline="") as file:
        image = next(row for row in csv.DictReader(file) if int(row["image_id"]) == first)
    assert (float(image["R"]), int(image["flagged"])) == (score.relevance, score.n_flagged)
    with (tmp_path / "out" / "cells.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["image_id"]) == first]
    assert [float(row["U_c"]) for row in rows] == [cell.u_c for cell in cells]
    sides = [[row[side] for side in BOX_SIDES] for row in rows]
    assert max(len(number.partition(".")[2]) for row in sides for number in row) == 2
    np.testing.assert_allclose(np.float32(sides), [cell.box for cell in cells], atol=0.0051)
    assert sum(int(row["flagged"]) for row in rows) == score.n_flagged
    assert float(rows[0]["probability"]) == pytest.approx(cells[0].probs[cells[0].label + 1])


def test_no_table_holds_a_formula(tmp_path):
    plant(tmp_path / "p.rbcal", 1, width=160, height=120, n_cells=12)
    with Project.open(tmp_path / "p.rbcal") as project:
        project._database.write("UPDATE image SET name = '=cmd()'")
        project._database.write("UPDATE class SET name = '@' || name")
        export_dataset.export(project, tmp_path / "out", "predictions-csv")
    for name in ("cells.csv", "images.csv"):
        with (tmp_path / "out" / name).open(encoding="utf-8-sig", newline="") as file:
            assert not any(
                field.startswith(("=", "@", "+", "-")) for row in csv.reader(file) for field in row
            )


def test_the_category_of_a_result_is_that_of_its_class_whatever_the_classes_are_called(tmp_path):
    first, *_ = plant(tmp_path / "p.rbcal", 1, width=160, height=120, n_cells=12)
    with Project.open(tmp_path / "p.rbcal") as project:
        project._database.write(
            "UPDATE class SET name = CASE id WHEN 0 THEN ? ELSE '=x' END WHERE id < 2", ("'=x",)
        )
        export_dataset.export(project, tmp_path / "out", "predictions-coco")
        cells = project.rankings.cells(project.rankings.current().id, first)
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["category_id"] for row in rows] == [cell.label + 1 for cell in cells]


@pytest.mark.parametrize("format_", ["coco", "voc"])
def test_the_page_of_a_stack_comes_back(project, tmp_path, format_):
    pages = np.zeros((2, 60, 80), np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", pages)
    import_images.import_images(project, located(tmp_path / "stack.tif"), layer="page=2")
    with there_and_back(project, tmp_path, format_) as other:
        assert [image.layer for image in other.images.all()] == ["page=2"]


def test_a_folder_of_the_user_is_left_alone(shared, tmp_path):
    (tmp_path / "out.part").mkdir()
    export_dataset.export(shared, tmp_path / "out", "coco", with_images=False)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"out", "out.part"}


def test_an_export_overwrites_nothing_and_leaves_nothing_half_done(shared, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(ProjectError, match="exists already"):
        export_dataset.export(shared, tmp_path / "out", "coco")
    with pytest.raises(ProjectError, match="no predictions yet"):
        export_dataset.export(shared, tmp_path / "other", "predictions-csv")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["out"]


def test_an_export_keeps_nobody_from_saving(shared, tmp_path):
    def track(images):
        with Project.open(shared.path) as expert:
            expert.classes.add(["meanwhile"])
        return iter(images)

    export_dataset.export(shared, tmp_path / "out", "yolo", track=track)
    assert "meanwhile" in shared.classes.names()
    assert "meanwhile" not in (tmp_path / "out" / "data.yaml").read_text()


@pytest.fixture
def unsure(project):
    """A project with two images; in the second, one cell was left unsure."""
    for seed, status in ((1, "kept"), (2, "unsure")):
        image_id, _ = add_image(project, seed)
        boxes = {
            0: BoxState((1, 1, 20, 20), 0, "kept"),
            1: BoxState((31, 1, 50, 20), 2, status, note="=a stain?"),
        }
        project.reviews.save_boxes(image_id, boxes, origin="expert", version=0)
    return project


@pytest.mark.parametrize("format_", ["coco", "voc"])
def test_an_unsure_cell_comes_back_unsure(unsure, tmp_path, format_):
    with there_and_back(unsure, tmp_path, format_) as other:
        assert sorted((image.n_cells, image.n_unsure) for image in other.images.all()) == [(1, 1), (2, 0)]


def test_to_other_programs_an_unsure_cell_is_a_crowd_and_yolo_leaves_its_image_out(unsure, tmp_path):
    export_dataset.export(unsure, tmp_path / "coco", "coco")
    document = json.loads((tmp_path / "coco" / "annotations" / "instances_train.json").read_text())
    assert [row["iscrowd"] for row in document["annotations"]] == [0, 0, 0, 1]
    report = export_dataset.export(unsure, tmp_path / "yolo", "yolo")
    assert (report.images, report.left_out, report.unsure) == (1, 0, 1)
    assert learnt(tmp_path / "yolo", "yolo") == {"001"}


def test_yolo_says_that_an_image_was_left_out_for_an_unsure_cell(unsure, tmp_path):
    said = export_dataset.summary(export_dataset.export(unsure, tmp_path / "yolo", "yolo"), "o/")
    assert (
        said == "1 image written to o/. 1 image was left out: it has an unsure cell, which YOLO cannot say."
    )
    add_image(unsure, 3)
    report = export_dataset.export(unsure, tmp_path / "all", "yolo", unreviewed=True)
    assert (report.images, report.left_out, report.unsure) == (2, 0, 1)


def test_yolo_of_unsure_images_alone_says_so(project, tmp_path):
    image_id, _ = add_image(project, 1)
    boxes = {0: BoxState((1, 2, 30, 40), 0, "unsure")}
    project.reviews.save_boxes(image_id, boxes, origin="expert", version=0)
    with pytest.raises(ProjectError, match="has an unsure cell, which YOLO cannot say"):
        export_dataset.export(project, tmp_path / "yolo", "yolo")


def test_annotated_cells_come_as_a_table_with_their_status_and_notes(unsure, tmp_path):
    export_dataset.export(unsure, tmp_path / "out", "annotations-csv")
    with (tmp_path / "out" / "cells.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["class"], row["status"]) for row in rows] == [
        ("001.png", "disc", "kept"),
        ("001.png", "spiky", "kept"),
        ("002.png", "disc", "kept"),
        ("002.png", "spiky", "unsure"),
    ]
    assert rows[3]["note"] == "'=a stain?"


def test_the_annotated_cells_come_with_a_table_of_the_images_also_of_one_without_a_cell(unsure, tmp_path):
    empty, _ = add_image(unsure, 3, group="slide 2")
    unsure.reviews.save_boxes(empty, {}, origin="expert", version=0)
    opened, _ = add_image(unsure, 4, group="slide 3", split="test")
    unsure.reviews.save_boxes(opened, {0: BoxState((1, 2, 30, 40), 0, "open")}, origin="expert", version=0)
    add_image(unsure, 5)  # nobody reviewed it
    report = export_dataset.export(unsure, tmp_path / "out", "annotations-csv")
    with (tmp_path / "out" / "images.csv").open(encoding="utf-8-sig", newline="") as file:
        columns, *rows = csv.reader(file)
    assert columns == ["image", "image_id", "group", "split", "cells", "unsure", "not_read"]
    assert rows == [
        ["001.png", "1", "slide", "work", "2", "0", "0"],
        ["002.png", "2", "slide", "work", "1", "1", "0"],
        ["003.png", "3", "slide 2", "work", "0", "0", "0"],
        ["004.png", "4", "slide 3", "test", "0", "0", "1"],
    ]
    assert report.images == 4
