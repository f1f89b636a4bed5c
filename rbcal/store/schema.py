"""Every table of a project file, as SQL text.

Units: boxes are image pixels, top left corner (0, 0); times are ISO 8601 in UTC; durations are seconds.
A released migration is never edited: a change is a new function at the end.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from functools import cache

import numpy as np
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from rbcal.store.database import schema_of

APPLICATION_ID = 0x52424331  # "RBC1", in the header of every project file
migrations = Migrations("rbcal")

_FIRST = """
-- One row: what the whole project is.
CREATE TABLE project (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 300),
  created_at TEXT NOT NULL
) STRICT;

-- The subtypes, in the order of their label: 0, 1, 2, ...
CREATE TABLE class (
  id   INTEGER PRIMARY KEY CHECK (id >= 0),   -- the label
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 300),
  rare INTEGER NOT NULL CHECK (rare IN (0, 1))
) STRICT;

-- A slide, a patient, or one image alone: what must not be torn between training and test.
CREATE TABLE image_group (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 400),
  split TEXT NOT NULL CHECK (split IN ('work', 'test')),
  UNIQUE (id, split)
) STRICT;

CREATE TABLE image (
  id       INTEGER PRIMARY KEY,
  sha256   TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),   -- of the original bytes
  name     TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 300),
  width    INTEGER NOT NULL CHECK (width > 0),                 -- pixels, as shown
  height   INTEGER NOT NULL CHECK (height > 0),
  group_id INTEGER NOT NULL,
  split    TEXT NOT NULL,
  added_at TEXT NOT NULL,
  UNIQUE (id, split),
  FOREIGN KEY (group_id, split) REFERENCES image_group (id, split)   -- a group is never torn
) STRICT;
CREATE INDEX image_by_group ON image (group_id);

CREATE TABLE image_content (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  content  BLOB NOT NULL                                       -- the file as it was imported
) STRICT;

-- The test set is frozen: neither a group nor an image ever changes its side.
CREATE TRIGGER group_split_is_frozen BEFORE UPDATE OF split ON image_group
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: a group never changes its side'); END;
CREATE TRIGGER image_split_is_frozen BEFORE UPDATE OF split, group_id ON image
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: an image never changes its side'); END;

CREATE TRIGGER test_set_is_closed BEFORE INSERT ON image WHEN NEW.split = 'test'
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: a model was evaluated on it')
  WHERE EXISTS (SELECT 1 FROM evaluation); END;

-- One act of annotating one image. The last revision holds; the earlier ones stay.
CREATE TABLE review (
  id         INTEGER PRIMARY KEY,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  revision   INTEGER NOT NULL CHECK (revision >= 1),
  origin     TEXT NOT NULL CHECK (origin IN ('import', 'expert')),
  ranking_id INTEGER REFERENCES ranking (id),                  -- whose boxes the expert started from
  seconds    REAL NOT NULL CHECK (seconds >= 0),               -- of the expert's time
  created_at TEXT NOT NULL,
  UNIQUE (image_id, revision)                                  -- two savers: the second is told
) STRICT;
CREATE TRIGGER review_is_history BEFORE UPDATE ON review
BEGIN SELECT RAISE (ABORT, 'a review is history and never changes'); END;

CREATE TABLE annotation (
  id           INTEGER PRIMARY KEY,
  review_id    INTEGER NOT NULL REFERENCES review (id) ON DELETE CASCADE,
  class_id     INTEGER NOT NULL REFERENCES class (id),
  x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
  detection_id INTEGER REFERENCES detection (id),              -- the model's box it came from, if any
  CHECK (0 <= x1 AND x1 < x2 AND 0 <= y1 AND y1 < y2)
) STRICT;
CREATE INDEX annotation_by_review ON annotation (review_id);
CREATE INDEX annotation_by_detection ON annotation (detection_id) WHERE detection_id IS NOT NULL;
CREATE TRIGGER annotation_is_history BEFORE UPDATE ON annotation
BEGIN SELECT RAISE (ABORT, 'an annotation is history and never changes: save a new review'); END;

