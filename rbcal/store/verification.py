"""Whether a project file is whole; where it is not, what is lost and what is safe.

Nothing is written. Things are read one by one, so that a bad page costs what lies on it alone.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, deserialize

from rbcal.errors import ProjectError
from rbcal.store import migrations
from rbcal.store.column_values import faults
from rbcal.store.database import advice, missing_bytes, reading, schema_of
from rbcal.store.log import BoxState, apply_acts, read_acts

_UNREADABLE = (
    sqlite3.DatabaseError,
    OverflowError,  # a length that damage made absurd
    UnicodeError,  # a name, in what SQLite says or is asked
)


class _DoubtfulError(Exception):
    """Something can be read, but nothing vouches for it."""


@dataclass
class Check:
    """One thing that must hold: of `n` that were checked, `problems` says which do not, and why.

    `lost` is what these problems cost the user, and `doubtful` what can be read, but nothing vouches for it.
    """

    name: str
    thing: str = ""  # one of them
    n: int = 0
    problems: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return not self.problems


@dataclass(frozen=True)
class Verification:
    """The state of a project file, check by check."""

    path: Path
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def lost(self) -> tuple[str, ...]:
        """What cannot be read any more, or is not what was stored."""
        return tuple(line for check in self.checks for line in check.lost)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """What can be read, but the part of the file that would vouch for it cannot."""
        return tuple(line for check in self.checks for line in check.doubtful)

    @property
    def safe(self) -> tuple[str, ...]:
        """What is there, as it was stored."""
        return tuple(
            f"{check.n - len(check.lost) - len(check.doubtful)} of {check.n} {check.name}"
            for check in self.checks
            if check.n
        )


def verify(path: Path) -> Verification:
    """Check a project file: the database itself, every hash, every checkpoint, the test set, and the log.

    Raises
    ------
    ProjectError
        When there is no such file, it is not a project of this format, or nothing of it can be read.
    """
    if not path.is_file():
        raise ProjectError(f"There is no project {path}.")
    with advice(path), reading(path, salvage=True) as connection:
        _check_format(connection, path)
        connection.execute("BEGIN")  # all of it as of one moment
        return Verification(
            path,
            (
                _database(connection, path),
                _references(connection),
                _test_set(connection),
                _pictures(connection),
                _reviews(connection),
                _log(connection),
                _checkpoints(connection),
                _values(connection),  # the last: text comes as it may from then on
            ),
        )


def find_fault(path: Path) -> str | None:
    """Return in words what is wrong with the rows of a project file, or None; no picture or model is read."""
    return next((problem for check in check_rows(path) for problem in check.problems), None)


def check_rows(path: Path) -> list[Check]:
    """Check the database itself and the rows of a project file; no picture or model is read."""
    with advice(path), reading(path, salvage=True) as connection:
        return [_references(connection), _database(connection, path), _values(connection)]


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    ours, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if ours != migrations.APPLICATION_ID:
        raise ProjectError(f"{path.name} is not an rbcal project, or the page that says so is lost.")
    if version != migrations.USER_VERSION:
        raise ProjectError(
            f"{path.name} has format {version}; this rbcal verifies format {migrations.USER_VERSION}. "
            "Open the project once, which brings an older one up to date, or update rbcal."
        )


# ---- the database ------------------------------------------------------------------------------------


def _database(connection: sqlite3.Connection, path: Path) -> Check:
    """SQLite's own check of every page, and whether the tables are those of a project."""
    check = Check("database")
    if missing_bytes(connection, path):
        check.problems.append("the file is shorter than it should be")
    with _noting(check):
        lines = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        check.problems += [line for line in lines if line != "ok"]
    with _noting(check):
        wanted, there = migrations.schema_of_version(migrations.USER_VERSION), schema_of(connection)
        check.problems += [f"{kind} {name} is missing or altered" for kind, name, _ in sorted(wanted - there)]
        check.problems += [f"{kind} {name} is not ours" for kind, name, _ in sorted(there - wanted)]
    return check


def _references(connection: sqlite3.Connection) -> Check:
    """Whether every row that names another one has it."""
    check = Check("references")
    with _noting(check):
        for table, row, other, _ in connection.execute("PRAGMA foreign_key_check"):
            check.problems.append(f"row {row} of {table} names a row of {other} that is not there")
    return check


def _test_set(connection: sqlite3.Connection) -> Check:
    """No image of the test set taught any model, and no group is on both sides."""
    check = Check("test set")
    with _noting(check):
        for model, image in connection.execute(
            "SELECT model_id, image_id FROM training_image JOIN image ON image.id = image_id"
            " JOIN image_group ON image_group.id = group_id"
            " WHERE image.split = 'test' OR image_group.split = 'test' ORDER BY 1, 2"
        ):
            check.problems.append(f"model {model} was trained on image {image}, which is in the test set")
    with _noting(check):
        for image, group in connection.execute(
            "SELECT image.id, image_group.name FROM image JOIN image_group ON image_group.id = group_id"
            " WHERE image.split <> image_group.split ORDER BY 1"
        ):
            check.problems.append(f"image {image} is not on the side of its group {group!r}")
    return check


def _values(connection: sqlite3.Connection) -> Check:
    """Every column holds what its readers take."""
    check = Check("values")
    with _noting(check):
        check.problems += faults(connection)
    return check


# ---- what the user put in ----------------------------------------------------------------------------


