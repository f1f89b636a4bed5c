"""Files of strangers: pickles that would run, projects that hold more than rows, junk beside them."""

from __future__ import annotations

import ast
import hashlib
import pickle
import shutil
import sqlite3
from pathlib import Path

import pytest

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import DetectorError, ProjectError, RbcalError, TrainingError
from rbcal.jobs import worker
from rbcal.store.job_requests import ResumeJob, ScoreJob, TrainJob
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.conftest import add_image
from tests.crash.kill import ROOT

_UNPICKLERS = {"pickle", "shelve", "marshal", "dill", "joblib"}


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


@pytest.fixture
def trap(tmp_path):
    """A pickle that touches a file, and that file."""
    target = tmp_path / "touched"
    content = pickle.dumps(Bomb(target), protocol=2)
    pickle.loads(content)
    assert target.exists()  # the bomb is real
    target.unlink()
    return content, target


@pytest.fixture
def annotated(project):
    add_image(project, 1, annotated=True)
    add_image(project, 2)
    return project


def refused(project, request, error, match):
    with pytest.raises(error, match=match):
        worker.run(project.file, project.jobs.add(request))
    assert project.jobs.last().state == "failed"


def test_a_pickle_as_the_checkpoint_of_a_model_is_refused_and_does_not_run(annotated, trap):
    content, target = trap
    model_id = annotated.models.add(TrainConfig(), content, {"train": annotated.images.annotated()}, 1.0)
    annotated.models.promote(model_id, "expert")
    refused(annotated, ScoreJob(ScoringConfig()), DetectorError, "damaged, or is not a")
    assert not target.exists()
    assert any("weights of model 1 do not open" in line for line in verify(annotated.path).lost)
    assert not target.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_pickle_as_a_file_of_weights_is_refused_and_does_not_run(annotated, trap, suffix):
    content, target = trap
    file = target.with_suffix(suffix)
    file.write_bytes(content)
    config = TrainConfig(steps=1, init="imagenet", backbone="vgg16", weights=str(file), device="cpu")
    refused(annotated, TrainJob(config), DetectorError, "is no weights file")
    assert not target.exists()


def test_a_pickle_as_the_state_of_a_training_is_refused_and_does_not_run(annotated, trap):
    content, target = trap
    images = {"train": annotated.images.annotated()}
    some = {"config": TrainConfig(device="cpu"), "n_classes": 3, "step": 1, "seconds": 1.0}
    annotated.snapshots.save(content, images=images, parent_id=None, **some)
    refused(annotated, ResumeJob(), TrainingError, "Start a new training")
    assert not target.exists()


def test_no_code_of_ours_unpickles():
    """``torch.load`` only with weights_only=True, to the letter; every other way to unpickle never."""
    bad = []
    for file in [*ROOT.glob("rbcal/**/*.py"), *ROOT.glob("pages/**/*.py"), ROOT / "app.py"]:
        bad += [f"{file.name}:{line}" for line in unpickling(ast.parse(file.read_text("utf-8")))]
    assert bad == []