CREATE VIEW current_review AS
  SELECT review.* FROM review
  WHERE revision = (SELECT max(revision) FROM review AS other WHERE other.image_id = review.image_id);
CREATE VIEW current_annotation AS
  SELECT annotation.*, current_review.image_id
  FROM annotation JOIN current_review ON current_review.id = annotation.review_id;

-- An unfinished review, kept so that a refresh or a crash loses nothing.
CREATE TABLE draft (
  image_id   INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  boxes      TEXT NOT NULL,   -- JSON
  seconds    REAL NOT NULL CHECK (seconds >= 0),
  updated_at TEXT NOT NULL
) STRICT;

-- A trained detector. Its weights are the chunks, joined in order: one safetensors file.
CREATE TABLE model (
  id           INTEGER PRIMARY KEY,
  config       TEXT NOT NULL,       -- TrainConfig as JSON
  code_version TEXT NOT NULL,
  n_images     INTEGER NOT NULL CHECK (n_images > 0),          -- annotated images it was trained on
  n_cells      INTEGER NOT NULL CHECK (n_cells > 0),           -- annotated cells on them
  n_bytes      INTEGER NOT NULL CHECK (n_bytes > 0),
  sha256       TEXT NOT NULL CHECK (length(sha256) = 64),
  seconds      REAL NOT NULL CHECK (seconds >= 0),             -- of training
  created_at   TEXT NOT NULL
) STRICT;
CREATE TABLE checkpoint_chunk (
  model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  content  BLOB NOT NULL,
  PRIMARY KEY (model_id, position)
) STRICT;

-- What a model was trained on. A test image cannot enter: split must be 'work', and it is the image's own.
CREATE TABLE training_image (
  model_id  INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  image_id  INTEGER NOT NULL,
  split     TEXT NOT NULL DEFAULT 'work' CHECK (split = 'work'),
  review_id INTEGER NOT NULL REFERENCES review (id),
  PRIMARY KEY (model_id, image_id),
  FOREIGN KEY (image_id, split) REFERENCES image (id, split)
) STRICT, WITHOUT ROWID;

