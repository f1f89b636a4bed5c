"""Backups: put back while the app looks, thinned by age; and one file is all there is of a project."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from rbcal.cli import app
from rbcal.config import ScoringConfig
from rbcal.errors import JobError, ProjectError
from rbcal.jobs import launcher
from rbcal.jobs.restore import restore
from rbcal.store import backups
from rbcal.store.backups import ASKED
from rbcal.store.job_requests import ScoreJob
from rbcal.store.project import Project, ProjectFile
from rbcal.store.verification import verify
from rbcal.types import Annotations
from tests.browser.driver import plant
from tests.conftest import add_image
from tests.crash import damage
from tests.crash.kill import ROOT
from tests.visitor import app_test

ONE = Annotations([[1, 2, 3, 4]], [0])
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    """A project with work in it, closed."""
    damage.plant_real(tmp_path / "p.rbcal")
    return tmp_path / "p.rbcal"


def edit(path):
    with Project.open(path) as project:
        return project.reviews.save(1, ONE, origin="expert", base_revision=project.images.get(1).revision)


# restore


def test_a_restore_while_the_app_has_the_project_open_reaches_it_and_loses_nothing(path):
    before = damage.contents(path)
    kept = backups.create(path, ASKED)
    with Project.open(path) as opened:
        edit(path)
        now = damage.contents(path)
        old = restore(path, kept)
        assert opened.reviews.current(1).revision == 1
        assert damage.contents(path) == before
        assert damage.contents(old) == now
    edit(path)
    assert verify(path).ok


def test_an_app_that_had_an_image_open_says_so_at_its_next_edit(tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    plant(tmp_path / "p.rbcal", 1, width=160, height=120, n_cells=12)
    kept = backups.create(tmp_path / "p.rbcal", ASKED)
    at = app_test(ROOT / "app.py", 60).run()
    at.switch_page("pages/review.py").run()
    editor = at.session_state["editor"]
    editor.select(0)
    at.button(key=f"class_{(editor.boxes[0].label + 1) % 3}").click().run()
    assert editor.log.version == 2
    restore(tmp_path / "p.rbcal", kept)
    editor.select(1)
    at.button(key=f"class_{(editor.boxes[1].label + 1) % 3}").click().run()
    assert not at.exception
    assert any("changed elsewhere" in each.value for each in at.error)


@pytest.mark.parametrize("harm", ["cut", "header", "nothing left"])
def test_a_restore_over_a_damaged_file_keeps_that_file(path, harm):
    before = damage.contents(path)
    kept = backups.create(path, ASKED)
    content = path.read_bytes()
    worse = {"cut": content[:50_000], "header": bytes(200) + content[200:], "nothing left": b""}[harm]
    path.write_bytes(worse)
    with pytest.raises(ProjectError):
        Project.open(path)
    aside = restore(path, kept)
    assert aside.read_bytes() == worse or not worse  # an empty file is copied as an empty database
    assert damage.contents(path) == before
    edit(path)


@pytest.mark.parametrize("harm", ["damaged", "not ours", "missing"])
def test_a_backup_that_is_not_whole_is_not_put_back(path, harm):
    kept = backups.create(path, ASKED)
    before = damage.contents(path)
    if harm == "missing":
        kept.unlink()
    else:
        kept.write_bytes(kept.read_bytes()[:100_000] if harm == "damaged" else b"hello")
    with pytest.raises(ProjectError):
        restore(path, kept)
    assert damage.contents(path) == before
    assert verify(path).ok


def test_a_restore_keeps_what_was_there_also_when_older_copies_come_from_a_clock_that_ran_ahead(
    path, monkeypatch
):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(minutes=5)

    with monkeypatch.context() as patch:
        patch.setattr(backups, "datetime", Ahead)
        first, *_ = [backups.create(path, "before-training") for _ in range(3)]
    with Project.open(path) as project:
        new, _ = add_image(project, 99)
    before = restore(path, first)
    assert backups.listing(path)[0].path == before
    with Project.open(before) as kept:
        assert kept.images.get(new)


def test_no_restore_while_a_worker_is_at_the_project(path):
    kept = backups.create(path, ASKED)
    with launcher.worker_lock(path), pytest.raises(JobError, match="job of this project is under way"):
        restore(path, kept)


# copies


def test_the_unfinished_copy_of_a_program_that_died_is_cleared_away_and_a_fresh_one_is_not(path):
    backups.folder(path).mkdir()
    dead, alive = (backups.folder(path) / f"p--{name}.rbcal.0.rbcal-part" for name in ("dead", "alive"))
    dead.write_bytes(b"x")
    alive.write_bytes(b"x")
    os.utime(dead, (time.time() - 4000,) * 2)
    backups.create(path, ASKED)
    assert (dead.exists(), alive.exists()) == (False, True)


# one file is the whole project


def test_a_project_that_was_moved_away_from_its_sources_has_the_same_queue_and_content(tmp_path):
    images = plant(tmp_path / "here" / "p.rbcal", 3, width=160, height=120, n_cells=20, fewer=4)
    before = damage.contents(tmp_path / "here" / "p.rbcal")
    with Project.open(tmp_path / "here" / "p.rbcal") as project:
        entries, counts = project.queue.entries(images), project.images.counts()
    for side in ("-wal", "-shm"):
        (tmp_path / "here" / f"p.rbcal{side}").unlink(missing_ok=True)
    (tmp_path / "there").mkdir()
    shutil.move(tmp_path / "here" / "p.rbcal", tmp_path / "there" / "q.rbcal")
    shutil.rmtree(tmp_path / "here")
    with Project.open(tmp_path / "there" / "q.rbcal") as project:
        assert (project.queue.entries(images), project.images.counts()) == (entries, counts)
        assert [image_id for image_id, _ in project.queue.order()] == images
    assert damage.contents(tmp_path / "there" / "q.rbcal") == before


def test_a_worker_that_is_done_leaves_one_file_and_nothing_of_it_elsewhere(tmp_path):
    path = tmp_path / "p.rbcal"
    with Project.create(path, classes=["a"]) as project:
        add_image(project, 1)
    launcher.start(ProjectFile(path), ScoreJob(ScoringConfig()))  # there is no model, so it ends at once
    launcher._workers[path.resolve()].wait()
    moved = tmp_path / "moved.rbcal"
    shutil.copy(path, moved)  # the file alone
    with Project.open(moved) as project:
        assert (project.jobs.last().state, project.images.counts().images) == ("failed", 1)


# by command


def test_the_commands_that_back_up_and_restore(path, tmp_path):
    def rbcal(*arguments, code=0):
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        assert result.exit_code == code, result.output
        return result.stdout

    assert "No backup yet" in rbcal("backups", path)
    rbcal("backup", path)
    rbcal("backup", path, tmp_path / "copy.rbcal")
    assert verify(tmp_path / "copy.rbcal").ok
    [listed] = json.loads(rbcal("backups", path, "--json"))["backups"]
    assert listed["why"] == ASKED
    edit(path)
    assert len(json.loads(rbcal("versions", path, 1, "--json"))["versions"]) == 2
    rbcal("revert", path, 1, "--version", 1)
    acts = json.loads(rbcal("log", path, 1, "--json"))["acts"]
    assert [act["kind"] for act in acts] == ["import", "save", "restore", "save"]
    rbcal("restore", path, listed["path"])
    assert len(json.loads(rbcal("log", path, 1, "--json"))["acts"]) == 1
    assert "Safe: 5 of 5 pictures" in rbcal("verify", path)
    content = path.read_bytes()
    place = content.index(b"IDAT") + 100
    path.write_bytes(content[:place] + b"damage" + content[place + 6 :])
    verification = json.loads(rbcal("verify", path, "--json", code=1))
    assert not verification["ok"]
    assert verification["lost"]
    rbcal("restore", path)
    assert json.loads(rbcal("verify", path, "--json"))["ok"]
