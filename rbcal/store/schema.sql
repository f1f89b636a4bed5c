-- Every table of a project file: format 1, which is never edited; a change is a migration in schema.py.
-- Units: boxes are image pixels, top left corner (0, 0); times are ISO 8601 in UTC; durations are seconds.

---- project and classes -------------------------------------------------------------------------------

-- One row: what the whole project is.
CREATE TABLE project (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 300),
  expert     TEXT NOT NULL DEFAULT '' CHECK (length(expert) <= 300),   -- signs every act
  created_at TEXT NOT NULL
) STRICT;

-- What the expert wants to reach before the work ends: AP on the test set.
CREATE TABLE target (
  metric TEXT PRIMARY KEY CHECK (metric IN ('precision_all', 'rare_ap_50')),
  value  REAL NOT NULL CHECK (value > 0 AND value <= 1)
) STRICT, WITHOUT ROWID;

-- The subtypes, in the order of their label: 0, 1, 2, ...
CREATE TABLE class (
  id     INTEGER PRIMARY KEY CHECK (id >= 0),                          -- the label
  name   TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 300),
  rare   INTEGER NOT NULL CHECK (rare IN (0, 1)),
  key    TEXT CHECK (length(key) = 1),                                 -- on the keyboard; NULL: by order
  colour TEXT CHECK (colour GLOB '#[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]')   -- NULL: by order
) STRICT;
CREATE UNIQUE INDEX class_by_key ON class (key);

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

---- images and the test set ---------------------------------------------------------------------------

-- A slide, a patient, or one image alone: what must not be torn between training and test.
CREATE TABLE image_group (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 400),
  split TEXT NOT NULL CHECK (split IN ('work', 'test')),
  UNIQUE (id, split)
) STRICT;

-- A picture of cells; what is annotated, predicted and ranked.
CREATE TABLE image (
  id       INTEGER PRIMARY KEY,
  sha256   TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),   -- of the original bytes
  name     TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 300),
  layer    TEXT NOT NULL DEFAULT '',                           -- page or channel; empty: the first page
  width    INTEGER NOT NULL CHECK (width > 0),                 -- pixels, as shown
  height   INTEGER NOT NULL CHECK (height > 0),
  group_id INTEGER NOT NULL,
  split    TEXT NOT NULL,
  added_at TEXT NOT NULL,
  UNIQUE (id, split),
  FOREIGN KEY (group_id, split) REFERENCES image_group (id, split)   -- a group is never torn
) STRICT;
CREATE INDEX image_by_group ON image (group_id);

-- The file of an image, as it was imported.
CREATE TABLE image_content (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  content  BLOB NOT NULL
) STRICT;

-- The test set is frozen: neither a group nor an image ever changes its side.
CREATE TRIGGER group_split_is_frozen BEFORE UPDATE OF split ON image_group
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: a group never changes its side'); END;
CREATE TRIGGER image_split_is_frozen BEFORE UPDATE OF split, group_id ON image
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: an image never changes its side'); END;
CREATE TRIGGER test_set_is_closed BEFORE INSERT ON image WHEN NEW.split = 'test'
BEGIN SELECT RAISE (ABORT, 'the test set is frozen: a model was evaluated on it')
  WHERE EXISTS (SELECT 1 FROM evaluation); END;

---- reviews and the log -------------------------------------------------------------------------------

-- One act of annotating one image. The last revision holds; the earlier ones stay.
CREATE TABLE review (
  id         INTEGER PRIMARY KEY,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  revision   INTEGER NOT NULL CHECK (revision >= 1),
  origin     TEXT NOT NULL CHECK (origin IN ('import', 'expert')),
  ranking_id INTEGER REFERENCES ranking (id),                  -- whose boxes the expert started from
  seconds    REAL NOT NULL CHECK (seconds >= 0),               -- of the expert's time
  created_at TEXT NOT NULL,
  UNIQUE (image_id, revision)                                  -- of two savers, the second is refused
) STRICT;
CREATE TRIGGER review_is_history BEFORE UPDATE ON review
BEGIN SELECT RAISE (ABORT, 'a review is history and never changes'); END;

-- One cell of a review.
CREATE TABLE annotation (
  id            INTEGER PRIMARY KEY,
  review_id     INTEGER NOT NULL REFERENCES review (id) ON DELETE CASCADE,
  class_id      INTEGER NOT NULL REFERENCES class (id),
  x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
  review_status TEXT CHECK (review_status IN                   -- open: not reviewed; NULL: imported
    ('open', 'kept', 'accepted_in_bulk', 'changed', 'drawn')),
  detection_id  INTEGER REFERENCES detection (id),             -- the model's box it came from, if any
  CHECK (0 <= x1 AND x1 < x2 AND 0 <= y1 AND y1 < y2)
) STRICT;
CREATE INDEX annotation_by_review ON annotation (review_id, class_id);   -- counts the cells of each class
CREATE INDEX annotation_by_detection ON annotation (detection_id) WHERE detection_id IS NOT NULL;
CREATE TRIGGER annotation_is_history BEFORE UPDATE ON annotation
BEGIN SELECT RAISE (ABORT, 'an annotation is history and never changes: save a new review'); END;

