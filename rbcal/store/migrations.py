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
USER_VERSION = 10  # the number of migrations; in the header of every project file
MIGRATIONS = Migrations("rbcal")
_LIVE = (  # of a ranking by a model with a second look
    # Its last layer, and the same as the expert's answers have it by now; float32 (C, D + 1), the bias last.
    """CREATE TABLE live_head (
  ranking_id INTEGER PRIMARY KEY REFERENCES ranking (id) ON DELETE CASCADE,
  own        BLOB NOT NULL,                                    -- the model's
  fitted     BLOB,                                             -- NULL: there is no new answer yet
  n_cells    INTEGER NOT NULL DEFAULT 0 CHECK (n_cells >= 0),  -- new answers in it
  fitted_at  TEXT
) STRICT""",
    # What the model makes of the cells of a review, in their order; float16 (M, D).
    """CREATE TABLE annotated_cells (
  ranking_id INTEGER NOT NULL REFERENCES ranking (id) ON DELETE CASCADE,
  review_id  INTEGER NOT NULL REFERENCES review (id) ON DELETE CASCADE,
  embeddings BLOB NOT NULL,
  PRIMARY KEY (ranking_id, review_id)
) STRICT""",
)
_READ = (  # a box that was saved open was not read; NULL: it was imported
    # Every count of cells needs the status, too: this index has all of it, in the place of the first one.
    "DROP INDEX annotation_by_review",
    "CREATE INDEX annotation_by_review ON annotation (review_id, class_id, review_status)",
    # The reviews that count: of a test image, only where every box was read.
    """CREATE VIEW counted_review AS
  SELECT current_review.*, image.split FROM current_review JOIN image ON image.id = image_id
  WHERE image.split = 'work' OR NOT EXISTS
    (SELECT 1 FROM annotation WHERE review_id = current_review.id AND review_status = 'open')""",
    """CREATE VIEW read_annotation AS
  SELECT annotation.*, counted_review.image_id, counted_review.split
  FROM annotation JOIN counted_review ON counted_review.id = annotation.review_id
  WHERE review_status IS NOT 'open'""",
)

# The chance that the expert would change a cell of a ranking: rbcal.acquisition.change_model.
_CHANGE_MODEL = """CREATE TABLE change_model (
  ranking_id  INTEGER PRIMARY KEY REFERENCES ranking (id) ON DELETE CASCADE,
  intercept   REAL NOT NULL,
  confidence  REAL NOT NULL,
  company     REAL NOT NULL,
  green_limit REAL CHECK (green_limit BETWEEN 0 AND 1),        -- NULL: no chance keeps the promise
  n_cells     INTEGER NOT NULL CHECK (n_cells > 0),            -- that it rests on
  n_wrong     INTEGER NOT NULL CHECK (n_wrong BETWEEN 0 AND n_cells),
  fitted_at   TEXT NOT NULL
) STRICT"""

_SPLITS = (  # until the first training groups change sides; then an untouched one may join the test set
    # A test image that was drawn among images to annotate, to be read next.
    """CREATE TABLE test_draw (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  at       TEXT NOT NULL
) STRICT""",
    "DROP TRIGGER group_split_is_frozen",
    "DROP TRIGGER image_split_is_frozen",
    """CREATE TRIGGER group_split_is_frozen BEFORE UPDATE OF split ON image_group WHEN NEW.split <> OLD.split
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: a model was trained')
  WHERE (EXISTS (SELECT 1 FROM model) OR EXISTS (SELECT 1 FROM snapshot)) AND (NEW.split = 'work' OR EXISTS
    (SELECT 1 FROM act JOIN image ON image.id = image_id WHERE group_id = OLD.id)); END""",
    """CREATE TRIGGER image_split_is_frozen BEFORE UPDATE OF split ON image WHEN NEW.split <> OLD.split
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: a model was trained')
  WHERE (EXISTS (SELECT 1 FROM model) OR EXISTS (SELECT 1 FROM snapshot)) AND (NEW.split = 'work' OR EXISTS
    (SELECT 1 FROM act WHERE image_id = OLD.id)); END""",
    """CREATE TRIGGER image_group_is_frozen BEFORE UPDATE OF group_id ON image
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: an image never changes its group'); END""",
)

