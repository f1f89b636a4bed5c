"""One connection to a project file: durable, with foreign keys, and with errors that say what to do."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SqliteUtils

from rbcal.errors import RESTORE, DamagedError, ProjectError, ReplacedError

Row = dict[str, Any]
Parameters = Sequence[Any] | dict[str, Any]
CHUNK_BYTES = 8 * 2**20  # far below SQLite's limit of 1 GB a value; VGG-16 takes 70 of them
_LONGEST_VALUE = 10**9  # bytes, one picture; what SQLite itself allows
_BUSY_SECONDS = 20  # how long a writer waits for another; a transaction of ours takes well under 1 s
_TRIES = 3  # to find a log empty, which others may be writing to
_DAMAGED = f"The project file is damaged. {RESTORE}"
_BUSY = "Another program holds the project file. Nothing was saved; close it and try again."
_ADVICE = {  # by SQLite's primary result code
    sqlite3.SQLITE_FULL: "The disk is full. Nothing of this step was saved; free some space and try again.",
    sqlite3.SQLITE_IOERR: "The disk is full, over its quota, or gone. Nothing of this step was saved; free "
    "some space and try again.",
    sqlite3.SQLITE_READONLY: "The project file is read-only. Nothing was saved; check the rights of the file "
    "and folder.",
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CANTOPEN: "The project file cannot be opened. Check that its folder exists and is "
    "writable.",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def now() -> str:
    """Return the present moment, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Database:
    """A connection on which a commit means "on disk": WAL, ``synchronous=FULL``, foreign keys on."""

    def __init__(self, path: Path) -> None:
        self.path = path  # what errors name
        self._lies_at = path
        with advice(path):
            self.sqlite_utils = SqliteUtils(_connect(path, "mode=rw"), execute_plugins=False)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                self.sqlite_utils.execute(f"PRAGMA {pragma}").fetchall()
        self.place = path.stat()
        self.expected_id: str | None = None  # of the project that every transaction is meant for
        self.annotator: str | None = None  # who signs what is done; None: the project's own

    def project_id(self) -> str:
        """Return what tells this project from all others: it follows from its first name and its birth."""
        rows = self.tuples("SELECT name, created_at FROM project")
        return hashlib.sha256(repr(rows).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def signature(self) -> str:
        """Return the name that signs every act; empty while nobody gave one."""
        return str(self.value("SELECT expert FROM project") if self.annotator is None else self.annotator)

    def close(self) -> None:
        """Close the connection; SQLite alone would leave its log behind where the file was moved."""
        if not self._is_in_place():
            with suppress(sqlite3.Error):
                self.sqlite_utils.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.sqlite_utils.close()

    def missing_bytes(self) -> int:
        """Return how many bytes the file is shorter than it says."""
        with advice(self.path):
            return missing_bytes(self.sqlite_utils.conn, self.path)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return all rows of a query, each as a dict."""
        with advice(self.path):
            return list(self.sqlite_utils.query(sql, parameters))

    def tuples(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query as tuples: for many rows, of which each costs."""
        with advice(self.path):
            return self.sqlite_utils.conn.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        return next(iter(self.rows(sql, parameters)), None)

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row, or None."""
        first = self.row(sql, parameters)
        return None if first is None else next(iter(first.values()))

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement and return the id of the row it inserted."""
        with advice(self.path), self.transaction():
            return self.sqlite_utils.execute(sql, parameters).lastrowid or 0

    def insert(self, table: str, **columns: Any) -> int:
        """Insert one row, and return its id."""
        places = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  our names
        return self.write(sql, tuple(columns.values()))

    def write_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row."""
        with advice(self.path), self.transaction():
            self.sqlite_utils.conn.executemany(sql, rows)

    def write_chunks(self, table: str, owner_id: int, content: bytes) -> None:
        """Store a large value as the rows (owner, position, content) of a table made for it."""
        for position, start in enumerate(range(0, len(content), CHUNK_BYTES)):
            chunk = content[start : start + CHUNK_BYTES]
            self.write(f"INSERT INTO {table} VALUES (?, ?, ?)", (owner_id, position, chunk))  # noqa: S608

    def read_chunks(self, table: str, owner_id: int) -> bytes:
        """Return what :meth:`write_chunks` stored; nothing at all if there are no rows."""
        owner = {"checkpoint_chunk": "model_id", "snapshot_chunk": "snapshot_id"}[table]
        rows = self.rows(
            f"SELECT content FROM {table} WHERE {owner} = ? ORDER BY position",  # noqa: S608  our names
            (owner_id,),
        )
        return b"".join(row["content"] for row in rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen, or none; a transaction inside another is part of it.

        Raises
        ------
        ReplacedError
            When the file is not the one that was opened any more, or holds another project.
        """
        if self.sqlite_utils.conn.in_transaction:
            yield
            return
        with advice(self.path, acts=False):
            self.sqlite_utils.execute("BEGIN IMMEDIATE")
            try:
                self.check_project()
                yield
                self._check_place()
                self.sqlite_utils.commit()
            except BaseException:
                self.sqlite_utils.rollback()
                raise

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Bring the log into the file, and let nobody write to it inside: it can be moved.

        Raises
        ------
        ProjectError
            When another program does not let go of it.
        """
        with advice(self.path, acts=False):
            for _ in range(_TRIES):
                self.sqlite_utils.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self.sqlite_utils.execute("BEGIN IMMEDIATE")
                log = _log_of(self._lies_at)
                if not log.exists() or not log.stat().st_size:  # else somebody wrote in between
                    break
                self.sqlite_utils.rollback()
            else:
                raise ProjectError(f"{self.path.name}: {_BUSY}")
            try:
                self.check_project()
                yield
            finally:
                self.sqlite_utils.rollback()

    def check_project(self) -> None:
        """Raise unless the file is still the one that was opened, and holds the project that is expected."""
        self._check_place()
        if self.expected_id is not None and self.expected_id != self.project_id():
            raise replaced(self.path)

    def _check_place(self) -> None:
        """Raise unless the open file still lies at its path: SQLite would write on, wherever it went."""
        if not self._is_in_place():
            raise replaced(self.path)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self.place, self._lies_at.stat())
        except OSError:
            return False

    @contextmanager
    def read_transaction(self) -> Iterator[None]:
        """All reads inside see the file as it is now, whatever others write meanwhile; nobody has to wait."""
        if self.sqlite_utils.conn.in_transaction:
            yield
            return
        with advice(self.path, acts=False):
            self.sqlite_utils.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                self.sqlite_utils.rollback()


@dataclass(frozen=True)
class Header:
    """What a database file says it is. `schema` is that of :func:`schema_of`."""

    application_id: int
    user_version: int
    schema: frozenset[tuple[str, str, str | None]]


def replaced(path: Path) -> ReplacedError:
    """Return what to tell whoever opened a project at a path where it is no more."""
    if path.exists():
        return ReplacedError(
            f"{path.name} is not the project that you opened: another file took its place. Nothing was "
            "written to it. Put yours back and go on, or open the one that is there now."
        )
    return ReplacedError(
        f"{path.name} is gone: the file was moved, renamed or deleted while it was open. What was saved is "
        "in it, wherever it is. Put it back and go on, or choose another project."
    )


def is_closed(path: Path) -> bool:
    """Return whether no connection has a file open, and none left anything beside it."""
    return not any(path.with_name(path.name + side).exists() for side in ("-wal", "-journal"))


def read_header(path: Path) -> Header | None:
    """Return what a file says it is; None: it is no database.

    One that is closed is read as it lies there: else SQLite would put files of its own beside it, and leave
    them. One that somebody is at work on has such files already, and they have to be read, too.
    """
    mode = "mode=ro&immutable=1" if is_closed(path) else "mode=ro"
    try:
        with advice(path), closing(_connect(path, mode)) as connection:
            ours, version = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version")
            )
            return Header(ours, version, schema_of(connection))
    except DamagedError as err:
        if _result_code(err.__cause__) == sqlite3.SQLITE_NOTADB:
            return None
        raise


def missing_bytes(connection: sqlite3.Connection, path: Path) -> int:
    """Return how many bytes a file is shorter than it says; 0 while there is a log that may have them."""
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    log = _log_of(path)
    return 0 if log.exists() and log.stat().st_size else max(0, pages * size - path.stat().st_size)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def schema_of(connection: sqlite3.Connection) -> frozenset[tuple[str, str, str | None]]:
    """Return (type, name, SQL) of all that a database is made of; what libraries keep there is left out."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT GLOB '*sqlite_*'")
    return frozenset(rows.fetchall())


