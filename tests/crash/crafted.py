"""Project files that somebody crafted: every column of every table holds what it must not, one at a time.

``python -m tests.crash.crafted --seed 0 --cases 500``: a table of what became of them at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import shutil
import signal
import sqlite3
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, partialmethod
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np
from streamlit.runtime.scriptrunner import script_runner
from typer.testing import CliRunner

from rbcal import cli
from rbcal.config import SimulationConfig, TrainConfig
from rbcal.errors import DamagedError, RbcalError
from rbcal.evaluation.metrics import ClassIntervals, Comparison, Difference
from rbcal.formats.pictures import decode
from rbcal.interchange import export_dataset, near_duplicates
from rbcal.interchange.export_model import export_model
from rbcal.jobs import launcher, rank
from rbcal.jobs.live import read_answers
from rbcal.live_head import LastLayer
from rbcal.report.collect import collect
from rbcal.report.html import as_html
from rbcal.store.project import Project
from rbcal.store.rankings import RankedImage
from rbcal.store.verification import verify
from rbcal.types import CROP_EMBEDDING_SIZE, Annotations, Detections
from tests.browser.driver import WEIGHTS
from tests.crash.damage import plant_real
from tests.crash.kill import ROOT
from tests.evaluation.test_learning_curves import two_by_two
from tests.store.conftest import FIGURES
from tests.visitor import app_test

_SERVED = partialmethod(  # as the server does; AppTest does not ask the app what to say
    script_runner.ScriptRunner.__init__,
    on_script_error=runpy.run_path(str(ROOT / "app.py"), run_name="app")["say"],
)
INTERVALS = (ClassIntervals((0.1, 0.9), (0.2, 0.8), (0.3, 0.7), (0.2, 0.8)), None, None)
SECONDS = 60  # for one file; the slowest takes 3
_TYPED = re.compile(r"\b(TEXT|REAL|BLOB|INTEGER(?! PRIMARY KEY))\b( NOT NULL)?")
_TEXTS = ("", "text", "9" * 400, "\x1b[31m\n\u202e", "0001-01-01T00:00:00+00:00", "2026-11-25", "NaN")
_DATES = ("9999-12-31T23:59:59.999+00:00", "2026-11-25T01:02:03", "2026-13-40T01:02:03+00:00")
_PLAIN = (None, *_TEXTS, *_DATES, -1, 0, 2**31, 2**62, -(2**63), 0.5, 9e999, -9e999, b"", b"\0\1\2")
_BROKEN = ("{", "[]", "{}", '"x"', "null", "3", "[NaN]", "[" * 100_000, '"\\ud800"', "[[1,2],[3]]")
_LEAVES = (None, "text", -1, 2**62, 0.5, True, [], {}, [[]], {"a": 1}, float("nan"), "\ud800")


# ---- a project that has something of everything ----------------------------------------------------


def plant_everything(path: Path) -> None:
    """Create a project with a row in every table."""
    plant_real(path, 5)
    with Project.open(path) as project:
        ranking = project.rankings.current()
        assert ranking is not None
        first = project.queue.order()[0][0]
        test = [image for image in project.images.test() if image.revision]
        cells = Detections([[1, 2, 30, 40], [50, 60, 70, 80]], [[0.1, 0.8, 0.05, 0.05], [0.1, 0.1, 0.7, 0.1]])
        images = {"train": project.images.annotated()}
        worse = project.models.add(TrainConfig(), WEIGHTS, images, 1.0, parent_id=1)
        for model_id in (1, worse):
            project.evaluations.save(model_id, replace(FIGURES, intervals=INTERVALS))
            for image in (*test, *project.images.annotated()):
                project.evaluations.save_detections(model_id, image.id, cells)
        less = Difference(0.5, 0.25, -0.5, -0.125)
        project.models.compare(worse, 1, Comparison(less, (less, None, less), 1))
        some = {"config": TrainConfig(device="cpu"), "n_classes": 3, "step": 1, "seconds": 1.0}
        project.snapshots.save(b"state", images=images, parent_id=1, **some)
        project.rankings.arrange(
            ranking.id,
            "balanced",
            [RankedImage(first, 2.0, {"cells": 3.0, "minutes": 1.5, "changes": 1.0}, 0.5)],
            {"seed": 0, "calibration_cells": 10, "calibrated": True, "cost_model": [5.0, 1.0, 4.0]},
        )
        simulation = project.simulations.begin(SimulationConfig(strategies=("random", "balanced")), "ab" * 32)
        project.simulations.add(simulation, two_by_two())
        project.targets.set("precision_all", 0.8)
        project.images.save_thumbnail(first, project.images.content(first))
        project.images.save_hash(first, bytes(32))
        project.queue.skip(project.queue.order()[1][0])
        project.classes.add(["echinocyte", "target"])
        project.classes.merge(3, 4)
        project.classes.set_keys(["a", None, "c", None, None])
        detection = project.rankings.cells(ranking.id, first)[0].detection_id
        project.log.record(first, "begin", {}, version=project.log.version(first), ranking_id=ranking.id)
        project.reviews.save_boxes(
            first, {}, origin="expert", version=project.log.version(first), spot_checks={detection: True}
        )
        project.jobs.begin_stage(1, "Training", 10)
        project.jobs.advance(1, 1, 0.5)
        with project.transaction():
            project._database.write("UPDATE ranking SET annotated_embeddings = ?", (bytes(256),))
            project._database.write(
                "UPDATE detection SET bald = 0.5, agreement = 0.5, rate = 0.5, embedding = ?", (bytes(256),)
            )
            layer = LastLayer(np.ones((3, CROP_EMBEDDING_SIZE), np.float32), np.zeros(3, np.float32))
            project.live_heads.begin(ranking.id, layer)
            project.live_heads.save(ranking.id, layer, 1)
            reviewed = project.images.annotated()[0]
            embeddings = np.zeros((reviewed.n_cells, CROP_EMBEDDING_SIZE), np.float32)
            project.live_heads.add_annotated(ranking.id, reviewed.review_id, embeddings)


# ---- crafting ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One thing that is wrong with a file, in words, and what makes it so."""

    name: str
    craft: Callable[[sqlite3.Connection], object] | None = None
    byte: tuple[int, int] | None = None


