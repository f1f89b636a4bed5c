"""Acts on whole project files: another name, a copy, into the trash and back; nothing is ever lost."""

from __future__ import annotations

import sqlite3

import pytest

from rbcal.config import TrainConfig
from rbcal.errors import ExistsError, JobError, ProjectError, ReplacedError
from rbcal.jobs import launcher, project_files
from rbcal.store import backups
from rbcal.store.job_requests import TrainJob
from rbcal.store.project import Project
from tests.conftest import CLASSES, add_image


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A project with an annotated image and a backup."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    with Project.create(tmp_path / "slides.rbcal", classes=CLASSES) as project:
        add_image(project, 1, annotated=True)
    backups.create(tmp_path / "slides.rbcal", backups.ASKED)
    return tmp_path / "slides.rbcal"


def n_cells(path):
    with Project.open(path) as project:
        return project.images.counts().annotated_cells


def test_a_renamed_project_has_its_cells_its_backups_and_its_new_name(path):
    cells = n_cells(path)
    renamed = project_files.rename(path, " anaemia--2 ")
    assert renamed.name == "anaemia--2.rbcal"
    assert not path.exists()
    assert n_cells(renamed) == cells > 0
    assert len(backups.listing(renamed)) == 1
    assert backups.listing(path) == []
    with Project.open(renamed) as project:
        assert project.name == "anaemia--2"


def test_a_copy_is_a_project_of_its_own(path):
    copied = project_files.duplicate(path, "copy")
    with Project.open(path) as first, Project.open(copied) as second:
        assert first.file.project_id != second.file.project_id
        add_image(second, 2)
        assert (first.images.counts().images, second.images.counts().images) == (1, 2)
    assert backups.listing(copied) == []


@pytest.mark.parametrize("act", [project_files.rename, project_files.duplicate])
@pytest.mark.parametrize("name", ["taken", "../elsewhere", "a\\b", " ", "n" * 200])
def test_a_name_that_cannot_be_had_changes_nothing(path, act, name):
    Project.create(path.with_name("taken.rbcal")).close()
    before = sorted(each.name for each in path.parent.iterdir() if "lock" not in each.name)
    with pytest.raises(ProjectError):
        act(path, name)
    assert sorted(each.name for each in path.parent.iterdir() if "lock" not in each.name) == before


@pytest.mark.parametrize(
    "act",
    [
        lambda path: project_files.rename(path, "other"),
        lambda path: project_files.duplicate(path, "other"),
        project_files.delete,
    ],
    ids=["rename", "duplicate", "delete"],
)
@pytest.mark.parametrize("state", ["at work", "starting"])
def test_nothing_is_done_while_a_job_is_under_way(path, act, state):
    if state == "at work":
        with launcher.worker_lock(path).acquire(timeout=0), pytest.raises(JobError, match="under way"):
            act(path)
    else:
        with Project.open(path) as project:
            project.jobs.add(TrainJob(TrainConfig()))
        with pytest.raises(JobError, match="under way"):
            act(path)
    assert path.exists()
    assert not path.with_name("other.rbcal").exists()


def test_a_deleted_project_lies_in_the_trash_with_its_backups_and_can_be_put_back(path):
    cells = n_cells(path)
    project_files.delete(path)
    assert not list(path.parent.glob("*.rbcal*[!k]"))  # but for the lock of its worker
    assert backups.listing(path) == []
    [entry] = project_files.deleted()
    assert (entry.name, entry.home) == ("slides", path)
    assert project_files.put_back(entry) == path
    assert n_cells(path) == cells
    assert len(backups.listing(path)) == 1
    assert project_files.deleted() == []
    assert not entry.path.parent.exists()


def test_what_a_dead_program_left_in_the_log_comes_along(path):
    other = sqlite3.connect(path)  # keeps the log from being brought into the file as it closes
    other.execute("SELECT * FROM image").fetchall()
    with Project.open(path) as project:
        add_image(project, 2)
    assert path.with_name("slides.rbcal-wal").stat().st_size
    target = project_files.delete(path)
    other.close()
    assert [each.name for each in target.parent.iterdir() if each.is_file()] == ["slides.rbcal"]
    with Project.open(project_files.put_back(project_files.deleted()[0])) as project:
        assert project.images.counts().images == 2


def test_a_name_that_was_freed_can_be_used_and_is_not_overwritten(path):
    project_files.delete(path)
    Project.create(path).close()
    with pytest.raises(ExistsError, match="Rename that one"):
        project_files.put_back(project_files.deleted()[0])
    assert n_cells(path) == 0
    project_files.rename(path, "newer")
    project_files.put_back(project_files.deleted()[0])
    assert n_cells(path) > 0


def test_who_has_it_open_is_told_and_writes_nothing(path):
    with Project.open(path) as project:
        file = project.file
        project_files.delete(path)
        with pytest.raises(ReplacedError, match="is gone"):
            add_image(project, 2)
    with pytest.raises(ReplacedError, match="is gone"):
        file.open()
    with Project.open(project_files.put_back(project_files.deleted()[0])) as project:
        assert project.images.counts().images == 1


@pytest.mark.parametrize("content", [b"nonsense", b"", None])
def test_a_file_that_cannot_be_opened_is_moved_as_it_lies_there(path, content):
    whole = path.read_bytes()
    broken = whole[: len(whole) // 2] if content is None else content
    path.write_bytes(broken)
    target = project_files.delete(path)
    assert target.read_bytes() == broken
    assert project_files.put_back(project_files.deleted()[0]).read_bytes() == broken


def test_a_file_from_elsewhere_joins_as_a_copy(path, tmp_path):
    (tmp_path / "stick").mkdir()
    outside = path.rename(tmp_path / "stick" / "slides.rbcal")
    added = project_files.add(outside)
    assert added == path
    assert outside.exists()
    assert n_cells(added) == n_cells(outside)
    with pytest.raises(ExistsError):
        project_files.add(outside)
    assert project_files.add(added).resolve() == path.resolve()  # it is among the projects already
    with pytest.raises(ProjectError, match="no project"):
        project_files.add(tmp_path / "nowhere.rbcal")
