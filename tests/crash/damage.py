"""Seeded damage to a project file, and whether opening it and `verify` tell the truth about it."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rbcal.config import TrainConfig
from rbcal.errors import ProjectError, RbcalError
from rbcal.store.database import reading
from rbcal.store.job_requests import TrainJob
from rbcal.store.log import read_acts
from rbcal.store.project import Project
from rbcal.store.verification import Verification, verify
from tests.browser.driver import plant
from tests.conftest import add_image
from tests.crash.editor import changed

Content = dict[str, dict[int, Any]]  # what a file holds: pictures, reviews, logs, checkpoints; by id
_NOTICED = ("pictures", "reviews", "checkpoints")  # in which no change may go unnoticed
_UNREADABLE = (sqlite3.Error, OverflowError, TypeError, UnicodeDecodeError)


def plant_real(path: Path, n_images: int = 3) -> None:
    """Create a project in which there is something of everything: the file that is damaged."""
    images = plant(path, n_images, width=160, height=120, n_cells=20, fewer=4)
    rng = Random(0)
    with Project.open(path) as project:
        project.sign("Ann")
        add_image(project, 77, group="test", split="test", annotated=True)
        for image_id in images[:2]:
            for act in range(12):
                version, boxes = project.log.version(image_id), project.log.boxes(image_id)
                boxes = changed(boxes, rng, project.log.next_number(image_id))
                project.log.record(image_id, "edit" if version else "begin", boxes, version=version)
                if act in (5, 11 - image_id % 2 * 3):
                    project.reviews.save_boxes(image_id, boxes, origin="expert", version=version + 1)
        project.jobs.end(project.jobs.add(TrainJob(TrainConfig())), "done")


def contents(path: Path) -> Content:
    """Return what can be read, one by one, through a connection that cannot write."""
    content: Content = {name: {} for name in ("pictures", "reviews", "logs", "log notes", "checkpoints")}
    with reading(path, salvage=True) as connection:

        def rows(sql: str, values: Any = ()) -> list[Any]:
            return connection.execute(sql, values).fetchall()

        def take(kind: str, number: int, read_one: Any) -> None:
            with suppress(*_UNREADABLE):  # it is lost
                content[kind][number] = read_one()

        for number in range(1, 40):
            for kind, read in _READERS.items():
                take(kind, number, lambda read=read, number=number: read(rows, number))
    return {kind: {key: value for key, value in each.items() if value} for kind, each in content.items()}


def _picture(rows: Any, number: int) -> Any:
    return [
        hashlib.sha256(row[0]).hexdigest()
        for row in rows("SELECT content FROM image_content WHERE image_id = ?", (number,))
    ]


def _review(rows: Any, number: int) -> Any:
    cells = "SELECT x1, y1, x2, y2, class_id, review_status, detection_id FROM annotation WHERE review_id = ?"
    head = "SELECT image_id, revision FROM review WHERE id = ?"
    return rows(head, (number,)) and [rows(head, (number,)), sorted(rows(cells, (number,)), key=repr)]


def _log(rows: Any, number: int) -> Any:
    return [(act.version, act.events) for act in read_acts(rows, number)]


def _log_notes(rows: Any, number: int) -> Any:
    return [
        (act.kind, act.who, act.at, act.seconds, act.ranking_id, act.review_id)
        for act in read_acts(rows, number)
    ]


def _checkpoint(rows: Any, number: int) -> Any:
    return rows("SELECT content FROM checkpoint_chunk WHERE model_id = ? ORDER BY position", (number,))


_READERS = {
    "pictures": _picture,
    "reviews": _review,
    "logs": _log,
    "log notes": _log_notes,
    "checkpoints": _checkpoint,
}


@dataclass
class Census:
    """What became of so many damaged files."""

    counts: Counter[str] = field(default_factory=Counter)
    lies: list[str] = field(default_factory=list)


def damage(content: bytes, rng: Random) -> tuple[bytes, str]:
    """Return a file with one bit flipped, or with its end cut off, and which of them."""
    if rng.random() < 0.2:
        length = rng.randrange(len(content))
        return content[:length], f"cut to {length}"
    place = rng.randrange(4096 if rng.random() < 0.15 else len(content))  # the first page is all that counts
    bit = 1 << rng.randrange(8)
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :], f"bit {bit} of {place}"


def trial(folder: Path, whole: bytes, original: Content, rng: Random, census: Census) -> None:
    """Damage, open, verify, compare; a lie goes into the census."""
    content, what = damage(whole, rng)
    folder.mkdir()
    path = folder / "p.rbcal"
    path.write_bytes(content)
    try:
        Project.open(path).close()
        census.counts["opened"] += 1
    except RbcalError:
        census.counts["refused"] += 1
        if path.read_bytes() != content or list(folder.iterdir()) != [path]:
            census.lies.append(f"{what}: refused, but not left as it was: {sorted(folder.iterdir())}")
    except Exception as err:
        census.lies.append(f"{what}: opening raised {type(err).__name__}: {err}")
    try:
        given = verify(path)
    except ProjectError:
        census.counts["verify: cannot be read at all"] += 1
    except Exception as err:
        census.lies.append(f"{what}: verify raised {type(err).__name__}: {err}")
    else:
        _judge(what, given, path, original, census)
    for each in folder.iterdir():
        each.unlink()
    folder.rmdir()


def _judge(what: str, given: Verification, path: Path, original: Content, census: Census) -> None:
    census.counts["verify: damaged" if not given.ok else "verify: whole"] += 1
    now = contents(path)
    differ = {kind for kind in original if now[kind] != original[kind]}
    if given.ok and differ:
        census.counts[f"unnoticed: {', '.join(sorted(differ))}"] += 1
        if differ & set(_NOTICED):
            census.lies.append(f"{what}: verify calls it whole, but {sorted(differ)} differ")
    for line in given.safe:
        safe, _, kind = re.fullmatch(r"(\d+) of (\d+) (\w+)", line).groups()
        same = sum(now[kind].get(key) == value for key, value in original[kind].items())
        if int(safe) > same and not (kind == "logs" and given.ok):
            census.counts[f"called safe, but not: {kind}"] += 1
            if kind in _NOTICED:
                census.lies.append(f"{what}: {line} are called safe, but {same} are")


def run(folder: Path, n: int, seed: int) -> Census:
    """Damage a project so many times; return what became of it."""
    template = folder / "template.rbcal"
    plant_real(template)
    original = contents(template)
    for side in ("-wal", "-shm"):
        template.with_name(template.name + side).unlink(missing_ok=True)
    whole, census = template.read_bytes(), Census()
    for number in range(n):
        trial(folder / f"trial{number}", whole, original, Random(f"damage {seed} {number}"), census)
    return census