_STATUSES = "('open', 'kept', 'accepted_in_bulk', 'changed', 'drawn'"  # in a CHECK of two tables
# A cell that was left unsure is read, but nobody said what it is.
_NAMED = """CREATE VIEW read_annotation AS
  SELECT annotation.*, counted_review.image_id, counted_review.split
  FROM annotation JOIN counted_review ON counted_review.id = annotation.review_id
  WHERE review_status IS NULL OR review_status NOT IN ('open', 'unsure')"""


@MIGRATIONS()
def m001_first(db: Database) -> None:
    """Create every table of version 1, inside one transaction; ``executescript`` would commit first."""
    statement = ""
    for line in Path(__file__).with_name("schema.sql").read_text("utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


@MIGRATIONS()
def m002_as_named(db: Database) -> None:
    """Count how often each class was named, and keep what live names are fitted from.

    Of trainings before this, say that their detectors have no second look, which is the default now.
    """
    for column in ("n_named", "n_correct"):  # boxes shown with that name; those of a cell of the class
        db.execute(f"ALTER TABLE class_evaluation ADD COLUMN {column} INTEGER CHECK ({column} >= 0)")
    without = "SET config = json_set(config, '$.second_look', json('false')) WHERE json_valid(config)"
    db.execute(f"UPDATE model {without}")
    db.execute(f"UPDATE snapshot {without}")
    # After so many new cells the app trains by itself; NULL: only when it is asked to.
    db.execute("ALTER TABLE project ADD COLUMN train_after INTEGER CHECK (train_after > 0)")
    for statement in _LIVE:
        db.execute(statement)


@MIGRATIONS()
def m003_read(db: Database) -> None:
    """Count only the cells that were read, and ask what becomes of boxes that were not."""
    # 0: what was not read is saved as read in part, without a question.
    db.execute(
        "ALTER TABLE project ADD COLUMN ask_unread INTEGER NOT NULL DEFAULT 1 CHECK (ask_unread IN (0, 1))"
    )
    for statement in _READ:
        db.execute(statement)


@MIGRATIONS()
def m004_honest_colours(db: Database) -> None:
    """Keep how likely a change of a cell is, and what the user wants of the green ones."""
    db.execute(
        "ALTER TABLE project ADD COLUMN colour_by TEXT NOT NULL DEFAULT 'chance'"
        " CHECK (colour_by IN ('chance', 'paper'))"
    )
    db.execute(  # which share of the green cells may be wrong
        "ALTER TABLE project ADD COLUMN promise REAL NOT NULL DEFAULT 0.02"
        " CHECK (promise > 0 AND promise <= 0.5)"
    )
    db.execute("ALTER TABLE score ADD COLUMN n_red INTEGER CHECK (n_red >= 0)")  # NULL: by the paper
    db.execute(_CHANGE_MODEL)


@MIGRATIONS()
def m005_splits(db: Database) -> None:
    """Let the test set grow with what is annotated by hand, and hide the model's names in it."""
    db.execute(  # each so many-th annotated image is a test image; 0: none is
        "ALTER TABLE project ADD COLUMN test_every INTEGER NOT NULL DEFAULT 4"
        " CHECK (test_every = 0 OR test_every >= 2)"
    )
    db.execute("UPDATE project SET test_every = 0 WHERE EXISTS (SELECT 1 FROM image WHERE split = 'test')")
    db.execute(  # test images and spot checks are read without the names that the model gives
        "ALTER TABLE project ADD COLUMN hide_names INTEGER NOT NULL DEFAULT 1 CHECK (hide_names IN (0, 1))"
    )
    for statement in _SPLITS:
        db.execute(statement)


@MIGRATIONS()
def m006_intervals(db: Database) -> None:
    """Keep where the figures of a class with few test cells may lie."""
    # ClassIntervals as JSON; NULL: there are enough of them, none, or an older rbcal measured.
    db.execute("ALTER TABLE class_evaluation ADD COLUMN intervals TEXT")


@MIGRATIONS()
def m007_unsure(db: Database) -> None:
    """Let the expert leave a cell unsure, and note why; say how sure a number of changes is."""
    views = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall()
    for name, _ in views:  # none may name a table that is made anew
        db.execute(f"DROP VIEW {name}")
    for table, notes in (("annotation", ["note"]), ("event", ["note_before", "note_after"])):
        _make_anew(db, table, _STATUSES, f"{_STATUSES}, 'unsure'")
        for note in notes:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {note} TEXT CHECK (length({note}) <= 1000)")
    # How much more the changes of an image vary than those of independent cells.
    db.execute("ALTER TABLE change_model ADD COLUMN spread REAL NOT NULL DEFAULT 1 CHECK (spread >= 1)")
    for name, sql in views:
        db.execute(_NAMED if name == "read_annotation" else sql)


def _make_anew(db: Database, table: str, old: str, new: str) -> None:
    """Change the words of a table, which SQLite itself does not; its rows and all that is on it stay."""
    named = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()[0]
    around = db.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger')"
        " AND sql IS NOT NULL",
        [table],
    ).fetchall()
    db.execute(named.replace(f"CREATE TABLE {table} ", "CREATE TABLE made_anew ", 1).replace(old, new))
    db.execute(f"INSERT INTO made_anew SELECT * FROM {table}")  # noqa: S608  our own names
    db.execute(f"DROP TABLE {table}")
    db.execute(f"ALTER TABLE made_anew RENAME TO {table}")
    for (sql,) in around:
        db.execute(sql)


