"""Whether a project file is whole: what is damaged is named, and left as it is."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rbcal.config import SimulationConfig
from rbcal.errors import DamagedError, ProjectError
from rbcal.store.project import Project
from rbcal.store.verification import verify
from rbcal.wording import signed
from tests.evaluation.test_learning_curves import arm_of


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


WRONG = {
    'UPDATE model SET config = \'{"steps": "many"}\'': "model.config of row 1 cannot be read",
    "UPDATE model SET config = '['": "model.config of row 1 cannot be read",
    "UPDATE model SET created_at = 'yesterday'": "model.created_at of row 1",
    "UPDATE act SET at = '0001-01-01T00:00:00+00:00' WHERE id = 1": "act.at of row 1",
    "UPDATE image SET layer = CAST(x'ff' AS TEXT) WHERE id = 2": "image.layer of row 2",
    "UPDATE image SET layer = 'sheet=1' WHERE id = 2": "image.layer of row 2",
    "UPDATE review SET seconds = 9e999 WHERE id = 1": "review.seconds of row 1",
    "UPDATE image SET width = 4611686018427387904 WHERE id = 1": "image.width of row 1",
    "INSERT INTO model_detection VALUES (1, 1, x'0011', x'')": "model_detection.boxes of row 1, 1",
    "INSERT INTO model_detection VALUES (1, 1, zeroblob(16), zeroblob(7))": "model_detection.probs",
    "INSERT INTO thumbnail VALUES (1, x'')": "thumbnail.content of row 1",
    "INSERT INTO serving VALUES (1, 1, 'gate', '2026-01-01T00:00:00Z'); DELETE FROM checkpoint_chunk": (
        "the serving model has no weights"
    ),
    "INSERT INTO evaluation VALUES (1, 1, 0.5, 0.4, 0.3, NULL, 1, '2026-01-01T00:00:00Z');"
    "INSERT INTO class_evaluation VALUES (1, 0, 3, 0.5, NULL, NULL, '{\"ap_50\": [0.1]}')": (
        "class_evaluation.intervals of row 1, 0 cannot be read"
    ),
    "UPDATE annotation SET x2 = 1e12 WHERE id = 1": "an annotated cell lies far outside its image",
    "UPDATE class SET id = 7 WHERE id = 2": "the classes are not numbered",
    "INSERT INTO class_merge VALUES (1, 0, 1, '', '2026-01-01T00:00:00Z'),"
    " (2, 1, 0, '', '2026-01-01T00:00:00Z')": "classes are merged in a circle",
}


@pytest.mark.parametrize("statements", WRONG)
def test_what_a_column_must_not_hold_is_named(filled, statements):
    assert WRONG[statements] in " ".join(problems(tampered(filled, *statements.split(";")))["values"])


def test_an_id_that_is_a_text_is_no_traceback(filled):
    strict = "replace(replace(sql, ') STRICT', ')'), 'review_id  INTEGER', 'review_id ')"
    path = tampered(
        filled,
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = {strict} WHERE name = 'act'",
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER act_is_history")
        connection.execute("UPDATE act SET review_id = 'x' WHERE id = 1")
        connection.commit()
    assert "table act is missing or altered" in problems(path)["database"]


def test_a_reader_that_trips_over_such_a_column_says_so(filled):
    path = tampered(filled, "UPDATE model SET created_at = 'yesterday'")
    words = r"damaged: model.created_at of row 1 .* rbcal restore"
    with pytest.raises(DamagedError, match=words), Project.open(path) as project:
        signed(project.models.all()[0].created_at, "")


def test_an_error_that_the_file_is_not_to_blame_for_stays_what_it_is(filled):
    with pytest.raises(ZeroDivisionError), Project.open(filled.path):
        _ = 1 / 0


def test_merges_in_a_circle_are_refused_in_a_sentence(filled):
    merges = "INSERT INTO class_merge (class_id, target_id, who, at) VALUES (0, 1, '', ''), (1, 0, '', '')"
    with Project.open(tampered(filled, merges)) as project, pytest.raises(DamagedError, match="circle"):
        project.classes.all()


def test_a_file_of_a_format_that_sqlite_does_not_know_is_refused_in_a_sentence(filled):
    filled.close()
    content = bytearray(filled.path.read_bytes())
    content[47] = 9  # the format of the schema, in the header
    filled.path.write_bytes(content)
    for open_ in (Project.open, verify):
        with pytest.raises(ProjectError, match="unsupported file format"):
            open_(filled.path)
    assert filled.path.read_bytes() == content


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


def test_a_table_whose_name_is_no_text_any_more_is_damage(project):
    project.close()
    project.path.write_bytes(project.path.read_bytes().replace(b"perceptual_hash", b"perceptual_h\xdfsh"))
    assert not verify(project.path).ok


@pytest.mark.parametrize(("strategy", "ok"), [("cells_random", True), ("none", True), ("luck", False)])
def test_an_arm_is_a_strategy_over_images_or_cells_or_the_control(filled, strategy, ok):
    simulation_id = filled.simulations.begin(SimulationConfig(strategies=("random",)), "ab" * 32)
    filled.simulations.add(simulation_id, arm_of(0, "random", [0.2]))
    path = tampered(filled, f"UPDATE simulation_point SET strategy = '{strategy}'")
    assert verify(path).ok == ok
    assert ok or "simulation_point.strategy of row" in str(problems(path))
