"""What the columns of a project file hold beyond their SQL type, and the rows in which they do not.

SQLite keeps a column to its type, and a row to its CHECKs, as long as nobody but SQLite writes the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rbcal.acquisition.cell_strategies import check_arms
from rbcal.acquisition.strategies import STRATEGIES
from rbcal.errors import RbcalError
from rbcal.formats.stacks import Layer
from rbcal.json_values import from_json, moment
from rbcal.store.rows import JSON_COLUMNS
from rbcal.types import CROP_EMBEDDING_SIZE, EMBEDDING_SIZE

_TEXTS: Mapping[str, Callable[[str], object]] = {  # raises where the text is none of these
    "image.layer": Layer.parse,
    "ranking.strategy": STRATEGIES.__getitem__,
    "simulation_point.strategy": check_arms,
}
_ROW = 4 * (CROP_EMBEDDING_SIZE + 1)  # bytes of a class in a last layer: its weights and its bias
_WHOLE: Mapping[str, str] = {  # SQL that holds of every value `c` of a column
    "INTEGER": "typeof(c) = 'integer' AND c BETWEEN -9007199254740991 AND 9007199254740991",  # JSON's, too
    "REAL": "typeof(c) = 'real' AND c BETWEEN -1e300 AND 1e300",
    "TEXT": "typeof(c) = 'text'",
    "BLOB": "typeof(c) = 'blob'",
    "annotated_cells.embeddings": f"length(c) % {2 * CROP_EMBEDDING_SIZE} = 0",
    "detection.embedding": f"length(c) IN ({2 * EMBEDDING_SIZE}, {2 * CROP_EMBEDDING_SIZE})",
    "detection.passes": "length(c) > 0 AND length(c) % 8 = 0",
    "detection.probs": "length(c) >= 8 AND length(c) % 4 = 0",
    **dict.fromkeys(("detection.u_c", "detection.u_d", "detection.u_r"), "c BETWEEN 0 AND 1"),
    **dict.fromkeys(("live_head.own", "live_head.fitted"), f"length(c) % {_ROW} = 0 AND length(c) > 0"),
    "model_detection.boxes": "length(c) % 16 = 0",
    "model_detection.probs": "length(boxes) = 0"  # else for each box background and a class at least
    " OR length(c) % (length(boxes) / 4) = 0 AND length(c) >= length(boxes) / 2",
    "perceptual_hash.hash": "length(c) IN (0, 32)",
    "ranking.annotated_embeddings": f"length(c) % {2 * EMBEDDING_SIZE} = 0",
    "thumbnail.content": "length(c) > 0",
}
_FINITE: Mapping[str, str] = {  # columns of numbers of that type, none of them NaN or infinite
    **dict.fromkeys(("annotated_cells.embeddings", "detection.embedding"), "<f2"),
    **dict.fromkeys(("live_head.own", "live_head.fitted"), "<f4"),
}
_NONE_OF: Mapping[str, str] = {  # a query that finds nothing, or what it finds is wrong
    "the project has no row, or two": "SELECT 1 FROM (SELECT count(*) AS n FROM project) WHERE n <> 1",
    "the classes are not numbered 0, 1, 2, ...": "SELECT 1 FROM (SELECT count(*) AS n, max(id) AS last"
    " FROM class) WHERE last <> n - 1",
    "classes are merged in a circle": """
        WITH step AS (SELECT class_id, target_id FROM class_merge WHERE target_id IS NOT NULL
                      AND id IN (SELECT max(id) FROM class_merge GROUP BY class_id)),
             way (start, here) AS (SELECT class_id, target_id FROM step
                                   UNION SELECT start, target_id FROM way JOIN step ON class_id = here)
        SELECT 1 FROM way WHERE start = here""",
    "the pool is ranked, and no model serves": "SELECT 1 FROM ranking"
    " WHERE finished_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM serving)",
    "the serving model has no weights": "SELECT 1 FROM serving"
    " WHERE id = (SELECT max(id) FROM serving) AND model_id NOT IN (SELECT model_id FROM checkpoint_chunk)",
    "a predicted cell lies far outside its image": "SELECT 1 FROM detection JOIN image ON image.id = image_id"
    " WHERE min(x1, y1) < -max(width, height) OR max(x2, y2) > 2 * max(width, height)",
    "an annotated cell lies far outside its image": "SELECT 1 FROM annotation"
    " JOIN review ON review.id = review_id JOIN image ON image.id = image_id"
    " WHERE max(x2, y2) > 2 * max(width, height)",
    "the cells of a ranking are of different numbers of classes": "SELECT 1 FROM detection"
    " GROUP BY ranking_id HAVING count(DISTINCT length(probs)) > 1",
    "the cells of a ranking have embeddings of different lengths": """
        SELECT 1 FROM detection LEFT JOIN live_head ON live_head.ranking_id = detection.ranking_id
        WHERE length(embedding) <> iif(own IS NULL, 64, 256)
        UNION ALL SELECT 1 FROM ranking JOIN live_head ON ranking_id = ranking.id
        WHERE length(annotated_embeddings) % 256 <> 0""",
    "annotated cells have more or fewer embeddings": "SELECT 1 FROM annotated_cells WHERE length(embeddings)"
    " <> 256 * (SELECT count(*) FROM annotation WHERE annotation.review_id = annotated_cells.review_id)",
    "the cells of an image are of different numbers of passes": "SELECT 1 FROM detection"
    " GROUP BY ranking_id, image_id HAVING count(DISTINCT length(passes)) > 1",
}


def faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what the rows of a project file hold that they must not, each in some words.

    The connection gives text that is no UTF-8 as half characters from then on.
    """
    connection.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
    for words, query in _NONE_OF.items():
        if connection.execute(query).fetchone() is not None:
            yield words
    for (table,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '*sqlite_*' ORDER BY name"
    ).fetchall():
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        key = ", ".join(name for _, name, *_, is_key in columns if is_key)
        for _, name, kind, *_ in columns:
            yield from _faults_of(connection, table, name, kind, key)


def _faults_of(connection: sqlite3.Connection, table: str, name: str, kind: str, key: str) -> Iterator[str]:
    column = f"{table}.{name}"
    whole = " AND ".join(f"({_WHOLE[each]})" for each in (kind, column) if each in _WHOLE) or "TRUE"
    rows = f"SELECT {key}, c FROM (SELECT *, {name} AS c FROM {table}) WHERE c IS NOT NULL AND"  # noqa: S608
    for *row, _ in connection.execute(f"{rows} NOT ({whole})"):
        yield f"{column} of row {_words(row)} holds what it must not"
    if column in _FINITE:
        for *row, content in connection.execute(f"{rows} ({whole})"):
            if not np.isfinite(np.frombuffer(content, _FINITE[column])).all():
                yield f"{column} of row {_words(row)} holds NaN or infinity"
    if kind == "TEXT":
        read = _reader(column)
        for *row, text in connection.execute(f"{rows} ({whole})"):
            try:
                text.encode()
                read(text)
            except (LookupError, RbcalError, ValueError) as err:
                yield f"{column} of row {_words(row)} cannot be read: {err!s:.100}"


def _reader(column: str) -> Callable[[str], object]:
    """Return what raises where a text is not one for a column."""
    if column in JSON_COLUMNS:
        return lambda text: from_json(JSON_COLUMNS[column], text)
    return moment if column.endswith((".at", "_at")) else _TEXTS.get(column, str)


def _words(key: Sequence[object]) -> str:
    return ", ".join(ascii(each) for each in key)