CREATE VIEW current_review AS
  SELECT review.* FROM review
  WHERE revision = (SELECT max(revision) FROM review AS other WHERE other.image_id = review.image_id);
CREATE VIEW current_annotation AS
  SELECT annotation.*, current_review.image_id
  FROM annotation JOIN current_review ON current_review.id = annotation.review_id;

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

-- One box before and after an act; no class before: it is new; none after: it is gone.
CREATE TABLE event (
  image_id  INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  box       INTEGER NOT NULL,                                  -- 0, 1, 2, ... on its image
  x1_before REAL, y1_before REAL, x2_before REAL, y2_before REAL,
  class_before         INTEGER REFERENCES class (id),
  review_status_before TEXT,                                   -- as in annotation
  detection_before     INTEGER,                                -- the model's box it came from, if any
  x1_after REAL, y1_after REAL, x2_after REAL, y2_after REAL,
  class_after          INTEGER REFERENCES class (id),
  review_status_after  TEXT CHECK (review_status_after IN
    ('open', 'kept', 'accepted_in_bulk', 'changed', 'drawn')),
  detection_after      INTEGER REFERENCES detection (id),
  PRIMARY KEY (image_id, version, box),
  FOREIGN KEY (image_id, version) REFERENCES act (image_id, version),
  CHECK (class_before IS NOT NULL OR class_after IS NOT NULL),
  CHECK ((class_after IS NULL) = (x1_after IS NULL)),
  CHECK (0 <= x1_after AND x1_after < x2_after AND 0 <= y1_after AND y1_after < y2_after)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_by_detection ON event (detection_after) WHERE detection_after IS NOT NULL;

CREATE TRIGGER act_is_history BEFORE UPDATE ON act
BEGIN SELECT RAISE (ABORT, 'the log is history and never changes'); END;
CREATE TRIGGER act_stays BEFORE DELETE ON act
BEGIN SELECT RAISE (ABORT, 'the log is history and never goes'); END;
CREATE TRIGGER event_is_history BEFORE UPDATE ON event
BEGIN SELECT RAISE (ABORT, 'the log is history and never changes'); END;
CREATE TRIGGER event_stays BEFORE DELETE ON event
BEGIN SELECT RAISE (ABORT, 'the log is history and never goes'); END;

---- models and serving --------------------------------------------------------------------------------

-- A trained detector. Its weights are the chunks, joined in order: one safetensors file.
CREATE TABLE model (
  id           INTEGER PRIMARY KEY,
  parent_id    INTEGER REFERENCES model (id),                  -- whose weights its training started from
  config       TEXT NOT NULL,                                  -- TrainConfig as JSON
  code_version TEXT NOT NULL,
  n_images     INTEGER NOT NULL CHECK (n_images > 0),          -- annotated images it was trained on
  n_cells      INTEGER NOT NULL CHECK (n_cells > 0),           -- annotated cells on them
  kept_step    INTEGER CHECK (kept_step >= 0),                 -- of the training, that gave the weights
  validation   REAL,                                           -- Precision_all on the validation images
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
  purpose   TEXT NOT NULL DEFAULT 'train'                      -- validate: picks the weights
    CHECK (purpose IN ('train', 'validate')),
  PRIMARY KEY (model_id, image_id),
  FOREIGN KEY (image_id, split) REFERENCES image (id, split)
) STRICT, WITHOUT ROWID;

-- Who serves: the last row. The earlier ones are the way back.
CREATE TABLE serving (
  id        INTEGER PRIMARY KEY,
  model_id  INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  chosen_by TEXT NOT NULL CHECK (chosen_by IN ('gate', 'expert')),
  at        TEXT NOT NULL
) STRICT;

-- A new model beside the one that served: what the promotion gate compared.
CREATE TABLE comparison (
  model_id   INTEGER PRIMARY KEY REFERENCES model (id) ON DELETE CASCADE,
  serving_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  result     TEXT NOT NULL,                                    -- Comparison as JSON
  question   TEXT NOT NULL CHECK (question IN ('none', 'open', 'answered'))   -- shall a worse model serve?
) STRICT;

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

---- rankings ------------------------------------------------------------------------------------------

-- One scoring of the pool by one model, ordered by a strategy: see rbcal.acquisition.strategies.
CREATE TABLE ranking (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES model (id),
  config      TEXT NOT NULL,                                   -- ScoringConfig as JSON
  strategy    TEXT NOT NULL DEFAULT 'relevance',
  context     TEXT NOT NULL DEFAULT '{}',                      -- JSON: what the strategy took into account
  annotated_embeddings BLOB,                                   -- float16 (M, D), of cells in annotated images
  created_at  TEXT NOT NULL,
  finished_at TEXT                                             -- NULL: under way, or never finished
) STRICT;

-- One image in a ranking.
CREATE TABLE score (
  ranking_id INTEGER NOT NULL REFERENCES ranking (id) ON DELETE CASCADE,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  relevance  REAL NOT NULL,                                    -- R, equation (8)
  n_cells    INTEGER NOT NULL,
  n_flagged  INTEGER NOT NULL,                                 -- any of the three terms fires
  n_class    INTEGER NOT NULL,                                 -- U^c <= alpha
  n_box      INTEGER NOT NULL,                                 -- U^d <= beta
  n_rare     INTEGER NOT NULL,                                 -- U^r = 1
  place      INTEGER CHECK (place >= 1),                       -- in the queue; NULL: by relevance
  value      REAL,                                             -- of the strategy; high comes first
  terms      TEXT NOT NULL DEFAULT '{}',                       -- JSON: what the value is made of
  propensity REAL CHECK (propensity > 0 AND propensity <= 1),  -- NULL: not drawn at random
  PRIMARY KEY (ranking_id, image_id)
) STRICT, WITHOUT ROWID;

-- One cell that the model predicted in an image of the pool.
CREATE TABLE detection (
  id         INTEGER PRIMARY KEY,
  ranking_id INTEGER NOT NULL REFERENCES ranking (id) ON DELETE CASCADE,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
  u_d        REAL NOT NULL,                                    -- equation (5)
  u_c        REAL NOT NULL,                                    -- equation (6)
  u_r        REAL NOT NULL,                                    -- equation (7)
  probs      BLOB NOT NULL,                                    -- float32, background first, sums to 1
  passes     BLOB,                                             -- float16 (T, 4): its boxes, minus this one
  bald       REAL,                                             -- NULL, as the others: not kept
  agreement  REAL,                                             -- mean IoU to the mean box
  rate       REAL,                                             -- share of the passes that detect the cell
  embedding  BLOB,                                             -- float16 (D,), a unit vector
  CHECK (x1 < x2 AND y1 < y2)
) STRICT;
CREATE INDEX detection_by_image ON detection (image_id, ranking_id);

-- How many cells of an image may be of a class: more probable than the threshold of equation (7).
CREATE TABLE class_score (
  ranking_id INTEGER NOT NULL REFERENCES ranking (id) ON DELETE CASCADE,
  image_id   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  class_id   INTEGER NOT NULL REFERENCES class (id),
  n_cells    INTEGER NOT NULL CHECK (n_cells > 0),
  PRIMARY KEY (ranking_id, image_id, class_id)
) STRICT, WITHOUT ROWID;

---- evaluations ---------------------------------------------------------------------------------------

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

-- What a model predicted in an annotated image. Of the test set: to compare two models; of the others: to list
-- annotations that the model contradicts.
CREATE TABLE model_detection (
  model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  image_id INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
  boxes    BLOB NOT NULL,                                      -- float32 (N, 4), image pixels
  probs    BLOB NOT NULL,                                      -- float32 (N, C + 1), background first
  PRIMARY KEY (model_id, image_id)
) STRICT, WITHOUT ROWID;

---- jobs ----------------------------------------------------------------------------------------------

-- Work that a worker process does. At most one is under way.
CREATE TABLE job (
  id               INTEGER PRIMARY KEY,
  kind             TEXT NOT NULL CHECK (kind IN ('train', 'score', 'evaluate', 'rank', 'simulate')),
  config           TEXT NOT NULL,                              -- JSON
  state            TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  stage            TEXT NOT NULL DEFAULT 'Starting',           -- what it does now, in words
  first_step       INTEGER NOT NULL DEFAULT 0,                 -- above 0: a training was resumed
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

---- simulations ---------------------------------------------------------------------------------------

-- An experiment: annotated images are the pool, and an oracle answers with their annotations.
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

---- derived: made at import, or when first asked for --------------------------------------------------

-- A small copy of an image, for the queue.
CREATE TABLE thumbnail (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  content  BLOB NOT NULL
) STRICT;

-- Of near-duplicates: see rbcal.interchange.perceptual_hash.
CREATE TABLE perceptual_hash (
  image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
  hash     BLOB NOT NULL CHECK (length(hash) IN (0, 32))       -- 0: the picture cannot be read
) STRICT;