@contextmanager
def reading(path: Path, *, salvage: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a connection that changes nothing, to a project file that may be damaged, or in use.

    It may write where SQLite keeps its locks; without the right to that, the file is read as it lies there,
    if no other program is at it. With `salvage`, what is left of a file that lost its end can be read.
    """
    connection = _connect(path, "mode=rw")
    try:
        try:
            if salvage:
                if sys.version_info >= (3, 12):
                    connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False)
                # Else SQLite refuses a file that is too short.
                connection.execute("PRAGMA writable_schema=ON")
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.OperationalError:
            log = _log_of(path)  # on a full disk, SQLite gets as far as an empty one
            if log.exists() and log.stat().st_size:
                raise
            connection.close()
            connection = _connect(path, "mode=ro&immutable=1")
        yield connection
    finally:
        connection.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a connection on which a file cannot do more than hold rows: decisions/010."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,  # autocommit: a transaction begins where we say so
        check_same_thread=False,  # a connection stays with one thread at a time
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 4)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


@contextmanager
def advice(path: Path, *, acts: bool = True) -> Iterator[None]:
    """Turn what SQLite says about files and disks into what the user can do.

    `acts` is False around more than SQLite's own acts: then text that cannot be read may be of another file.
    """
    try:
        yield
    except sqlite3.DatabaseError as err:
        if isinstance(err, sqlite3.IntegrityError):  # who writes knows which rule it was
            raise
        unknown = f"SQLite cannot go on: {err}. See whether the file is whole with: rbcal verify."
        words = _ADVICE.get(_result_code(err) or sqlite3.SQLITE_ERROR, unknown)
        raise (DamagedError if words == _DAMAGED else ProjectError)(f"{path.name}: {words}") from err
    except UnicodeDecodeError as err:  # SQLite names a thing, and the name is not text any more
        if not acts:
            raise
        raise DamagedError(f"{path.name}: {_DAMAGED}") from err


def _result_code(err: BaseException | None) -> int | None:
    """Return SQLite's primary result code of an error; text that Python cannot read counts as damage."""
    code = getattr(err, "sqlite_errorcode", None)
    if code is None:
        return sqlite3.SQLITE_CORRUPT if type(err) is sqlite3.OperationalError else None
    return int(code) & 0xFF
