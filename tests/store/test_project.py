"""A project file: what it promises when it is opened and written."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from rbcal.errors import ProjectError
from rbcal.store import project as project_module
from rbcal.store import schema
from rbcal.store.database import Database
from rbcal.store.project import Project, project_path
from rbcal.store.schema import APPLICATION_ID, USER_VERSION, migrations


def test_saved_means_on_disk_on_every_connection(project):
    with Project.open(project.path) as second:
        for database in (project._database, second._database):
            assert database.value("PRAGMA journal_mode") == "wal"
            assert database.value("PRAGMA synchronous") == 2  # FULL
            assert database.value("PRAGMA foreign_keys") == 1


def test_the_file_says_what_it_is(project):
    project.close()
    header = project.path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(header[60:64], "big") == USER_VERSION == len(migrations._migrations)


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(84)])
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_was(tmp_path, content):
    path = tmp_path / "other.rbcal"
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=r"not an rbcal project. It was left as it is"):
        Project.open(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_newer_file_is_refused(project):
    project._database.write(f"PRAGMA user_version = {USER_VERSION + 1}")
    with pytest.raises(ProjectError, match="newer rbcal"):
        Project.open(project.path)


def test_a_missing_file_says_how_to_create_it(tmp_path):
    with pytest.raises(ProjectError, match="rbcal init"):
        Project.open(tmp_path / "none.rbcal")


def test_an_existing_file_is_never_created_over(project):
    with pytest.raises(ProjectError, match="exists already"):
        Project.create(project.path)
    assert project.classes.names() == ("disc", "slit", "spiky")


def test_a_creation_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ProjectError, match="1 to 300 characters"):
        Project.create(tmp_path / "p.rbcal", classes=["x" * 301])
    assert not (tmp_path / "p.rbcal").exists()


def test_a_transaction_happens_whole_or_not_at_all(project):
    def two_acts() -> None:
        with project.transaction():
            project.classes.add(["fourth"])
            project.classes.set_rare(["nose"])

    with pytest.raises(ProjectError, match="nose"):
        two_acts()
    assert "fourth" not in project.classes.names()


def test_a_read_only_file_is_said_so(project):
    project._database.sqlite_utils.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(ProjectError, match="read-only"):
        project.classes.add(["fourth"])


def test_an_unknown_sqlite_error_is_not_hidden(tmp_path):
    (tmp_path / "x.db").touch()
    database = Database(tmp_path / "x.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database.rows("SELECT * FROM nowhere")
    database.close()


def test_a_name_alone_means_the_projects_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    assert project_path("slides") == tmp_path / "slides.rbcal"
    assert project_path("v1.2") == tmp_path / "v1.2.rbcal"
    assert project_path("here/slides").as_posix() == "here/slides.rbcal"
    assert project_path("slides.rbcal").as_posix() == "slides.rbcal"


def test_opening_a_project_twice_keeps_the_locks_of_the_first_connection(project):
    project.classes.add(["fourth"])
    log = project.path.with_name(project.path.name + "-wal")
    before = log.stat().st_ino
    Project.open(project.path).close()
    program = "import sys, pathlib; from rbcal.store.project import Project; "
    program += (
        "project = Project.open(pathlib.Path(sys.argv[1])); print(*project.classes.names()); project.close()"
    )
    command = [sys.executable, "-c", program, str(project.path)]
    subprocess.run(command, check=True)  # a process that leaves must not take the log with it
    assert log.stat().st_ino == before
    project.classes.add(["fifth"])
    seen = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert seen.split() == ["disc", "slit", "spiky", "fourth", "fifth"]


def test_a_project_of_format_1_is_brought_up_to_date_and_its_newest_model_serves(tmp_path, monkeypatch):
    path = tmp_path / "old.rbcal"
    monkeypatch.setattr(schema.migrations, "_migrations", schema.migrations._migrations[:1])
    monkeypatch.setattr(project_module, "USER_VERSION", 1)
    with Project.create(path, classes=["disc"]) as old:
        model = "config, code_version, n_images, n_cells, n_bytes, sha256, seconds, created_at"
        for _ in range(2):
            old._database.write(
                f"INSERT INTO model ({model}) VALUES ('{{}}', '0.1.0', 1, 1, 1, ?, 1, 'then')", ("0" * 64,)
            )
        old._database.write("INSERT INTO image_group VALUES (1, 'slide', 'work')")
        old._database.write("INSERT INTO image VALUES (1, ?, 'a.png', 9, 9, 1, 'work', 'then')", ("1" * 64,))
        box = {"id": 0, "box": [1, 2, 3, 4], "label": 0, "detection_id": None, "flagged": False}
        draft = [box | {"touched": touched} for touched in (True, False)]
        old._database.write("INSERT INTO draft VALUES (1, ?, 2.5, 'then')", (json.dumps(draft),))
        old._database.write("INSERT INTO ranking VALUES (1, 2, '{\"rare_threshold\": 0.3}', 'then', 'then')")
        for p in (0.25, 0.5):
            probs = np.array([1 - p, p], "<f4").tobytes()
            detection = "ranking_id, image_id, x1, y1, x2, y2, u_d, u_c, u_r, probs"
            old._database.write(
                f"INSERT INTO detection ({detection}) VALUES (1, 1, 1, 2, 3, 4, 1, 1, 0, ?)", (probs,)
            )
    monkeypatch.undo()
    with Project.open(path) as project:
        assert project._database.value("PRAGMA user_version") == USER_VERSION
        serving = project.models.serving()
        assert (serving.id, serving.parent_id, serving.kept_step) == (2, None, None)
        assert project.snapshots.current() is None
        work = project.log.work(1)
        assert [state.review_status for state in work.boxes.values()] == ["drawn", "open"]
        assert (work.version, work.seconds) == (2, 2.5)
        assert [(label, project.rankings.order(label)) for label in (0, 1)] == [(0, [(1, False)]), (1, [])]
        assert project._database.value("SELECT n_cells FROM class_score") == 1  # above the threshold
        assert project.rankings.cells(1, 1)[0].passes is None
