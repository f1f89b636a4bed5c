"""What `from rbcal import ...` offers to a script: an exported model, the scores, the project."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import rbcal
from rbcal import (
    Project,
    RbcalError,
    ScoringConfig,
    load_model,
    read_image,
    relevance,
    score_cells,
    synth,
)
from rbcal.detector.checkpoint import save
from rbcal.detector.faster_rcnn import Detector
from rbcal.errors import DetectorError
from tests.detector.conftest import detector  # noqa: F401  a fixture

DOCS = Path(__file__).parents[1] / "docs"
SCORING = ScoringConfig(passes=3, cell_threshold=0.1)
STUB = ast.parse(Path(rbcal.__file__).with_suffix(".pyi").read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path, detector: Detector) -> Path:  # noqa: F811
    """A model of two classes as `rbcal export` writes it; "disc" counts as "slit", which is rare."""
    classes = [{"name": "disc", "rare": False, "counts_as": "slit"}, {"name": "slit", "rare": True}]
    (tmp_path / "model.safetensors").write_bytes(save(detector))
    (tmp_path / "model.json").write_text(json.dumps({"format": "rbcal model 1", "classes": classes}))
    pixels, _ = synth.draw(1, width=96, height=96, n_cells=4)
    (tmp_path / "picture.png").write_bytes(synth.encode(pixels))
    return tmp_path


def test_all_names_what_the_stub_imports_and_each_is_there():
    imported = {name.name for node in STUB.body if isinstance(node, ast.ImportFrom) for name in node.names}
    written = next(node for node in STUB.body if isinstance(node, ast.Assign))
    assert sorted(rbcal.__all__) == ast.literal_eval(written.value) == sorted(imported)
    assert all(getattr(rbcal, name).__doc__ for name in rbcal.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = rbcal.nothing


@pytest.mark.parametrize("names", ["__version__", "Project, Detections, score_cells, relevance"])
def test_neither_the_import_nor_the_project_loads_torch(names):
    program = f"import sys; from rbcal import {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_import_rbcal_loads_no_library_of_numbers():
    program = "import sys, rbcal; sys.exit(bool({'numpy', 'pandas', 'sqlite3'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_exported_model_predicts_and_its_cells_are_scored(folder):
    model = load_model(folder, scoring=SCORING)
    prediction = model.predict(read_image(folder / "picture.png"))
    scores = score_cells(prediction.detections, prediction.passes, model.rare, model.scoring)
    assert prediction.passes.boxes.shape == (3, len(scores), 4)
    assert len(scores) > 0
    assert relevance(scores, model.scoring) >= 0


def test_a_merged_class_counts_as_its_target(folder):
    model = load_model(folder, scoring=SCORING)
    pixels = read_image(folder / "picture.png")
    for detections in (model.detect(pixels), model.predict(pixels).detections):
        assert np.unique(detections.labels).tolist() == [1]
        assert (detections.probs[:, 1] == 0).all()


def test_the_example_of_the_docs_uses_the_public_face_alone(folder):
    lines = (DOCS / "use_model.py").read_text("utf-8").splitlines()
    assert [line for line in lines if "import" in line and "rbcal" in line] == [
        "from rbcal import load_model, read_image"
    ]
    script = [sys.executable, DOCS / "use_model.py", folder, folder / "picture.png"]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"slit"}


@pytest.mark.parametrize("content", ["", "{}", '{"format": "another"}'])
def test_a_folder_without_a_model_is_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "model.json").write_text(content)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(RbcalError, match="must hold"):
        load_model(tmp_path)


LYING_DESCRIPTIONS = {
    "no object": "[]",
    "no text": b"\xff",
    "nested without end": "[" * 100_000,
    "no classes": {},
    "classes that are none": {"classes": 3},
    "a class without a name": {"classes": [{"rare": True}]},
    "a name that is a number": {"classes": [{"name": 1, "rare": True}, {"name": "b", "rare": True}]},
    "a class that counts as none": {"classes": [{"name": "a", "rare": True, "counts_as": "x"}]},
    "a class that counts as itself": {"classes": [{"name": "a", "rare": True, "counts_as": "a"}]},
    "a class too few": {"classes": [{"name": "a", "rare": True}]},
}


@pytest.mark.parametrize("what", LYING_DESCRIPTIONS)
def test_a_description_that_lies_is_refused_in_a_sentence(folder, what):
    content = LYING_DESCRIPTIONS[what]
    if isinstance(content, dict):
        content = json.dumps({"format": "rbcal model 1", **content})
    (folder / "model.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DetectorError, match="must"):
        load_model(folder)


def rewritten(content: bytes, change) -> bytes:
    """Return a safetensors file whose header was changed, its length put right."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header, next(name for name in header if name != "__metadata__"))
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def blueprint(**settings):
    def change(header, _):
        was = json.loads(header["__metadata__"]["rbcal"])
        header["__metadata__"]["rbcal"] = json.dumps({**was, **settings})

    return change


def tensor(**settings):
    return lambda header, name: header[name].update(settings)


LYING_WEIGHTS = {
    "offsets beyond the file": tensor(data_offsets=[0, 2**40]),
    "offsets below 0": tensor(data_offsets=[-4, 0]),
    "offsets backwards": tensor(data_offsets=[8, 0]),
    "a huge shape": tensor(shape=[2**40, 2**40]),
    "a shape that overflows": tensor(shape=[2**63, 2**63]),
    "a dtype that is none": tensor(dtype="F99"),
    "whole numbers as weights": tensor(dtype="I32"),
    "no tensor": lambda header, name: header.pop(name),
    "no metadata": lambda header, _: header.pop("__metadata__"),
    "metadata that are no object": lambda header, _: header.update(__metadata__={"rbcal": "[]"}),
    "a backbone that is none": blueprint(backbone="mine"),
    "classes without end": blueprint(n_classes=2**62),
    "more classes than a number holds": blueprint(n_classes=10**30),
    "classes that are text": blueprint(n_classes="two"),
    "half a class": blueprint(n_classes=2.5),
    "a head without end": blueprint(head_width=2**60),
    "a picture without end": blueprint(scale=1e9),
    "a picture without extent": blueprint(scale=1e-9),
    "anchors that are none": blueprint(anchor_sides=None),
    "anchors without end": blueprint(anchor_sides=[16.0] * 10_000),
}


@pytest.mark.parametrize("what", LYING_WEIGHTS)
def test_weights_whose_header_lies_are_refused_in_a_sentence_and_take_no_memory(folder, what):
    file = folder / "model.safetensors"
    file.write_bytes(rewritten(file.read_bytes(), LYING_WEIGHTS[what]))
    before = psutil.Process().memory_info().rss
    with pytest.raises(DetectorError, match="damaged, or is not a detector"):
        load_model(folder)
    assert psutil.Process().memory_info().rss - before < 200 * 2**20


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**63 - 1, 2**64 - 1])
def test_a_length_beyond_the_file_is_refused_in_a_sentence(folder, length):
    file = folder / "model.safetensors"
    file.write_bytes(length.to_bytes(8, "little") + file.read_bytes()[8:])
    with pytest.raises(DetectorError, match="damaged, or is not a detector"):
        load_model(folder)


def test_a_file_that_is_larger_than_any_model_is_not_read(folder):
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(10**12)  # takes no disk
    with pytest.raises(DetectorError, match="must hold"):
        load_model(folder)


def test_a_project_opens_from_the_public_face(tmp_path):
    Project.create(tmp_path / "slides.rbcal", classes=["disc"]).close()
    with Project.open(tmp_path / "slides.rbcal") as project:
        assert project.images.counts().pool_images == 0