class Workshop:
    """A template whose tables take anything, and the way back to the tables of a project."""

    def __init__(self, folder: Path) -> None:
        self.numbers = count()
        self.path = folder / "template" / "p.rbcal"
        plant_everything(self.path)
        self.whole = self.path.read_bytes()
        with closing(sqlite3.connect(self.path)) as connection:
            self.schema = connection.execute("SELECT * FROM sqlite_master").fetchall()
            self.tables = {
                name: connection.execute(f"PRAGMA table_info({name})").fetchall()
                for kind, name, *_ in self.schema
                if kind == "table" and not name.startswith(("sqlite_", "_sqlite"))
            }
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("DELETE FROM sqlite_master WHERE type = 'trigger'")
            for kind, name, _, _, sql in self.schema:
                if kind == "table" and name in self.tables:
                    loose = _TYPED.sub("", sql).replace("STRICT, ", "").replace("STRICT", "")
                    connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (loose, name))
            connection.commit()
        self.loose = self.path.read_bytes()

    def make(self, case: Case) -> Path:
        """Write the file of a case into a folder of its own: somebody may still hold the one before."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
        self.path = self.path.parent.with_name(f"case{next(self.numbers)}") / "p.rbcal"
        self.path.parent.mkdir()
        if case.byte is not None:
            place, value = case.byte
            self.path.write_bytes(self.whole[:place] + bytes([value]) + self.whole[place + 1 :])
            return self.path
        self.path.write_bytes(self.loose)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            case.craft(connection)
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("DELETE FROM sqlite_master")
            connection.executemany("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", self.schema)
            connection.commit()
        return self.path

    def cases(self) -> Iterator[Case]:
        """Yield every case there is."""
        for place in range(100):
            for value in {0, 1, 5, 77, 255} - {self.whole[place]}:
                yield Case(f"header byte {place} is {value}", byte=(place, value))
        for table, columns in self.tables.items():
            yield Case(f"no row of {table}", partial(_empty, table=table))
            for _, column, kind, *_ in columns:
                for value in self._values(table, column, kind):
                    name = f"{table}.{column} is {value!r:.60}"
                    yield Case(name, partial(_put, table=table, column=column, value=value))
        for name, sql in _TRICKS.items():
            yield Case(name, partial(_run, sql=sql))

    def _values(self, table: str, column: str, kind: str) -> Iterator[Any]:
        yield from _PLAIN
        yield from (b"\xed\xa0\x80", b"\xff")  # becomes text that is no UTF-8: see _put
        with closing(sqlite3.connect(self.path)) as connection:
            stored = connection.execute(f"SELECT {column} FROM {table} WHERE {column} NOT NULL").fetchone()
        was = stored[0] if stored else b"" if kind == "BLOB" else ""
        if isinstance(was, bytes):
            yield from (was[:-1], was[:-4], was[: len(was) // 2], was[:3], was * 2, b"\xff" * len(was))
        if isinstance(was, str) and was[:1] in ("{", "["):
            yield from _BROKEN
            yield from map(json.dumps, _mutants(json.loads(was)))


def _mutants(document: Any) -> Iterator[Any]:
    """Yield a document with one of its parts left out, or of another type."""
    keys = document.keys() if isinstance(document, dict) else range(len(document))
    for key in keys:
        copy = document.copy()
        del copy[key]
        yield copy
        parts = _mutants(document[key]) if isinstance(document[key], (dict, list)) else ()
        for part in (*_LEAVES, *parts):
            copy = document.copy()
            copy[key] = part
            yield copy
    if isinstance(document, dict):
        yield {**document, "mine": 1}


def _put(connection: sqlite3.Connection, table: str, column: str, value: Any) -> None:
    """Put a value into one row; bytes that are no text as text."""
    new = "CAST(? AS TEXT)" if value in (b"\xed\xa0\x80", b"\xff") else "?"
    where = f"{column} IS (SELECT {column} FROM {table} ORDER BY {column} IS NULL LIMIT 1)"
    try:
        connection.execute(f"UPDATE OR REPLACE {table} SET {column} = {new} WHERE {where}", (value,))
    except sqlite3.IntegrityError:  # an INTEGER PRIMARY KEY takes nothing else
        connection.rollback()


def _empty(connection: sqlite3.Connection, table: str) -> None:
    connection.execute(f"DELETE FROM {table}")


def _run(connection: sqlite3.Connection, sql: str) -> None:
    connection.executescript(sql)


_MERGE = "INSERT INTO class_merge (class_id, target_id, who, at) VALUES"
_TRICKS = {
    "classes merged in a circle": f"{_MERGE} (4, 3, '', '2026-11-25T00:00:00+00:00')",
    "a class merged into itself": f"{_MERGE} (2, 2, '', '2026-11-25T00:00:00+00:00')",
    "a serving model without weights": "DELETE FROM checkpoint_chunk WHERE model_id = 1",
    "labels with a gap": "UPDATE class SET id = 40 WHERE id = 4; UPDATE class_merge SET target_id = 40",
    "two projects in one": "INSERT INTO project SELECT 2, name, expert, created_at FROM project",
    "a model that is its own parent": "UPDATE model SET parent_id = id",
    "detections without a probability": "UPDATE detection SET probs = x''",
    "detections of one class less": "UPDATE detection SET probs = substr(probs, 1, 8) WHERE id % 2",
    "passes of two lengths": "UPDATE detection SET passes = substr(passes, 1, 8) WHERE id % 2",
    "no embedding for some": "UPDATE detection SET embedding = NULL WHERE id % 2",
    "boxes without extent": "UPDATE detection SET x2 = x1, y2 = y1",
    "boxes far outside": "UPDATE detection SET x1 = 1e30, x2 = 2e30",
    "images of a huge size": "UPDATE image SET width = 4611686018427387904, height = 4611686018427387904",
    "acts with a gap": "DELETE FROM act WHERE version = 2",
    "every job runs": "UPDATE job SET state = 'running'",
}


# ---- reading -----------------------------------------------------------------------------------------


def _with_project(read: Callable[[Project], object], path: Path) -> None:
    with Project.open(path) as project:
        read(project)


def _read_images(project: Project) -> None:
    images = project.images
    images.counts(), images.groups(), images.usual_size(), images.test_is_closed(), images.group_splits()
    for image in (*images.annotated(), *images.test()):
        decode(images.content(image.id), image.layer)
        project.reviews.current(image.id), project.reviews.versions(image.id)
        project.log.work(image.id), project.log.acts(image.id), project.log.boxes(image.id)
    for image_id, _ in project.queue.order():
        images.get(image_id), images.thumbnail(image_id), images.named(str(image_id))


def _read_classes(project: Project) -> None:
    str(project.name), project.expert, project.is_synthetic, project.targets.all()
    project.classes.all(), project.classes.own(), project.classes.rare_labels()
    project.reviews.cells_per_class(), project.reviews.times(), project.reviews.outcomes()
    project.reviews.latest(50), project.reviews.count("0"), project.reviews.expert_seconds()


def _read_rankings(project: Project) -> None:
    project.rankings.history(), project.queue.top(), project.queue.flagged_in_pool()
    if (ranking := project.rankings.current()) is not None:
        project.rankings.annotated_embeddings(ranking.id), project.rankings.pool(ranking.id)
        for image_id, _ in project.queue.order():
            project.rankings.cells(ranking.id, image_id), project.rankings.score(ranking.id, image_id)
            project.rankings.cells(ranking.id, image_id, live=True)
        project.live_heads.get(ranking.id), read_answers(project, ranking.id)


def _read_models(project: Project) -> None:
    models, evaluations = project.models, project.evaluations
    models.serving(), models.previous(), models.question(), evaluations.curve(), project.snapshots.current()
    for model in models.all():
        models.trained_groups(model.id), evaluations.of(model.id), evaluations.detections(model.id)
        evaluations.detections(model.id, "work"), project.reviews.spot_checks(model.id)
        if model.has_weights:
            models.checkpoint(model.id)


def _read_jobs(project: Project) -> None:
    if (job := launcher.watch(project)) is not None:
        project.jobs.log_tail(job.id), project.jobs.losses(job.id)
    for simulation in project.simulations.all():
        project.simulations.points(simulation.id)


def _read_duplicates(project: Project) -> None:
    near_duplicates.hash_missing(project, 1.0)
    near_duplicates.near_pairs(list(project.images.perceptual_hashes().values()))


def _save(project: Project) -> None:
    """Save an image that is open already: what the expert did last must be told in words, too."""
    for image in project.images.annotated()[:1]:
        project.reviews.save(image.id, Annotations.empty(), origin="expert", base_revision=image.revision)


def _export(path: Path, format_: str) -> None:
    with tempfile.TemporaryDirectory() as folder, Project.open(path) as project:
        export_dataset.export(project, Path(folder) / "out", format_)


def _export_model(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, Project.open(path) as project:
        export_model(project, Path(folder) / "out")


def _command(path: Path, *words: str) -> None:
    result = CliRunner().invoke(cli.app, [words[0], str(path), *words[1:]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception


def _page(path: Path, name: str) -> None:
    with (
        mock.patch.dict(os.environ, RBCAL_PROJECTS=str(path.parent)),
        mock.patch.object(script_runner, "_mpa_v1", lambda main: runpy.run_path(main, run_name="__main__")),
        mock.patch.object(script_runner.ScriptRunner, "__init__", _SERVED),
    ):
        at = app_test(ROOT / "app.py", SECONDS).run()
        if name != "project":
            at.switch_page(f"pages/{name}.py").run()
    if at.exception:
        raise AssertionError(f"{at.exception[0].message} {at.exception[0].stack_trace[-2:]}")


def _verify(path: Path) -> None:
    if not verify(path).ok:
        raise DamagedError(path.name)


READERS: dict[str, Callable[[Path], object]] = {
    "classes": partial(_with_project, _read_classes),
    "images": partial(_with_project, _read_images),
    "rankings": partial(_with_project, _read_rankings),
    "models": partial(_with_project, _read_models),
    "jobs": partial(_with_project, _read_jobs),
    "near duplicates": partial(_with_project, _read_duplicates),
    "verify": _verify,
    "report": partial(_with_project, lambda project: as_html(collect(project))),
    **{
        f"rbcal {' '.join(words)}": (lambda path, words=words: _command(path, *words))
        for words in (
            ("status",),
            ("status", "--json"),
            ("models",),
            ("models", "--json"),
            ("queue",),
            ("log", "2"),
            ("versions", "2"),
        )
    },
    **{
        f"export {kind}": partial(_export, format_=kind)
        for kind in ("coco", "voc", "yolo", "annotations-csv", "predictions-csv", "predictions-coco")
    },
    "export model": _export_model,
    **{f"page {name}": partial(_page, name=name) for name in ("project", "train", "review", "progress")},
    "rank": partial(_with_project, lambda project: rank.rerank(project, "balanced")),
    "save": partial(_with_project, _save),
}


# ---- what became of it -------------------------------------------------------------------------------


@dataclass
class Census:
    """What became of so many crafted files."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    shown: int = 0