def unpickling(tree):
    """Return the lines of a module that could unpickle."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            if {each.name.split(".")[0] for each in node.names} & {
                "pickle",
                "shelve",
                "marshal",
                "dill",
                "joblib",
            }:
                yield node.lineno
        elif isinstance(node, ast.ImportFrom):
            names = {each.name for each in node.names}
            if node.module in ("pickle", "marshal", "shelve") and names != {"UnpicklingError"}:
                yield node.lineno
            if node.module == "torch" and "load" in names:
                yield node.lineno
        elif isinstance(node, ast.Call):
            keywords = {each.arg: ast.unparse(each.value) for each in node.keywords}
            name = ast.unparse(node.func)
            if name == "torch.load" and keywords.get("weights_only") != "True":
                yield node.lineno
            if keywords.get("allow_pickle") == "True" or name in (
                "eval",
                "exec",
                "read_pickle",
                "pd.read_pickle",
            ):
                yield node.lineno


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "torch.load(f, weights_only=flag)",
        "import pickle",
        "from pickle import loads",
        "from torch import load",
        "np.load(f, allow_pickle=True)",
    ],
)
def test_the_search_of_the_source_notices_what_would_unpickle(line):
    assert list(unpickling(ast.parse(line))) == [1]


# project files that hold more than rows, or less


ALTERED = {
    "a trigger": "CREATE TRIGGER mine AFTER INSERT ON act BEGIN DELETE FROM thumbnail; END",
    "a view": "CREATE VIEW mine AS SELECT load_extension('x')",
    "a virtual table": "CREATE VIRTUAL TABLE mine USING fts5(a)",
    "a table": "CREATE TABLE mine (a)",
    "another column": "ALTER TABLE image ADD COLUMN mine TEXT",
    "an index on a function": "CREATE INDEX mine ON image (length(name))",
    "a table less": "DROP TABLE thumbnail",
    "a trigger less": "DROP TRIGGER act_stays",
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_project_that_was_altered_is_refused_and_left_as_it_was(annotated, what):
    annotated.close()
    with sqlite3.connect(annotated.path) as stranger:
        stranger.execute(ALTERED[what])
    stranger.close()
    content = annotated.path.read_bytes()
    with pytest.raises(ProjectError, match="tables are not those"):
        Project.open(annotated.path)
    assert annotated.path.read_bytes() == content
    assert sorted(annotated.path.parent.iterdir()) == [annotated.path]
    assert not verify(annotated.path).ok


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
@pytest.mark.parametrize("content", [b"", b"junk" * 5000, bytes(40_000)])
def test_junk_beside_a_project_is_refused_or_does_no_harm(annotated, suffix, content):
    annotated.close()
    before = annotated.path.read_bytes()
    annotated.path.with_name(annotated.path.name + suffix).write_bytes(content)
    try:
        with Project.open(annotated.path) as project:
            assert project.images.counts().images == 2
    except ProjectError:
        assert annotated.path.read_bytes() == before
    copy = annotated.path.with_name("copy.rbcal")
    shutil.copy(annotated.path, copy)
    assert verify(copy).ok


def test_the_log_of_another_project_beside_this_one_does_no_harm(annotated, tmp_path):
    with Project.create(tmp_path / "other.rbcal", classes=["x"]) as other:
        add_image(other, 9)
        log = other.path.with_name("other.rbcal-wal").read_bytes()
    annotated.close()
    annotated.path.with_name(annotated.path.name + "-wal").write_bytes(log)
    try:
        with Project.open(annotated.path) as project:
            assert project.classes.names() in (("disc", "slit", "spiky"), ("x",))
    except RbcalError as err:
        assert str(err)  # noqa: PT017


def test_an_absurd_length_in_a_row_is_harmless(annotated):
    write = annotated._database.write
    write("UPDATE model SET n_bytes = 9223372036854775807")
    content = b"\xff" * 8 + b"{}"
    model_id = annotated.models.add(TrainConfig(), content, {"train": annotated.images.annotated()}, 1.0)
    annotated.models.promote(model_id, "expert")
    assert any("do not open" in line for line in verify(annotated.path).lost)
    refused(annotated, ScoreJob(ScoringConfig()), DetectorError, "damaged")


def test_connections_trust_nothing_in_the_file(annotated):
    pragmas = {"trusted_schema": 0, "cell_size_check": 1, "mmap_size": 0}
    assert {name: annotated._database.value(f"PRAGMA {name}") for name in pragmas} == pragmas
    with pytest.raises(ProjectError, match="too many attached"):
        annotated._database.write("ATTACH ':memory:' AS mine")


# no image of the test set is ever trained on


def test_without_its_constraint_a_test_image_in_training_is_named_by_verify(project):
    image_id, _ = add_image(project, 1, split="test", annotated=True)
    model_id = project.models.add
    with pytest.raises(sqlite3.IntegrityError, match="split = 'work'"):
        model_id(TrainConfig(), b"w", {"train": [project.images.get(image_id)]}, 1.0)
    project.close()
    with sqlite3.connect(project.path) as mutant:
        mutant.execute("PRAGMA writable_schema = ON")
        mutant.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'CHECK (split = ''work'')', '')"
            " WHERE name = 'training_image'"
        )
    mutant.close()
    with sqlite3.connect(project.path) as mutant:
        mutant.execute(
            "INSERT INTO model (config, code_version, n_images, n_cells, n_bytes, sha256, seconds,"
            " created_at) VALUES ('{}', '0', 1, 1, 1, ?, 1, 'then')",
            (hashlib.sha256(b"w").hexdigest(),),
        )
        mutant.execute(
            "INSERT INTO training_image (model_id, image_id, split, review_id) VALUES (1, 1, 'test', 1)"
        )
    mutant.close()
    checks = {check.name: check for check in verify(project.path).checks}
    assert checks["test set"].problems == ["model 1 was trained on image 1, which is in the test set"]
    assert "table training_image is missing or altered" in checks["database"].problems
    with pytest.raises(ProjectError, match="tables are not those"):
        Project.open(project.path)


def test_without_its_trigger_a_changed_history_is_named_by_verify(project):
    image_id, _ = add_image(project, 1, annotated=True)
    project.log.record(image_id, "edit", {0: BoxState((1, 1, 9, 9), 0)}, version=1)
    project.close()
    with sqlite3.connect(project.path) as mutant:
        mutant.execute("DROP TRIGGER event_is_history")
        mutant.execute("UPDATE event SET x1_after = 0 WHERE version = 1")
    mutant.close()
    verification = verify(project.path)
    assert [check.name for check in verification.checks if not check.ok] == ["database", "reviews", "logs"]