@MIGRATIONS()
def m008_class_descriptions(db: Database) -> None:
    """Keep what a class is, in a sentence of the expert's own."""
    db.execute(  # NULL: that of the paper's class of this name, if it is one
        "ALTER TABLE class ADD COLUMN description TEXT CHECK (length(description) BETWEEN 1 AND 300)"
    )


@MIGRATIONS()
def m009_outlines_and_pins(db: Database) -> None:
    """Keep whether cells are boxed by outline; and cells pinned to show a class, by place of their box."""
    db.execute(
        "ALTER TABLE project ADD COLUMN by_outline INTEGER NOT NULL DEFAULT 0 CHECK (by_outline IN (0, 1))"
    )
    db.execute("""CREATE TABLE reference_cell (
  id        INTEGER PRIMARY KEY,
  image_id  INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
  pinned_at TEXT NOT NULL,
  CHECK (0 <= x1 AND x1 < x2 AND 0 <= y1 AND y1 < y2)
) STRICT""")


@MIGRATIONS()
def m010_cell_filters(db: Database) -> None:
    """Keep which cells the expert wants to see on the wall, under names."""
    db.execute("""CREATE TABLE cell_filter (
  name     TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 60),
  choice   TEXT NOT NULL,                                      -- CellFilter as JSON
  saved_at TEXT NOT NULL
) STRICT, WITHOUT ROWID""")


@cache
def schema_of_version(version: int) -> frozenset[tuple[str, str, str | None]]:
    """Return what a project file of one format is made of: (type, name, SQL) of each table, index, ..."""
    connection = sqlite3.connect(":memory:")
    try:
        db = Database(connection, execute_plugins=False)
        later = [each.name for each in MIGRATIONS.pending(db)][version:]
        MIGRATIONS.apply(db, stop_before=later[0] if later else None)
        return schema_of(connection)
    finally:
        connection.close()