class _SlowError(BaseException):
    """A file takes too long."""


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _SlowError

    was = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, was)


def trial(workshop: Workshop, case: Case, readers: Sequence[str], census: Census) -> None:
    """Craft, verify, read; what is neither read nor refused in words, or not named, is a fault."""
    path = workshop.make(case)
    census.counts["files"] += 1
    named = _outcome(path, "verify") != "read"  # the first: some of the others write
    said = [_outcome(path, name) for name in readers]
    refused = sum(each == "refused" for each in said)
    census.faults += [
        f"{case.name}: {name}: {each}" for name, each in zip(readers, said, strict=True) if "raised" in each
    ]
    census.counts["named by verify" if named else "called whole"] += 1
    census.counts["refused by some reader" if refused else "read by all"] += 1
    if refused and not named:
        census.faults.append(f"{case.name}: verify calls it whole, but a reader refuses it")


def _outcome(path: Path, reader: str) -> str:
    try:
        with _at_most(SECONDS):
            READERS[reader](path)
    except RbcalError:
        return "refused"
    except (Exception, _SlowError) as err:
        where = traceback.extract_tb(err.__traceback__)[-1]
        return f"raised {type(err).__name__} {err!s:.80} ({Path(where.filename).name}:{where.lineno})"
    return "read"


def run(
    folder: Path, n: int, seed: int, n_readers: int, only: str = "", readers: Sequence[str] = (*READERS,)
) -> Census:
    """Craft so many files, drawn at random from all cases, 0: all; each is read by so many of the readers."""
    workshop, census, rng = Workshop(folder), Census(), Random(seed)
    cases = [case for case in workshop.cases() if only in case.name]
    for case in rng.sample(cases, n) if n else cases:
        trial(workshop, case, rng.sample(readers, min(n_readers, len(readers))), census)
        for fault in census.faults[census.shown :]:
            print(ascii(fault), flush=True)
        census.shown = len(census.faults)
    return census


def main() -> None:
    """Run the cases that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", type=int, default=len(READERS), help="drawn at random for each file")
    parser.add_argument("--only", default="", help="what is in the name of the case")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        census = run(folder, arguments.cases, arguments.seed, arguments.readers, arguments.only)
    finally:
        shutil.rmtree(folder)
    print(dict(census.counts), len(census.faults), "faults")


if __name__ == "__main__":
    main()
