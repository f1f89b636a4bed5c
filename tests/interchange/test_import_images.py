"""Import: what becomes seed set, test set and pool; what is refused, one by one; what happens twice."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata

import numpy as np
import pytest
import tifffile
from PIL import Image

from rbcal import synth
from rbcal.config import TrainConfig
from rbcal.errors import FormatError, ProjectError
from rbcal.evaluation.metrics import Evaluation
from rbcal.formats import coco, pictures, voc
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.formats.files import folder
from rbcal.interchange import export_dataset
from rbcal.interchange import import_images as importer
from rbcal.interchange.import_images import import_images, label_files, paired
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.types import Annotations
from tests.conftest import write_coco


@pytest.fixture
def slides(tmp_path):
    """Eight images of four slides, all annotated."""
    return write_coco(tmp_path / "data")


def run(project, slides, **options):
    annotations = coco.read(slides.read_bytes())
    return import_images(project, folder(slides.parent / "images"), annotations=annotations, **options)


def edit(slides, change):
    document = json.loads(slides.read_text())
    change(document)
    slides.write_text(json.dumps(document))


def test_every_box_is_kept_by_default(project, slides):
    report = run(project, slides)
    expected = len(json.loads(slides.read_text())["annotations"])
    assert (report.added, report.seed_images, report.pool_images, report.cells) == (8, 8, 0, expected)
    assert project.images.counts().annotated_cells == expected


def test_boxes_arrive_where_the_file_says(project, slides):
    run(project, slides)
    document = json.loads(slides.read_text())
    expected = [a["bbox"] for a in document["annotations"] if a["image_id"] == 1]
    image = next(image for image in project.images.annotated() if image.name == "001.png")
    boxes = project.reviews.current(image.id).annotations.boxes
    assert [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes.tolist()] == [
        pytest.approx(box, abs=1e-3) for box in expected
    ]


def test_seed_test_and_pool_are_drawn_as_asked(project, slides):
    report = run(project, slides, seed_images=3, test_fraction=0.25)
    counts = project.images.counts()
    assert (report.seed_images, report.test_images, report.pool_images) == (3, 2, 3)
    assert (counts.annotated_images, counts.test_images, counts.pool_images) == (3, 2, 3)
    assert sorted(project.images.group_splits().values()) == ["test", "work", "work", "work"]


def lose_pictures(slides, groups):
    """Cut off the pictures of some slides."""
    for image in json.loads(slides.read_text())["images"]:
        if image["group"] in groups:
            path = slides.parent / "images" / image["file_name"]
            path.write_bytes(path.read_bytes()[:300])


def lose_boxes(slides, groups):
    """Put a box of each picture of some slides outside of it."""

    def change(document):
        ids = [image["id"] for image in document["images"] if image["group"] in groups]
        for row in document["annotations"]:
            if row["image_id"] in ids:
                row["bbox"] = [500, 1, 10, 10]

    edit(slides, change)


@pytest.mark.parametrize("lose", [lose_pictures, lose_boxes])
def test_a_test_set_of_which_nothing_comes_is_drawn_anew(project, slides, tmp_path, lose):
    with Project.create(tmp_path / "before.rbcal") as other:
        run(other, slides, test_fraction=0.25)
        drawn = {image.group for image in other.images.test()}
    lose(slides, drawn)
    report = run(project, slides, test_fraction=0.25)
    counts = project.images.counts()
    assert (report.seed_images, report.test_images) == (4, 2) == (counts.annotated_images, counts.test_images)
    assert report.pool_images == counts.pool_images
    assert not {image.group for image in project.images.test()} & drawn
    assert project.images.group_splits().keys() == {each.name for each in project.images.groups()}
    assert "other slides were drawn" in report.complaints[-1]


@pytest.mark.parametrize("lose", [lose_pictures, lose_boxes])
def test_a_test_set_that_cannot_be_drawn_anew_still_grows(project, slides, lose):
    lose(slides, [f"slide {n}" for n in range(4)])
    report = run(project, slides, test_fraction=0.25)
    assert (project.splits.every, project.splits.test_groups()) == (4, set())
    assert "there is no test set yet" in report.complaints[-1]


def test_the_same_seed_draws_the_same_images(slides, tmp_path):
    draws = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        with Project.create(tmp_path / f"{name}.rbcal") as project:
            run(project, slides, seed_images=2, test_fraction=0.25, seed=seed)
            draws.append([image.name for image in (*project.images.annotated(), *project.images.test())])
    assert draws[0] == draws[1] != draws[2]


def test_a_repeated_import_adds_nothing_twice(project, slides):
    first = run(project, slides, seed_images=3, test_fraction=0.25)
    before = project.images.counts()
    second = run(project, slides, seed_images=3, test_fraction=0.25)
    assert project.images.counts() == before
    assert (first.existing, second.existing, second.added, second.cells) == (0, 8, 0, 0)
    assert ["test set was drawn at set-up" in line for line in second.complaints] == [True]


def test_an_import_that_was_cut_off_is_completed_by_the_next(project, slides):
    class PulledPlugError(Exception):
        pass

    def pull_the_plug(images):
        yield from images[:4]
        raise PulledPlugError

    passes = iter([iter, pull_the_plug])
    with pytest.raises(PulledPlugError):
        run(project, slides, seed_images=3, test_fraction=0.25, track=lambda images: next(passes)(images))
    assert project.images.counts().images == 4
    run(project, slides, seed_images=3, test_fraction=0.25)
    counts = project.images.counts()
    assert (counts.annotated_images, counts.test_images, counts.pool_images) == (3, 2, 3)


def test_pictures_that_the_file_does_not_name_join_the_pool(project, slides):
    edit(slides, lambda document: document["images"].pop())
    report = run(project, slides)
    assert (report.added, report.pool_images) == (8, 1)
    assert [image.name for image in project.images.pool()] == ["008.png"]


def test_boxes_reach_images_that_were_imported_without(project, slides):
    import_images(project, folder(slides.parent / "images"))
    assert project.images.counts().pool_images == 8
    report = run(project, slides)
    assert (report.added, report.existing, report.seed_images) == (0, 8, 8)
    assert project.images.counts().annotated_images == 8


def test_a_damaged_picture_is_named_and_skipped(project, slides):
    path = slides.parent / "images" / "003.png"
    path.write_bytes(path.read_bytes()[:300])
    report = run(project, slides)
    assert report.added == 7
    assert [line for line in report.complaints if line.startswith("003.png: it is damaged")]


def test_a_missing_picture_is_named(project, slides):
    (slides.parent / "images" / "003.png").unlink()
    assert "003.png: the picture was not found" in run(project, slides).complaints


def test_the_same_picture_under_two_names_is_stored_once(project, slides):
    shutil.copy(slides.parent / "images" / "001.png", slides.parent / "images" / "copy.png")
    report = run(project, slides)
    assert report.added == 8
    assert "copy.png: it is the same picture as 001.png; it was skipped" in report.complaints


def with_boxes(slides, *boxes):
    def change(document):
        document["images"] = document["images"][:1]
        document["annotations"] = [
            {"id": k, "image_id": 1, "category_id": 1, "bbox": box} for k, box in enumerate(boxes, start=1)
        ]

    edit(slides, change)


def test_a_box_is_clipped_at_the_border(project, slides):
    with_boxes(slides, [150, 100, 40, 40])
    report = run(project, slides)
    [image] = project.images.annotated()
    assert project.reviews.current(image.id).annotations.boxes.tolist() == [[150, 100, 160, 120]]
    assert report.complaints == [
        "001.png: box [150, 100, 190, 140] sticks out of the picture; it was clipped"
    ]


def test_an_image_with_a_box_beyond_its_border_waits_in_the_pool(project, slides):
    with_boxes(slides, [10, 10, 40, 40], [200, 10, 10, 10])
    report = run(project, slides)
    assert project.images.annotated() == []
    assert (report.pool_images, report.seed_images, report.cells) == (8, 0, 0)
    assert report.complaints == [
        "001.png: box [200, 10, 210, 20] lies outside the picture",
        "001.png: 1 cell lies outside the picture, so none of its boxes was taken and it waits for review. "
        "Correct the file and import it again, or draw the boxes",
    ]


def test_boxes_for_another_size_are_left_out(project, slides):
    edit(slides, lambda document: document["images"][0].update(width=320, height=240))
    report = run(project, slides)
    assert report.pool_images == 1
    assert any("says 320 x 240 pixels, the picture has 160 x 120" in line for line in report.complaints)


def test_an_image_whose_boxes_are_all_degenerate_joins_the_pool(project, slides):
    def flatten(document):
        for annotation in document["annotations"]:
            if annotation["image_id"] == 2:
                annotation["bbox"][2] = 0

    edit(slides, flatten)
    report = run(project, slides)
    assert [image.name for image in project.images.pool()] == ["002.png"]
    assert any("002.png" in line and "area is zero" in line for line in report.complaints)


def test_classes_come_with_the_first_import_and_new_ones_join(tmp_path, slides):
    with Project.create(tmp_path / "p.rbcal") as project:
        assert run(project, slides).new_classes == ("disc", "slit", "spiky")
    with Project.create(tmp_path / "q.rbcal", classes=["spiky", "own"]) as project:
        run(project, slides)
        assert project.classes.names() == ("spiky", "own", "disc", "slit")


def test_a_slide_of_the_test_set_gets_no_more_images_once_it_was_used(project, slides, tmp_path):
    run(project, slides, test_fraction=0.25)
    [test_group] = [name for name, split in project.images.group_splits().items() if split == "test"]
    model_id = project.models.add(TrainConfig(), b"weights", {"train": project.images.annotated()}, seconds=1)
    project.evaluations.save(model_id, Evaluation(0.5, 0.4, 0.3, None, (0.4, 0.6, None), (1, 1, 0), 2))
    late = tmp_path / "late"
    late.mkdir()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(late / "late.png")
    report = import_images(project, folder(late), group=test_group)
    assert report.added == 0
    assert "a model was measured" in report.complaints[0]


def test_subfolders_are_groups_and_loners_stand_alone(project, tmp_path):
    for grey, name in enumerate(("slide 1/a.png", "slide 1/b.png", "slide 2/a.png", "c.png")):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), grey, np.uint8)).save(path)
    import_images(project, folder(tmp_path / "tree"))
    groups = sorted(project.images.group_splits())
    assert groups[0].startswith("c.png (")
    assert groups[1:] == ["slide 1", "slide 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed_images": 9}, "9 seed images were asked for, but there are 8 images with boxes"),
        ({"test_fraction": 1.0}, "at least 0 and below 1"),
        ({"test_fraction": 0.5, "group": None, "seed_images": 8}, "8 seed images were asked for"),
    ],
)
def test_an_impossible_draw_imports_nothing(project, slides, options, message):
    with pytest.raises(ProjectError, match=message):
        run(project, slides, **options)
    assert project.images.counts().images == 0


def test_one_slide_cannot_be_split_into_training_and_test(project, slides):
    edit(slides, lambda document: [image.update(group="one") for image in document["images"]])
    with pytest.raises(ProjectError, match="at least 2 new groups"):
        run(project, slides, test_fraction=0.5)


def test_an_empty_folder_is_said_so(project, tmp_path):
    with pytest.raises(FormatError, match="no picture to import"):
        import_images(project, folder(tmp_path))
    with pytest.raises(FormatError, match="no folder"):
        folder(tmp_path / "none")


def test_a_test_image_that_comes_too_late_is_named(project, slides):
    run(project, slides, test_fraction=0.25)
    late = write_coco(slides.parent / "late", 1, width=100, height=90)
    edit(late, lambda document: document["images"][0].update(split="test", group="late"))
    report = run(project, late)
    assert report.test_images == 0
    assert any("this project's test set was drawn before" in line for line in report.complaints)


def test_folders_of_a_format_name_no_slide(project, slides):
    root = slides.parent / "tree"
    shutil.copytree(slides.parent / "images", root / "images" / "train")
    import_images(project, folder(root))
    assert project.images.counts().groups == 8


def test_two_long_groups_that_begin_alike_stay_two(project, slides):
    def lengthen(document):
        for image in document["images"]:
            image["group"] = "x" * 5000 + image["group"]

    edit(slides, lengthen)
    run(project, slides)
    assert project.images.counts().groups == 4


def test_boxes_never_take_the_place_of_unfinished_work(project, slides):
    import_images(project, folder(slides.parent / "images"))
    image = project.images.pool()[0]
    drawn = {0: BoxState((1, 2, 30, 40), 0, "drawn")}
    version = project.log.record(image.id, "begin", {}, version=0)
    project.log.record(image.id, "edit", drawn, version=version)
    report = run(project, slides)
    assert (
        f"{image.name}: somebody is at work on it; its boxes were left out. Save it first"
        in report.complaints
    )
    assert project.log.boxes(image.id) == drawn
    assert project.images.get(image.id).review_id is None


def test_a_file_larger_than_a_row_can_be_is_named_and_skipped(project, slides, monkeypatch):
    monkeypatch.setattr(importer, "LARGEST_FILE", 100)
    report = run(project, slides)
    assert report.added == 0
    assert len([line for line in report.complaints if "a project file holds pictures of up to" in line]) == 8


def test_an_import_that_names_a_merged_class_lands_in_its_target(project, slides):
    project.classes.merge(1, 0)
    assert run(project, slides).new_classes == ()
    merged = project.reviews.cells_per_class()
    assert 1 not in merged
    project.classes.unmerge(1)
    parted = project.reviews.cells_per_class()
    assert parted[1]
    assert parted[0] + parted[1] == merged[0]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_names_meet_whether_a_mac_wrote_them_or_another_pc(tmp_path, form, kind):
    """The labels are spelt one way, and the pictures and classes the other."""
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    with Project.create(tmp_path / "out.rbcal", classes=["Zelle \u00e9"]) as project:
        pixels = synth.encode(synth.draw(1, width=90, height=80, n_cells=2)[0])
        image_id = project.images.add(
            pixels, name="caf\u00e9.png", width=90, height=80, group="Z\u00fcrich", split="work"
        )
        cell = Annotations([[1, 2, 30, 40]], [0])
        project.reviews.save(image_id, cell, origin="expert", base_revision=0)
        export_dataset.export(project, tmp_path / "out", kind)
    written = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    pictures = {
        unicodedata.normalize(other, name): content
        for name, content in written.items()
        if name.endswith(".png")
    }
    texts = {
        unicodedata.normalize(form, name): unicodedata.normalize(form, content.decode()).encode()
        for name, content in written.items()
        if not name.endswith(".png")
    }
    for name, content in (pictures | texts).items():
        path = tmp_path / "mixed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with Project.create(
        tmp_path / "in.rbcal", classes=[unicodedata.normalize(other, "Zelle \u00e9")]
    ) as project:
        source = folder(tmp_path / "mixed")
        report = import_images(project, source, annotations=importer.read_labels(source, source))
        assert (report.complaints, report.cells, report.new_classes) == ([], 1, ())
        [image] = project.images.all()
        assert project.images.named(unicodedata.normalize("NFD", image.name)) == [image]


def test_an_image_with_a_box_that_cannot_be_read_waits_even_in_a_test_set(project, slides):
    def change(document):
        for image in document["images"]:
            image["split"] = "test" if image["group"] == "slide 1" else "work"
        for annotation in document["annotations"]:
            if annotation["image_id"] in (1, 2):  # of slides 1 and 2
                annotation["bbox"][2] *= annotation["id"] % 2

    edit(slides, change)
    report = run(project, slides)
    assert (report.seed_images, report.test_images) == (5, 1)
    assert [image.name for image in project.images.pool()] == ["002.png"]
    assert len([line for line in report.complaints if "waits for review" in line]) == 2


def test_files_that_are_left_out_are_named_by_their_kind(project, slides):
    for name in ("a.gif", "b.gif", "c.svg"):
        (slides.parent / "images" / name).write_bytes(b"?")
    complaints = [line for line in run(project, slides).complaints if "left out" in line]
    assert [line.split(" left out")[0] for line in complaints] == [
        "a.gif and b.gif: 2 .gif files",
        "c.svg: 1 .svg file",
    ]


def test_dicom_and_heic_are_imported_as_tiff(project, slides, tmp_path, monkeypatch):
    dicom, heif = (
        pytest.importorskip("tests.formats.test_dicom"),
        pytest.importorskip("tests.formats.test_heif"),
    )
    images = tmp_path / "archive"
    images.mkdir()
    (images / "field.dcm").write_bytes(dicom.file_of(dicom.FRAMES))
    (images / "phone.heic").write_bytes(heif.HOST)
    (images / "broken.dcm").write_bytes(dicom.file_of(dicom.FRAMES)[:-400])
    report = import_images(project, folder(images), layer="page=1")
    assert (report.added, report.pool_images) == (2, 2)
    assert report.complaints == [
        "broken.dcm: it is damaged, or a DICOM file of a kind that rbcal does not read; it was skipped"
    ]
    assert import_images(project, folder(images)).existing == 2
    for package in ("pydicom", "pillow_heif"):
        monkeypatch.setitem(sys.modules, package, None)
    contents = [project.images.content(image.id) for image in project.images.all()]
    assert [pictures.suffix(content) for content in contents] == [".tif", ".tif"]
    assert pictures.decode(contents[0], "page=2")[0, 0, 0] == 200
    assert b"Muster" not in project.path.read_bytes()
    export_dataset.export(project, tmp_path / "out", "coco", unreviewed=True)
    names = {path.name for path in (tmp_path / "out/not_annotated/images").iterdir()}
    assert names == {"field.dcm.tif", "phone.heic.tif"}


def test_what_needs_an_extra_is_left_out_with_what_to_install(project, slides, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    for name in ("a.dcm", "b.DCM"):
        (slides.parent / "images" / name).write_bytes(b"?")
    (line,) = [line for line in run(project, slides).complaints if "left out" in line]
    assert line.startswith(
        "a.dcm and b.DCM: 2 .dcm files left out. To read DICOM, install the extra pictures"
    )
    only = {name: read for name, read in folder(slides.parent / "images").items() if name.endswith("dcm")}
    with pytest.raises(FormatError, match=r"no picture that can be read here\. To read DICOM, install"):
        import_images(project, only)


@pytest.mark.parametrize(
    "place",
    ["images/default", "obj_train_data", "Annotations", "data/images", "train2017", "VOC2012/JPEGImages"],
)
def test_a_folder_of_a_layout_is_no_slide(project, slides, place):
    shutil.copytree(slides.parent / "images", slides.parent / "tree" / place)
    import_images(project, folder(slides.parent / "tree"))
    assert project.images.counts().groups == 8


def one_slide_with_a_test_image(document):
    for image in document["images"]:
        image |= {"group": "my_dataset", "split": "test" if image["id"] == 1 else "work"}


def test_a_test_set_that_leaves_nothing_to_train_on_is_refused_with_the_choice(project, slides):
    edit(slides, one_slide_with_a_test_image)
    with pytest.raises(ProjectError, match="nothing is left to train on"):
        run(project, slides)
    assert project.images.counts().images == 0
    report = run(project, slides, ungrouped=True)
    assert (report.test_images, report.seed_images) == (1, 7)


def test_the_test_set_of_the_files_can_be_left_out(project, slides):
    edit(slides, one_slide_with_a_test_image)
    report = run(project, slides, declared_test=False)
    assert (report.test_images, report.seed_images) == (0, 8)


def test_a_test_set_whose_pool_is_still_to_be_annotated_is_taken(project, slides):
    def change(document):
        for image in document["images"]:
            image["split"] = "test" if image["group"] == "slide 1" else "work"
        kept = [image["id"] for image in document["images"] if image["split"] == "test"]
        document["annotations"] = [row for row in document["annotations"] if row["image_id"] in kept]

    edit(slides, change)
    report = run(project, slides)
    assert (report.test_images, report.pool_images) == (2, 6)


@pytest.mark.parametrize(
    "named", ["", "<filename>001.jpg</filename>", "<filename>C:\\old\\001.bmp</filename>"]
)
def test_a_picture_is_found_by_its_stem(project, slides, named):
    size = "<size><width>160</width><height>120</height></size>"
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
    content = f"<annotation>{named}{size}<object><name>disc</name>{box}</object></annotation>"
    annotations = voc.read({"Annotations/001.xml": content.encode})
    report = import_images(project, folder(slides.parent / "images"), annotations=annotations)
    assert (report.seed_images, report.pool_images) == (1, 7)
    assert [image.name for image in project.images.annotated()] != []


def test_boxes_alone_are_for_the_images_of_the_project_and_the_test_set_is_drawn_then(project, slides):
    import_images(project, folder(slides.parent / "images"))
    assert project.images.counts().annotated_images == 0
    source, dataset = paired(project, {}, {"boxes.json": slides.read_bytes})
    report = import_images(project, source, annotations=dataset, test_fraction=0.25)
    counts = project.images.counts()
    assert (report.added, report.existing) == (0, 8)
    assert (counts.annotated_images, counts.test_images) == (6, 2) == (report.seed_images, report.test_images)


def test_boxes_alone_for_a_project_that_waits_for_none_are_refused(project, slides):
    with pytest.raises(FormatError, match="none in the project waits for boxes"):
        paired(project, {}, {"boxes.json": slides.read_bytes})


@pytest.mark.parametrize(
    ("there", "boxes", "note"),
    [
        ("slide2/001.png", {"slide2/001.png": 2}, "slide1/001.png: the picture was not found"),
        ("001.png", {}, "2 images of the annotation file could be the picture 001.png"),
    ],
)
def test_an_image_whose_picture_is_missing_takes_no_other(project, tmp_path, there, boxes, note):
    path = tmp_path / "pictures" / there
    path.parent.mkdir(parents=True)
    path.write_bytes(synth.encode(synth.draw(1, width=160, height=120, n_cells=4)[0]))
    images = tuple(
        LabelledImage(f"slide{n}/001.png", boxes=[(1, 2, 30, 40)] * n, classes=["disc"] * n) for n in (1, 2)
    )
    dataset = Dataset(images, ("disc",))
    report = import_images(project, folder(tmp_path / "pictures"), annotations=dataset)
    assert {image.name: image.n_cells for image in project.images.annotated()} == boxes
    assert note in report.complaints[0]


@pytest.fixture
def two_slides(project, tmp_path):
    """Two slides that were imported one after the other; each has a picture 001.png."""
    for seed, slide in enumerate(("s1", "s2")):
        path = tmp_path / slide / "001.png"
        path.parent.mkdir()
        path.write_bytes(synth.encode(synth.draw(seed, width=160, height=120, n_cells=4)[0]))
        import_images(project, folder(path.parent), group=slide)
    return project


def import_later(project, **named):
    """Import the boxes of one image 001.png for the pictures that the project has."""
    image = {"id": 1, "file_name": "001.png", "width": 160, "height": 120, **named}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}
    document = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "disc"}]}
    source, dataset = paired(project, {}, {"boxes.json": json.dumps(document).encode})
    return import_images(project, source, annotations=dataset)


@pytest.mark.parametrize("named", [{"group": "s2"}, {"file_name": "s2/001.png"}, {"file_name": "s2/001.bmp"}])
def test_later_boxes_reach_the_picture_of_the_slide_that_the_file_names(two_slides, named):
    assert import_later(two_slides, **named).cells == 1
    assert [image.group for image in two_slides.images.annotated()] == ["s2"]


def test_later_boxes_of_no_slide_reach_none_of_two_pictures_of_a_name(two_slides):
    import_later(two_slides, group="s1")
    report = import_later(two_slides)  # slide 1's boxes must not reach slide 2's picture
    assert report.cells == 0
    assert "2 pictures of the project have this name" in report.complaints[0]
    assert [image.group for image in two_slides.images.annotated()] == ["s1"]


@pytest.mark.parametrize(("layer", "notes"), [("", 0), ("page=2", 0), ("page=2,channel=1", 1), ("max", 1)])
def test_another_layer_of_an_image_that_is_there_is_said_to_be_left_out(project, tmp_path, layer, notes):
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((2, 60, 80), np.uint8))
    stack = {"stack.tif": (tmp_path / "stack.tif").read_bytes}
    import_images(project, stack, layer="page=2")
    complaints = import_images(project, stack, layer=layer).complaints
    assert [f"as page=2, and stays so; {layer} was left out" in each for each in complaints] == [True] * notes


def test_annotation_files_among_pictures_are_recognised(slides):
    images = folder(slides.parent / "images")
    assert label_files({**images, "boxes.json": slides.read_bytes}) == ("COCO", ["boxes.json"])
    assert label_files(images) is None


def test_a_test_set_that_grows_goes_on_growing_after_another_import(project, slides, tmp_path):
    import_images(project, folder(slides.parent / "images"))
    assert project.splits.draw() is not None
    more = write_coco(tmp_path / "more", 2, width=90, height=80, n_cells=2)
    import_images(project, folder(more.parent / "images"))
    assert project.splits.every == 4
    run(project, write_coco(tmp_path / "drawn", 4, width=100, height=90, n_cells=2), test_fraction=0.5)
    assert project.splits.every == 4  # that draw was refused: there is a test set
