"""Backups, and whether a file is whole: what is damaged is found, named, and left as it is."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as safetensors

from rbcal.config import TrainConfig
from rbcal.errors import DamagedError, JobError, ProjectError
from rbcal.jobs.launcher import worker_lock
from rbcal.jobs.restore import restore
from rbcal.store import backups
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.conftest import add_image

A = BoxState((1, 2, 11, 12), 0)


@pytest.fixture
def filled(project):
    """A project with annotated images, a test image, unfinished work, and a model."""
    first, _ = add_image(project, 1, annotated=True)
    add_image(project, 2, group="other", split="test", annotated=True)
    open_, _ = add_image(project, 3)
    version = project.log.record(open_, "begin", {0: A}, version=0)
    project.log.record(open_, "edit", {}, version=version)
    weights = safetensors({})
    project.models.add(TrainConfig(), weights, {"train": [project.images.get(first)]}, 1.0)
    return project


def tampered(project: Project, *statements: str) -> Path:
    """Change a project behind its back, with its triggers and keys out of the way; return its path."""
    project.close()
    connection = sqlite3.connect(project.path)
    names = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in names:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in names:
        connection.execute(sql)
    connection.commit()
    connection.close()
    return project.path


def problems(path: Path) -> dict[str, list[str]]:
    return {check.name: check.problems for check in verify(path).checks if check.problems}


# verify


def test_a_whole_project_is_said_to_be_whole(filled):
    found = verify(filled.path)
    assert found.ok
    assert found.safe == ("3 of 3 pictures", "2 of 2 reviews", "3 of 3 logs", "1 of 1 checkpoints")
    assert found.lost == ()


@pytest.mark.parametrize(
    ("statement", "check", "words"),
    [
        ("UPDATE image_content SET content = x'00' WHERE image_id = 1", "pictures", "image 1"),
        ("DELETE FROM image_content WHERE image_id = 1", "pictures", "its row is gone"),
        (
            "UPDATE annotation SET x1 = x1 - 0.5 WHERE id = 1",
            "reviews",
            "review 1 of image 1 does not follow",
        ),
        ("DELETE FROM annotation WHERE id = 1", "reviews", "review 1 of image 1 does not follow"),
        ("UPDATE event SET x1_before = 0 WHERE image_id = 3 AND version = 2", "logs", "act 2 on image 3"),
        ("UPDATE checkpoint_chunk SET content = x'00'", "checkpoints", "not those that were trained"),
        ("UPDATE image_group SET split = 'test'", "test set", "image 1 is not on the side of its group"),
        ("DELETE FROM model", "references", "training_image names a row of model"),
    ],
)
def test_what_was_altered_is_found_and_named(filled, statement, check, words):
    assert words in " ".join(problems(tampered(filled, statement))[check])


def test_a_test_image_in_a_training_set_is_found(filled):
    """The schema forbids it; so take the schema away, as a careless repair would."""
    path = tampered(
        filled,
        "PRAGMA ignore_check_constraints = ON",
        "UPDATE training_image SET image_id = 2, split = 'test', review_id = 2",
    )
    assert problems(path)["test set"] == ["model 1 was trained on image 2, which is in the test set"]


def test_a_checkpoint_that_is_a_pickle_is_named_though_its_hash_is_right(filled):
    pickle = b"\x80\x04cposix\nsystem\n(X\x04\x00\x00\x00exittR."
    sha256 = hashlib.sha256(pickle).hexdigest()
    path = tampered(
        filled,
        f"UPDATE checkpoint_chunk SET content = x'{pickle.hex()}'",
        f"UPDATE model SET n_bytes = {len(pickle)}, sha256 = '{sha256}'",
    )
    assert "do not open" in problems(path)["checkpoints"][0]


def test_of_a_file_that_lost_its_end_the_rest_is_named(filled):
    filled.close()
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[: len(whole) * 2 // 3])
    found = verify(filled.path)
    assert not found.ok
    assert found.lost
    assert filled.path.read_bytes() == whole[: len(whole) * 2 // 3]


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(4000)])
def test_verify_says_what_is_no_project(tmp_path, content):
    path = tmp_path / "x.rbcal"
    path.write_bytes(content)
    with pytest.raises(ProjectError):
        verify(path)
    assert path.read_bytes() == content


# opening


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER INSERT ON act BEGIN DELETE FROM annotation; END",
        "CREATE VIEW evil AS SELECT 1",
        "CREATE TABLE evil (x)",
        "DROP TRIGGER review_is_history",
        "ALTER TABLE image ADD COLUMN evil TEXT",
    ],
)
def test_a_file_with_other_tables_than_ours_is_refused_and_left_as_it_was(filled, statement):
    filled.close()
    connection = sqlite3.connect(filled.path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = filled.path.read_bytes()
    with pytest.raises(DamagedError, match="tables are not those"):
        Project.open(filled.path)
    assert filled.path.read_bytes() == before
    assert [path.name for path in filled.path.parent.iterdir()] == [filled.path.name]


def test_a_connection_trusts_a_file_with_as_little_as_it_can(project):
    connection = project._database.sqlite_utils.conn
    assert connection.execute("PRAGMA trusted_schema").fetchone()[0] == 0
    assert connection.execute("PRAGMA cell_size_check").fetchone()[0] == 1
    with pytest.raises(sqlite3.OperationalError, match="too many attached"):
        connection.execute("ATTACH ':memory:' AS other")


# backups


def test_a_backup_is_a_whole_project_and_never_overwrites(filled, tmp_path):
    target = tmp_path / "copies" / "a.rbcal"
    backups.copy(filled.path, target)
    assert verify(target).ok
    with Project.open(target) as copied:
        assert copied.images.counts() == filled.images.counts()
    with pytest.raises(ProjectError, match="exists already"):
        backups.copy(filled.path, target)


def test_a_damaged_project_is_not_copied(filled):
    filled.close()
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[:5000] + bytes(8000) + whole[13000:])
    with pytest.raises(ProjectError, match="damaged"):
        backups.create(filled.path, backups.ASKED)
    assert list(backups.folder(filled.path).iterdir()) == []


def test_a_disk_without_room_for_a_backup_is_said_so(filled, monkeypatch):
    monkeypatch.setattr(backups.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(ProjectError, match="but only 0 MB are free"):
        backups.create(filled.path, backups.ASKED)


def test_a_restored_project_is_what_it_was_and_the_way_back_is_there(filled):
    kept = backups.create(filled.path, backups.ASKED)
    project_before = filled.images.counts()
    image_id, _ = add_image(filled, 9, annotated=True)
    before = restore(filled.path, kept)  # while the project is open here
    assert filled.images.counts() == project_before
    assert verify(filled.path).ok
    with Project.open(before) as later:
        assert later.images.get(image_id).n_cells > 0


def test_a_damaged_project_is_moved_aside_and_the_backup_put_in_its_place(filled):
    kept = backups.create(filled.path, backups.ASKED)
    filled.close()
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[: len(whole) // 2])
    aside = restore(filled.path, kept)
    assert aside.read_bytes() == whole[: len(whole) // 2]
    assert verify(filled.path).ok


def test_nothing_is_restored_under_a_worker_or_from_what_is_no_project(filled, tmp_path):
    kept = backups.create(filled.path, backups.ASKED)
    with worker_lock(filled.path).acquire(timeout=0), pytest.raises(JobError, match="Cancel its job"):
        restore(filled.path, kept)
    other = tmp_path / "x.rbcal"
    other.write_bytes(b"nothing")
    with pytest.raises(ProjectError, match="not an rbcal project"):
        restore(filled.path, other)


def made(*ages: timedelta, why: str = "before-training", now: datetime) -> list[backups.Backup]:
    return [backups.Backup(Path(f"{n} {why}"), now - age, why, 1) for n, age in enumerate(ages)]


def test_backups_thin_with_age():
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    hourly = made(*(timedelta(hours=n) for n in range(24 * 70)), now=now)
    gone = backups.expired(hourly, now)
    left = [each for each in hourly if each not in gone]
    assert len(left) == 3 + 7 + 8 - 1  # the newest of today is one of the last three, and of this week
    assert left[:3] == hourly[:3]


@given(st.lists(st.integers(0, 10**7), max_size=40), st.integers(0, 10**7))
def test_those_that_the_user_asked_for_and_the_last_three_always_stay(ages, asked):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    every = [
        *made(*(timedelta(seconds=age) for age in ages), now=now),
        *made(timedelta(seconds=asked), why=backups.ASKED, now=now),
        *made(timedelta(days=400), why="before-format-4", now=now),
    ]
    gone = backups.expired(every, now)
    newest = sorted(every, key=lambda each: each.made_at, reverse=True)[:3]
    assert not [each for each in gone if each.why != "before-training"]
    assert not [each for each in newest if each in gone]
    rest = [each for each in every if each not in gone]
    assert backups.expired(rest, now) == []