-- One scoring of the pool by one model.
CREATE TABLE ranking (
  id         INTEGER PRIMARY KEY,
  model_id   INTEGER NOT NULL REFERENCES model (id),
  config     TEXT NOT NULL,         -- ScoringConfig as JSON
  created_at TEXT NOT NULL,
  finished_at TEXT                                             -- NULL: under way, or never finished
) STRICT;
CREATE TABLE score (
  ranking_id INTEGER NOT NULL REFERENCES ranking (id) ON DELETE CASCADE,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  relevance  REAL NOT NULL,                                    -- R, equation (8)
  n_cells    INTEGER NOT NULL,
  n_flagged  INTEGER NOT NULL,                                 -- any of the three terms fires
  n_class    INTEGER NOT NULL,                                 -- U^c <= alpha
  n_box      INTEGER NOT NULL,                                 -- U^d <= beta
  n_rare     INTEGER NOT NULL,                                 -- U^r = 1
  PRIMARY KEY (ranking_id, image_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE detection (
  id         INTEGER PRIMARY KEY,
  ranking_id INTEGER NOT NULL REFERENCES ranking (id) ON DELETE CASCADE,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
  u_d        REAL NOT NULL,                                    -- equation (5)
  u_c        REAL NOT NULL,                                    -- equation (6)
  u_r        REAL NOT NULL,                                    -- equation (7)
  probs      BLOB NOT NULL,                                    -- float32, background first, sums to 1
  CHECK (x1 < x2 AND y1 < y2)
) STRICT;
CREATE INDEX detection_by_image ON detection (image_id, ranking_id);

-- How good a model is on the frozen test set, as it was then.
CREATE TABLE evaluation (
  id            INTEGER PRIMARY KEY,
  model_id      INTEGER NOT NULL UNIQUE REFERENCES model (id) ON DELETE CASCADE,
  precision_all REAL NOT NULL,                                 -- equation (9)
  map_50        REAL NOT NULL,
  map_50_95     REAL NOT NULL,
  rare_ap_50    REAL,                                          -- NULL: no rare cell in the test set
  n_images      INTEGER NOT NULL,
  created_at    TEXT NOT NULL
) STRICT;
CREATE TABLE class_evaluation (
  evaluation_id INTEGER NOT NULL REFERENCES evaluation (id) ON DELETE CASCADE,
  class_id      INTEGER NOT NULL REFERENCES class (id),
  n_cells       INTEGER NOT NULL,                              -- N_k, counted on the ground truth
  ap_50         REAL,                                          -- NULL: no such cell in the test set
  PRIMARY KEY (evaluation_id, class_id)
) STRICT, WITHOUT ROWID;

-- Work that a worker process does. At most one is under way.
CREATE TABLE job (
  id               INTEGER PRIMARY KEY,
  kind             TEXT NOT NULL CHECK (kind IN ('train', 'score', 'evaluate')),
  config           TEXT NOT NULL,   -- JSON
  state            TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  stage            TEXT NOT NULL DEFAULT 'Starting',           -- what it does now, in words
  step             INTEGER NOT NULL DEFAULT 0,
  steps            INTEGER NOT NULL DEFAULT 0,                 -- 0: not known yet
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  reason           TEXT,                                       -- why it failed
  created_at       TEXT NOT NULL,
  started_at       TEXT,
  stage_started_at TEXT,
  finished_at      TEXT
) STRICT;
CREATE UNIQUE INDEX one_job_at_a_time ON job ((1)) WHERE state IN ('queued', 'running');
CREATE TABLE job_log (
  id     INTEGER PRIMARY KEY,
  job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  at     TEXT NOT NULL,
  line   TEXT NOT NULL
) STRICT;
CREATE INDEX job_log_by_job ON job_log (job_id);
CREATE TABLE job_loss (
  job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  step   INTEGER NOT NULL,
  loss   REAL NOT NULL,
  PRIMARY KEY (job_id, step)
) STRICT, WITHOUT ROWID;
"""


@migrations()
def m001_first(db: Database) -> None:
    """Create every table of version 1."""
    for statement in _statements(_FIRST):
        db.execute(statement)


_SECOND = """
-- What a model went on from, and which step of its training gave the weights.
ALTER TABLE model ADD COLUMN parent_id INTEGER REFERENCES model (id);
ALTER TABLE model ADD COLUMN kept_step INTEGER CHECK (kept_step >= 0);
ALTER TABLE model ADD COLUMN validation REAL;                 -- Precision_all on the validation images
-- Some annotated images do not teach: they pick the weights.
ALTER TABLE training_image ADD COLUMN purpose TEXT NOT NULL DEFAULT 'train'
  CHECK (purpose IN ('train', 'validate'));

-- A training that is resumed begins at a later step.
ALTER TABLE job ADD COLUMN first_step INTEGER NOT NULL DEFAULT 0;

-- Who serves: the last row. The earlier ones are the way back.
CREATE TABLE serving (
  id       INTEGER PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  chosen_by TEXT NOT NULL CHECK (chosen_by IN ('gate', 'expert')),
  at       TEXT NOT NULL
) STRICT;
INSERT INTO serving (model_id, chosen_by, at)
  SELECT id, 'gate', created_at FROM model ORDER BY id DESC LIMIT 1;

-- A new model beside the one that served: what the promotion gate saw.
CREATE TABLE comparison (
  model_id INTEGER PRIMARY KEY REFERENCES model (id) ON DELETE CASCADE,
  rival_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  result   TEXT NOT NULL,                                      -- Comparison as JSON
  question TEXT NOT NULL CHECK (question IN ('none', 'open', 'answered'))
) STRICT;

-- What a model found in a test image: two models are compared image by image.
CREATE TABLE test_detection (
  model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  image_id INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  boxes    BLOB NOT NULL,                                      -- float32 (N, 4), image pixels
  probs    BLOB NOT NULL,                                      -- float32 (N, C + 1), background first
  PRIMARY KEY (model_id, image_id)
) STRICT, WITHOUT ROWID;

-- A training that was stopped: all that is needed to go on. At most one.
CREATE TABLE snapshot (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  job_id     INTEGER REFERENCES job (id) ON DELETE SET NULL,
  parent_id  INTEGER REFERENCES model (id) ON DELETE CASCADE,
  config     TEXT NOT NULL,                                    -- TrainConfig as JSON
  n_classes  INTEGER NOT NULL CHECK (n_classes > 0),           -- that the detector was begun with
  step       INTEGER NOT NULL CHECK (step > 0),
  seconds    REAL NOT NULL CHECK (seconds >= 0),               -- of training so far
  n_bytes    INTEGER NOT NULL CHECK (n_bytes > 0),
  created_at TEXT NOT NULL
) STRICT;
CREATE TABLE snapshot_chunk (
  snapshot_id INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
  position    INTEGER NOT NULL CHECK (position >= 0),
  content     BLOB NOT NULL,
  PRIMARY KEY (snapshot_id, position)
) STRICT;
CREATE TABLE snapshot_image (
  snapshot_id INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
  position    INTEGER NOT NULL,                                -- the order of the training
  image_id    INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  review_id   INTEGER NOT NULL REFERENCES review (id) ON DELETE CASCADE,
  purpose     TEXT NOT NULL CHECK (purpose IN ('train', 'validate')),
  PRIMARY KEY (snapshot_id, position)
) STRICT, WITHOUT ROWID;
"""


@migrations()
def m002_serving(db: Database) -> None:
    """Add who serves, comparisons of models, and trainings that can be resumed."""
    for statement in _statements(_SECOND):
        db.execute(statement)


_THIRD = """
-- What the expert did with a box. NULL: imported, or reviewed before this was kept.
ALTER TABLE annotation ADD COLUMN how TEXT
  CHECK (how IN ('open', 'kept', 'accepted_in_bulk', 'changed', 'drawn'));   -- open: nobody looked

ALTER TABLE draft ADD COLUMN base_revision INTEGER NOT NULL DEFAULT 0;   -- of the review it started from
ALTER TABLE draft ADD COLUMN ranking_id INTEGER REFERENCES ranking (id);     -- whose boxes it started from

-- Green boxes that came back at random: was the model right?
CREATE TABLE spot_check (
  review_id    INTEGER NOT NULL REFERENCES review (id) ON DELETE CASCADE,
  detection_id INTEGER NOT NULL REFERENCES detection (id),
  wrong        INTEGER NOT NULL CHECK (wrong IN (0, 1)),
  PRIMARY KEY (review_id, detection_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spot_check_by_detection ON spot_check (detection_id);

-- Images that the expert put off; a review takes them out.
CREATE TABLE skipped (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  at       TEXT NOT NULL
) STRICT;

-- How many cells of an image may be of a class: more probable than the threshold of equation (7).
CREATE TABLE class_score (
  ranking_id INTEGER NOT NULL REFERENCES ranking (id) ON DELETE CASCADE,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  class_id   INTEGER NOT NULL REFERENCES class (id),
  n_cells    INTEGER NOT NULL CHECK (n_cells > 0),
  PRIMARY KEY (ranking_id, image_id, class_id)
) STRICT, WITHOUT ROWID;

-- Where each stochastic pass saw the cell: float16 (T, 4), its box minus x1, y1, x2, y2. NULL: not kept.
ALTER TABLE detection ADD COLUMN passes BLOB;

-- Derived, made when first shown.
CREATE TABLE thumbnail (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  content  BLOB NOT NULL
) STRICT;

ALTER TABLE class ADD COLUMN key TEXT CHECK (length(key) = 1);   -- gives a cell this class; NULL: by order
CREATE UNIQUE INDEX class_by_key ON class (key);
"""


@migrations()
def m003_review(db: Database) -> None:
    """Add what the review screen keeps: how each box was dealt with, spot checks, skipped images, keys."""
    for statement in _statements(_THIRD):
        db.execute(statement)
    for image_id, boxes in db.execute("SELECT image_id, boxes FROM draft").fetchall():
        rows = json.loads(boxes)
        for row in rows:
            touched = row.pop("touched")
            row["how"] = "open" if not touched else "drawn" if row["detection_id"] is None else "changed"
        sources = [row["detection_id"] for row in rows if row["detection_id"] is not None]
        db.execute(
            "UPDATE draft SET boxes = ?, ranking_id = (SELECT ranking_id FROM detection WHERE id = ?)"
            " WHERE image_id = ?",
            (json.dumps(rows), min(sources, default=None), image_id),
        )
    _count_classes_of_the_last_ranking(db)


def _count_classes_of_the_last_ranking(db: Database) -> None:
    threshold = "coalesce(json_extract(config, '$.rare_threshold'), 0.2)"
    last = db.execute(
        f"SELECT id, {threshold} FROM ranking WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1"  # noqa: S608
    ).fetchone()
    if last is None:
        return
    counts: Counter[tuple[int, int]] = Counter()
    for image_id, probs in db.execute("SELECT image_id, probs FROM detection WHERE ranking_id = ?", last[:1]):
        likely = np.flatnonzero(np.frombuffer(probs, "<f4")[1:] > last[1])
        counts.update((image_id, int(label)) for label in likely)
    for (image_id, label), n_cells in counts.items():
        db.execute("INSERT INTO class_score VALUES (?, ?, ?, ?)", (last[0], image_id, label, n_cells))


_FOURTH = """
-- Who sits at the screen: signs every act from now on.
ALTER TABLE project ADD COLUMN expert TEXT NOT NULL DEFAULT '' CHECK (length(expert) <= 300);

-- Which page or channel of its file an image is; empty: the first page as it is.
ALTER TABLE image ADD COLUMN layer TEXT NOT NULL DEFAULT '';

-- The log. An act is what one undo takes back; acts on an image are numbered 1, 2, 3, ... without a gap, so
-- two that were made side by side cannot both be stored. Nothing here ever changes or goes.
CREATE TABLE act (
  id         INTEGER PRIMARY KEY,                              -- in the order of time
  image_id   INTEGER NOT NULL REFERENCES image (id),
  version    INTEGER NOT NULL CHECK (version >= 1),            -- of the boxes of the image
  kind       TEXT NOT NULL CHECK (kind IN
    ('import',                                                 -- boxes came from a file, and are a review
     'begin',                                                  -- the expert starts from a ranking's boxes
     'edit', 'undo', 'redo',
     'restore',                                                -- an edit: back to an earlier review
     'save')),                                                 -- the boxes became a review
  who        TEXT NOT NULL,
  at         TEXT NOT NULL,
  seconds    REAL NOT NULL CHECK (seconds >= 0),               -- of the expert's time since the act before
  ranking_id INTEGER REFERENCES ranking (id),                  -- begin: whose boxes
  review_id  INTEGER REFERENCES review (id),                   -- import, save: it became; restore: it was
  UNIQUE (image_id, version)
) STRICT;
CREATE INDEX act_by_review ON act (review_id) WHERE review_id IS NOT NULL;

-- What an act did to one box: how it was and how it is; no class before: it is new; none after: it is gone.
CREATE TABLE event (
  image_id  INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  box       INTEGER NOT NULL,                                  -- 0, 1, 2, ... on its image
  x1_before REAL, y1_before REAL, x2_before REAL, y2_before REAL,
  class_before     INTEGER REFERENCES class (id),
  how_before       TEXT,                                       -- as in annotation
  detection_before INTEGER,                                    -- the model's box it came from, if any
  x1_after REAL, y1_after REAL, x2_after REAL, y2_after REAL,
  class_after      INTEGER REFERENCES class (id),
  how_after        TEXT CHECK (how_after IN ('open', 'kept', 'accepted_in_bulk', 'changed', 'drawn')),
  detection_after  INTEGER REFERENCES detection (id),
  PRIMARY KEY (image_id, version, box),
  FOREIGN KEY (image_id, version) REFERENCES act (image_id, version),
  CHECK (class_before IS NOT NULL OR class_after IS NOT NULL),
  CHECK ((class_after IS NULL) = (x1_after IS NULL)),
  CHECK (0 <= x1_after AND x1_after < x2_after AND 0 <= y1_after AND y1_after < y2_after)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_by_detection ON event (detection_after) WHERE detection_after IS NOT NULL;

-- The cells of each class are counted from the index alone.
DROP INDEX annotation_by_review;
CREATE INDEX annotation_by_review ON annotation (review_id, class_id);

CREATE TRIGGER act_is_history BEFORE UPDATE ON act
BEGIN SELECT RAISE (ABORT, 'the log is history and never changes'); END;
CREATE TRIGGER act_stays BEFORE DELETE ON act
BEGIN SELECT RAISE (ABORT, 'the log is history and never goes'); END;
CREATE TRIGGER event_is_history BEFORE UPDATE ON event
BEGIN SELECT RAISE (ABORT, 'the log is history and never changes'); END;
CREATE TRIGGER event_stays BEFORE DELETE ON event
BEGIN SELECT RAISE (ABORT, 'the log is history and never goes'); END;

-- Reviews of before the log: each takes the boxes of the one before away and puts its own.
INSERT INTO act (image_id, version, kind, who, at, seconds, ranking_id, review_id)
  SELECT image_id, revision, iif(origin = 'import', 'import', 'save'), '', created_at, seconds, ranking_id, id
  FROM review ORDER BY id;
WITH numbered AS (
  SELECT annotation.*, image_id, revision,
         row_number() OVER (PARTITION BY image_id ORDER BY annotation.id) - 1 AS box
  FROM annotation JOIN review ON review.id = review_id)
INSERT INTO event
  SELECT image_id, revision, box, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         x1, y1, x2, y2, class_id, how, detection_id FROM numbered
  UNION ALL
  SELECT image_id, revision + 1, box, x1, y1, x2, y2, class_id, how, detection_id,
         NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM numbered
  WHERE EXISTS (SELECT 1 FROM review AS next
                WHERE next.image_id = numbered.image_id AND next.revision = numbered.revision + 1);
"""


@migrations()
def m004_log(db: Database) -> None:
    """Add the log of every act, from which reviews and unfinished work follow; drafts become part of it."""
    for statement in _statements(_FOURTH):
        db.execute(statement)
    for draft in db.execute("SELECT image_id, boxes, seconds, updated_at, ranking_id FROM draft").fetchall():
        _log_draft(db, *draft)
    db.execute("DROP TABLE draft")


def _log_draft(
    db: Database, image_id: int, boxes: str, seconds: float, at: str, ranking_id: int | None
) -> None:
    """Log a draft as an edit: after the last review, or after a beginning with no box at all."""
    version, first = db.execute(
        "SELECT (SELECT coalesce(max(version), 0) FROM act WHERE image_id = :image),"
        " (SELECT coalesce(max(box) + 1, 0) FROM event WHERE image_id = :image)",
        {"image": image_id},
    ).fetchone()
    act = (
        "INSERT INTO act (image_id, version, kind, who, at, seconds, ranking_id)"
        " VALUES (?, ?, ?, '', ?, ?, ?)"
    )
    if not version:
        version = 1
        db.execute(act, (image_id, version, "begin", at, 0, ranking_id))
    db.execute(act, (image_id, version + 1, "edit", at, seconds, None))
    db.execute(
        "INSERT INTO event SELECT image_id, :next, box, x1_after, y1_after, x2_after, y2_after, class_after,"
        " how_after, detection_after, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
        " FROM event WHERE image_id = :image AND version = :last AND class_after IS NOT NULL",
        {"image": image_id, "last": version, "next": version + 1},
    )
    for number, row in enumerate(json.loads(boxes), start=first):
        db.execute(
            "INSERT INTO event VALUES (?, ?, ?, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ?, ?, ?, ?, ?, ?,"
            " (SELECT id FROM detection WHERE id = ?))",
            (image_id, version + 1, number, *row["box"], row["label"], row["how"], row["detection_id"]),
        )


_FIFTH = """
-- Who ordered the pool, and by what: see rbcal.acquisition.strategies.
ALTER TABLE ranking ADD COLUMN strategy TEXT NOT NULL DEFAULT 'relevance';
ALTER TABLE ranking ADD COLUMN situation TEXT NOT NULL DEFAULT '{}';   -- JSON: what the strategy knew
ALTER TABLE ranking ADD COLUMN looks BLOB;            -- float16 (M, D), of cells in annotated images
ALTER TABLE score ADD COLUMN place INTEGER CHECK (place >= 1);   -- in the queue; NULL: by relevance
ALTER TABLE score ADD COLUMN value REAL;                       -- what the strategy goes by; high comes first
ALTER TABLE score ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';   -- JSON: what the value is made of
ALTER TABLE score ADD COLUMN propensity REAL CHECK (propensity > 0 AND propensity <= 1);   -- NULL: not drawn
ALTER TABLE detection ADD COLUMN bald REAL;                      -- NULL, as the next three: not kept then
ALTER TABLE detection ADD COLUMN agreement REAL;                 -- mean IoU to the mean box
ALTER TABLE detection ADD COLUMN rate REAL;                      -- share of the passes that see a cell
ALTER TABLE detection ADD COLUMN look BLOB;                      -- float16 (D,), a unit vector

-- A job may be a simulation.
CREATE TABLE wider_job (
  id               INTEGER PRIMARY KEY,
  kind             TEXT NOT NULL CHECK (kind IN ('train', 'score', 'evaluate', 'rank', 'simulate')),
  config           TEXT NOT NULL,   -- JSON
  state            TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  stage            TEXT NOT NULL DEFAULT 'Starting',           -- what it does now, in words
  step             INTEGER NOT NULL DEFAULT 0,
  steps            INTEGER NOT NULL DEFAULT 0,                 -- 0: not known yet
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  reason           TEXT,                                       -- why it failed
  created_at       TEXT NOT NULL,
  started_at       TEXT,
  stage_started_at TEXT,
  finished_at      TEXT,
  first_step       INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO wider_job
  SELECT id, kind, config, state, stage, step, steps, cancel_requested, reason, created_at,
         started_at, stage_started_at, finished_at, first_step FROM job;
CREATE TEMP TABLE kept_log AS SELECT * FROM job_log;
CREATE TEMP TABLE kept_loss AS SELECT * FROM job_loss;
CREATE TEMP TABLE kept_snapshot AS SELECT id, job_id FROM snapshot;
DROP TABLE job;                                                -- what refers to it goes, or forgets it
ALTER TABLE wider_job RENAME TO job;
CREATE UNIQUE INDEX one_job_at_a_time ON job ((1)) WHERE state IN ('queued', 'running');
INSERT OR IGNORE INTO job_log SELECT * FROM kept_log;
INSERT OR IGNORE INTO job_loss SELECT * FROM kept_loss;
UPDATE snapshot SET job_id = (SELECT job_id FROM kept_snapshot WHERE kept_snapshot.id = snapshot.id);
DROP TABLE kept_log;
DROP TABLE kept_loss;
DROP TABLE kept_snapshot;

-- An experiment: annotated images play pool and expert.
CREATE TABLE simulation (
  id           INTEGER PRIMARY KEY,
  config       TEXT NOT NULL,                                  -- SimulationConfig as JSON
  images       TEXT NOT NULL CHECK (length(images) = 64),      -- SHA-256 of the images and annotations
  code_version TEXT NOT NULL,
  created_at   TEXT NOT NULL,
  finished_at  TEXT                                            -- NULL: under way, or stopped
) STRICT;

-- A point of a learning curve. Those of round 0 are alike for all strategies of a repeat.
CREATE TABLE simulation_point (
  simulation_id  INTEGER NOT NULL REFERENCES simulation (id) ON DELETE CASCADE,
  repeat         INTEGER NOT NULL CHECK (repeat >= 0),
  strategy       TEXT NOT NULL,
  round          INTEGER NOT NULL CHECK (round >= 0),
  n_images       INTEGER NOT NULL CHECK (n_images > 0),        -- annotated by then
  n_cells        INTEGER NOT NULL CHECK (n_cells >= 0),
  cells_by_class TEXT NOT NULL,                                -- JSON (C,)
  expert_seconds REAL NOT NULL CHECK (expert_seconds >= 0),    -- expected, since round 0
  evaluation     TEXT NOT NULL,                                -- Evaluation as JSON
  weights_sha256 TEXT NOT NULL CHECK (length(weights_sha256) = 64),
  query          TEXT NOT NULL,                                -- JSON: ids of the images, in order
  seconds        REAL NOT NULL CHECK (seconds >= 0),           -- of computing
  created_at     TEXT NOT NULL,
  PRIMARY KEY (simulation_id, repeat, strategy, round)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER point_is_history BEFORE UPDATE ON simulation_point
BEGIN SELECT RAISE (ABORT, 'a point of a simulation is history and never changes'); END;
"""


@migrations()
def m005_strategies(db: Database) -> None:
    """Add strategies, what they go by, and simulations."""
    for statement in _statements(_FIFTH):
        db.execute(statement)


_SIXTH = """
-- What the expert wants to reach before the work ends: AP on the test set.
CREATE TABLE target (
  metric TEXT PRIMARY KEY CHECK (metric IN ('precision_all', 'rare_ap_50')),
  value  REAL NOT NULL CHECK (value > 0 AND value <= 1)
) STRICT, WITHOUT ROWID;
"""


@migrations()
def m006_targets(db: Database) -> None:
    """Add the targets of the expert."""
    for statement in _statements(_SIXTH):
        db.execute(statement)


_SEVENTH = """
-- What a model found in an image whose cells are annotated: of the test set, to compare two models; of the
-- others, to find annotations that the model contradicts.
ALTER TABLE test_detection RENAME TO model_detection;
"""


@migrations()
def m007_model_detections(db: Database) -> None:
    """Let what a model found in annotated images be kept for images outside the test set, too."""
    for statement in _statements(_SEVENTH):
        db.execute(statement)


_EIGHTH = """
-- Which pictures look alike: rbcal.interchange.perceptual_hash. Derived; made at import, or when first asked.
CREATE TABLE likeness (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  hash     BLOB NOT NULL CHECK (length(hash) IN (0, 32))       -- 0: the picture cannot be read
) STRICT;

ALTER TABLE class ADD COLUMN colour TEXT CHECK (colour GLOB
  '#[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]');        -- in charts; NULL: by order

-- Classes that count as another one, from the last row of each on. No label is ever rewritten: it is read as
-- that of the target, so a merge can be taken back.
CREATE TABLE class_merge (
  id        INTEGER PRIMARY KEY,                               -- in the order of time
  class_id  INTEGER NOT NULL REFERENCES class (id),
  target_id INTEGER REFERENCES class (id),                     -- NULL: it is a class of its own again
  who       TEXT NOT NULL,
  at        TEXT NOT NULL,
  CHECK (class_id <> target_id)
) STRICT;
CREATE TRIGGER merge_is_history BEFORE UPDATE ON class_merge
BEGIN SELECT RAISE (ABORT, 'a merge is history and never changes'); END;
CREATE TRIGGER merge_stays BEFORE DELETE ON class_merge
BEGIN SELECT RAISE (ABORT, 'a merge is history and never goes'); END;
"""


@migrations()
def m008_classes_and_likeness(db: Database) -> None:
    """Add colours and merges of classes, and which pictures look alike."""
    for statement in _statements(_EIGHTH):
        db.execute(statement)


USER_VERSION = 8  # the number of migrations; in the header of every project file


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


def _statements(script: str) -> list[str]:
    """Split a script into its statements, to run inside one transaction; ``executescript`` commits first."""
    statements, lines = [], []
    for line in script.splitlines():
        lines.append(line)
        if sqlite3.complete_statement("\n".join(lines)):
            statements.append("\n".join(lines))
            lines = []
    return statements
