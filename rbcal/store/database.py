"""One connection to a project file: durable, with foreign keys, and with errors that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SqliteUtils

from rbcal.errors import ProjectError

Row = dict[str, Any]
Parameters = Sequence[Any] | dict[str, Any]
CHUNK_BYTES = 8 * 2**20  # far below SQLite's limit of 1 GB a value; VGG-16 takes 70 of them
_BUSY_SECONDS = 20  # how long a writer waits for another; a transaction of ours takes well under 1 s
_ADVICE = {
    "disk is full": "The disk is full. Nothing of this step was saved; free some space and try again.",
    "readonly": "The project file is read-only. Nothing was saved; check the rights of the file and folder.",
    "locked": "Another program holds the project file. Nothing was saved; close it and try again.",
    "malformed": "The project file is damaged. Restore a backup copy of it.",
    "not a database": "The project file is damaged. Restore a backup copy of it.",
    "unable to open": "The project file cannot be opened. Check that its folder exists and is writable.",
}


def now() -> str:
    """Return the present moment, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Database:
    """A connection on which a commit means "on disk": WAL, ``synchronous=FULL``, foreign keys on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _advice(path):
            # Autocommit: a transaction begins where we say so. A connection stays with one thread at a time.
            connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self.sqlite_utils = SqliteUtils(connection, execute_plugins=False)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
                self.sqlite_utils.execute(f"PRAGMA {pragma}").fetchall()

    def close(self) -> None:
        """Close the connection."""
        self.sqlite_utils.close()

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return all rows of a query, each as a dict."""
        with _advice(self.path):
            return list(self.sqlite_utils.query(sql, parameters))

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        return next(iter(self.rows(sql, parameters)), None)

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row, or None."""
        first = self.row(sql, parameters)
        return None if first is None else next(iter(first.values()))

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement and return the id of the row it inserted."""
        with _advice(self.path):
            return self.sqlite_utils.execute(sql, parameters).lastrowid or 0

    def write_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row."""
        with _advice(self.path):
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
        """All writes inside happen, or none; a transaction inside another is part of it."""
        if self.sqlite_utils.conn.in_transaction:
            yield
            return
        with _advice(self.path):
            self.sqlite_utils.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.sqlite_utils.commit()
            except BaseException:
                self.sqlite_utils.rollback()
                raise


def application_id(path: Path) -> int | None:
    """Return whose file this is, asked through a connection that cannot write; None: not a database."""
    with _advice(path):
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=_BUSY_SECONDS, uri=True)
        try:
            return int(connection.execute("PRAGMA application_id").fetchone()[0])
        except sqlite3.DatabaseError as err:
            if "not a database" in str(err):
                return None
            raise
        finally:
            connection.close()


@contextmanager
def _advice(path: Path) -> Iterator[None]:
    """Turn what SQLite says about files and disks into what the user can do."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as err:
        for clue, advice in _ADVICE.items():
            if clue in str(err):
                raise ProjectError(f"{path.name}: {advice}") from err
        raise
