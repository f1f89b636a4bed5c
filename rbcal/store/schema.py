"""The migrations that make a project file; schema.sql is the first, and has every table.

A released migration is never edited: a change is a new function at the end, and `USER_VERSION` one higher.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from rbcal.store.database import schema_of

APPLICATION_ID = 0x52424331  # "RBC1", in the header of every project file
USER_VERSION = 2  # the number of migrations; in the header of every project file
migrations = Migrations("rbcal")


@migrations()
def m001_first(db: Database) -> None:
    """Create every table of version 1, inside one transaction; ``executescript`` would commit first."""
    statement = ""
    for line in Path(__file__).with_name("schema.sql").read_text("utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


@migrations()
def m002_as_named(db: Database) -> None:
    """Count for each class how often it was named, and how often rightly; NULL: measured before that.

    And say of trainings before this that their detectors have no second look, which is the default now.
    """
    for column in ("n_named", "n_correct"):  # boxes shown with that name; those of a cell of the class
        db.execute(f"ALTER TABLE class_evaluation ADD COLUMN {column} INTEGER CHECK ({column} >= 0)")
    without = "SET config = json_set(config, '$.second_look', json('false')) WHERE json_valid(config)"
    db.execute(f"UPDATE model {without}")
    db.execute(f"UPDATE snapshot {without}")


@cache
def schema_of_version(version: int) -> frozenset[tuple[str, str, str | None]]:
    """Return what a project file of one format is made of: (type, name, SQL) of each table, index, ..."""
    connection = sqlite3.connect(":memory:")
    try:
        db = Database(connection, execute_plugins=False)
        later = [each.name for each in migrations.pending(db)][version:]
        migrations.apply(db, stop_before=later[0] if later else None)
        return schema_of(connection)
    finally:
        connection.close()