def _pictures(connection: sqlite3.Connection) -> Check:
    """Every picture is, byte by byte, the file that was imported."""

    def find_problem(image_id: int) -> str | None:
        name, sha256 = _one(connection, "SELECT name, sha256 FROM image WHERE id = ?", image_id)
        (content,) = _one(
            connection, "SELECT CAST(content AS BLOB) FROM image_content WHERE image_id = ?", image_id
        )
        if hashlib.sha256(content).hexdigest() != sha256:
            return f"image {image_id} ({name}): the picture is not the one that was imported"
        return None

    sources = ["SELECT id FROM image", "SELECT image_id FROM image_content", "SELECT image_id FROM review"]
    return _check_each(connection, Check("pictures", "image"), sources, find_problem)


def _reviews(connection: sqlite3.Connection) -> Check:
    """Every review is what the log comes to at that act."""

    def find_problem(review_id: int) -> str | None:
        image_id, revision = _one(connection, "SELECT image_id, revision FROM review WHERE id = ?", review_id)
        here = f"review {revision} of image {image_id}"
        stored = connection.execute(
            "SELECT x1, y1, x2, y2, class_id, review_status, detection_id, coalesce(note, '') FROM annotation"
            " WHERE review_id = ?",
            (review_id,),
        ).fetchall()
        try:
            logged = _logged(connection, image_id, review_id)
        except _UNREADABLE as err:
            raise _DoubtfulError(f"{here} can be read, but not the log that vouches for it: {err}") from err
        if logged is None:
            return f"{here} is not in the log"
        if sorted(stored, key=repr) != sorted(logged, key=repr):
            return f"{here} does not follow from the log"
        return None

    sources = ["SELECT id FROM review", "SELECT review_id FROM act", "SELECT review_id FROM annotation"]
    return _check_each(connection, Check("reviews", "review"), sources, find_problem)


def _logged(connection: sqlite3.Connection, image_id: int, review_id: int) -> list[tuple[Any, ...]] | None:
    """Return the boxes that the log comes to at a review; None where it does not know the review."""
    (version,) = _one(
        connection,
        "SELECT max(version) FROM act WHERE review_id = ? AND kind IN ('import', 'save')",
        review_id,
    )
    if version is None:
        return None
    boxes = apply_acts({}, read_acts(_rows(connection), image_id, version))
    return [(*state.box, *state[1:]) for state in boxes.values()]


def _log(connection: sqlite3.Connection) -> Check:
    """No log has a gap, and each act follows from the one before."""

    def find_problem(image_id: int) -> str | None:
        boxes: dict[int, BoxState] = {}
        for place, act in enumerate(read_acts(_rows(connection), image_id), start=1):
            if act.version != place:
                return f"the log of image {image_id} lacks act {place}"
            if any(boxes.get(event.box) != event.before for event in act.events):
                return f"act {place} on image {image_id} does not follow from the one before"
            boxes = apply_acts(boxes, [act])
        return None

    sources = ["SELECT image_id FROM act", "SELECT image_id FROM event", "SELECT image_id FROM review"]
    return _check_each(connection, Check("logs", "the log of image"), sources, find_problem)


def _checkpoints(connection: sqlite3.Connection) -> Check:
    """Every checkpoint that is kept has the hash of its training, and opens as safetensors."""

    def find_problem(model_id: int) -> str | None:
        n_bytes, sha256 = _one(connection, "SELECT n_bytes, sha256 FROM model WHERE id = ?", model_id)
        chunks = connection.execute(
            "SELECT CAST(content AS BLOB) FROM checkpoint_chunk WHERE model_id = ? ORDER BY position",
            (model_id,),
        )
        content = b"".join(row[0] for row in chunks)
        if len(content) != n_bytes or hashlib.sha256(content).hexdigest() != sha256:
            return f"the weights of model {model_id} are not those that were trained"
        try:
            deserialize(content)  # type: ignore[no-untyped-call]  # written in Rust
        except SafetensorError as err:
            return f"the weights of model {model_id} do not open: {err}"
        return None

    sources = ["SELECT DISTINCT model_id FROM checkpoint_chunk"]
    return _check_each(connection, Check("checkpoints", "the weights of model"), sources, find_problem)


# ---- reading what may be damaged ---------------------------------------------------------------------


def _check_each(
    connection: sqlite3.Connection,
    check: Check,
    sources: Sequence[str],
    find_problem: Callable[[int], str | None],
) -> Check:
    """Check everything of one kind by itself; what cannot be read is a problem, and lost.

    `sources` are queries for the ids of all there is; where one cannot be read, another may have them.
    """
    numbers: set[int] = set()
    for source in sources:
        with _noting(check):
            numbers.update(row[0] for row in connection.execute(source) if type(row[0]) is int)
    check.n = len(numbers)
    for number in sorted(numbers):
        try:
            problem = find_problem(number)
        except _DoubtfulError as err:
            check.problems.append(str(err))
            check.doubtful.append(str(err))
            continue
        except _UNREADABLE as err:
            problem = f"{check.thing} {number} cannot be read: {err}"
        if problem is not None:
            check.problems.append(problem)
            check.lost.append(problem)
    return check


@contextmanager
def _noting(check: Check) -> Iterator[None]:
    """Note as a problem that something cannot be read at all."""
    try:
        yield
    except _UNREADABLE as err:
        check.problems.append(str(err))


def _rows(connection: sqlite3.Connection) -> Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]:
    return lambda sql, parameters: connection.execute(sql, parameters).fetchall()


def _one(connection: sqlite3.Connection, sql: str, number: int) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(sql, (number,)).fetchone()
    if row is None:
        raise sqlite3.DatabaseError("its row is gone")
    return row
