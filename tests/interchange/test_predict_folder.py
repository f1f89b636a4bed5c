"""The cells of a folder of pictures as tables, found by an exported model without a project."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from functools import partial

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from rbcal import ScoringConfig, load_model, read_image, synth
from rbcal.cli import app
from rbcal.detector.checkpoint import save
from rbcal.errors import ExistsError, FormatError
from rbcal.formats.pictures import decode
from rbcal.interchange import predict_folder as predict_folder_module
from rbcal.interchange.predict_folder import predict_folder
from tests.detector.conftest import tiny_detector


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model of three classes as `rbcal export` writes it; "disc" counts as "slit"."""
    folder = tmp_path_factory.mktemp("model")
    classes = [{"name": "disc", "rare": False, "counts_as": "=slit"}, {"name": "=slit", "rare": True}]
    (folder / "model.safetensors").write_bytes(save(tiny_detector()))
    (folder / "model.json").write_text(json.dumps({"format": "rbcal model 1", "classes": classes}))
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Two slides, and a file that is no picture though it is called one."""
    folder = tmp_path / "pictures"
    for seed, name in enumerate(["one/a.png", "two/b.png", "two/c.PNG"]):
        pixels, _ = synth.draw(seed, width=96, height=96, n_cells=4)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(synth.encode(pixels))
    (folder / "two" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_one_command_makes_a_table_of_cells_and_one_of_numbers(exported, pictures, tmp_path):
    dest = tmp_path / "found"
    done = CliRunner().invoke(app, ["predict", str(exported), str(pictures), str(dest), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    cells, images = pd.read_csv(dest / "cells.csv"), pd.read_csv(dest / "images.csv")
    assert images["image"].tolist() == ["one/a.png", "two/b.png", "two/c.PNG"]
    assert images["folder"].tolist() == ["one", "two", "two"]
    assert list(said["unreadable"]) == ["two/broken.jpg"]
    assert (said["n_images"], said["n_cells"]) == (3, len(cells)) == (3, images["cells"].sum())
    model = load_model(exported)
    found = model.detect(read_image(pictures / "one" / "a.png"))
    shown = 1 - found.probs[:, 0] >= 0.5
    of_one = cells[cells["image"] == "one/a.png"]
    assert len(of_one) > 0
    np.testing.assert_allclose(of_one[["x1", "y1", "x2", "y2"]], found.boxes[shown], atol=0.0051)
    np.testing.assert_allclose(of_one["probability"], found.probs[shown, 2], rtol=1e-5)
    # a merged class is not there, and no spreadsheet takes a name for a formula
    assert set(cells["class"]) == {"'=slit"}
    assert [name for name in cells if name.startswith("p(")] == ["p(=slit)"]
    assert images["n(=slit)"].tolist() == images["cells"].tolist()


def test_passes_say_how_uncertain_each_cell_is(exported, pictures, tmp_path):
    model = load_model(exported, scoring=ScoringConfig(passes=3, cell_threshold=0.1))
    report = predict_folder(model, pictures / "one" / "a.png", tmp_path / "found", with_passes=True)
    cells = pd.read_csv(tmp_path / "found" / "cells.csv")
    assert report.n_cells == len(cells) > 0
    assert cells[["U_d", "U_c"]].stack().between(0, 1).all()
    assert set(cells["flagged"]) <= {0, 1}
    assert not report.unreadable


def test_a_class_that_came_after_the_training_has_no_cell(exported, pictures, tmp_path):
    newer = shutil.copytree(exported, tmp_path / "newer")
    description = json.loads((newer / "model.json").read_text())
    description["classes"].append({"name": "young", "rare": True})
    (newer / "model.json").write_text(json.dumps(description))
    model = load_model(newer, scoring=ScoringConfig(passes=2, cell_threshold=0.1))
    for with_passes in (False, True):
        dest = tmp_path / f"found {with_passes}"
        assert predict_folder(model, pictures / "one", dest, with_passes=with_passes).n_cells > 0
        assert (pd.read_csv(dest / "cells.csv")["p(young)"] == 0).all()
        assert pd.read_csv(dest / "images.csv")["n(young)"].tolist() == [0]


def test_a_damaged_member_of_an_archive_is_named_and_the_others_are_predicted(exported, pictures, tmp_path):
    packed, content = tmp_path / "pictures.zip", (pictures / "one" / "a.png").read_bytes()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(pictures / "one" / "a.png", "a.png")
        archive.write(pictures / "two" / "b.png", "b.png")
    packed.write_bytes(packed.read_bytes().replace(content[-40:], bytes(40)))
    report = predict_folder(load_model(exported), packed, tmp_path / "found")
    assert report.n_images == 1
    assert "cannot be unpacked" in report.unreadable["a.png"]


def test_a_file_that_the_disk_does_not_give_is_named(exported, pictures, tmp_path, monkeypatch):
    def refuse(path):
        raise OSError(errno.EIO, "Input/output error")

    readers = {"a.png": partial(refuse, "a.png"), "b.png": (pictures / "two" / "b.png").read_bytes}
    monkeypatch.setattr(predict_folder_module, "located", lambda path: readers)
    report = predict_folder(load_model(exported), pictures, tmp_path / "found")
    assert (report.n_images, report.unreadable) == (1, {"a.png": "it cannot be read (Input/output error)"})


def test_the_page_of_a_stack_is_predicted(exported, tmp_path):
    cells, _ = synth.draw(0, width=96, height=96, n_cells=4)
    pages = np.stack([np.full((96, 96), 128, np.uint8), cells[..., 1]])
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="minisblack")
    rest = ["--layer", "page=2", "--json"]
    done = CliRunner().invoke(
        app, ["predict", str(exported), str(tmp_path / "stack.tif"), str(tmp_path / "found"), *rest]
    )
    assert done.exit_code == 0, done.output
    model, pixels = load_model(exported), decode((tmp_path / "stack.tif").read_bytes(), "page=2")
    expected = model.detect(pixels)
    shown = 1 - expected.probs[:, 0] >= 0.5
    boxes = pd.read_csv(tmp_path / "found" / "cells.csv")[["x1", "y1", "x2", "y2"]]
    np.testing.assert_allclose(boxes, expected.boxes[shown], atol=0.0051)


def test_nothing_is_written_over_and_a_folder_without_a_picture_is_said(exported, pictures, tmp_path):
    model = load_model(exported)
    with pytest.raises(ExistsError):
        predict_folder(model, pictures, pictures)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds no picture"):
        predict_folder(model, tmp_path / "empty", tmp_path / "found")
    assert not (tmp_path / "found").exists()
