"""Whether a project file is whole: what is damaged is named, and left as it is."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from rbcal.errors import DamagedError, ProjectError
from rbcal.store.project import Project
from rbcal.store.verification import verify


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


def test_a_whole_project_is_said_to_be_whole(filled):
    verification = verify(filled.path)
    assert verification.ok
    assert verification.safe == ("3 of 3 pictures", "2 of 2 reviews", "3 of 3 logs", "1 of 1 checkpoints")
    assert verification.lost == ()


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
def test_what_was_altered_is_named(filled, statement, check, words):
    assert words in " ".join(problems(tampered(filled, statement))[check])


def test_a_test_image_in_a_training_set_is_named(filled):
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
    verification = verify(filled.path)
    assert not verification.ok
    assert verification.lost
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
