"""How a project file is, in numbers and in words of rbcal's own: for a bug report, which must name nobody.

Nothing that somebody typed or imported comes out of here: no name, no path, no text of an error. What is read
from a file is a number, or one of the words that are listed here. Nothing is written.
"""

from __future__ import annotations

import builtins
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from rbcal import errors
from rbcal.errors import DamagedError, RbcalError
from rbcal.store import migrations
from rbcal.store.database import advice, reading
from rbcal.store.job_requests import Kind
from rbcal.store.jobs import ERROR_KIND, State
from rbcal.store.project import check
from rbcal.store.verification import check_rows

SQLITE_VERSION = sqlite3.sqlite_version
_PACKAGE = Path(errors.__file__).parent
_MOST_BYTES = 2e9  # of a file that is read as a whole while somebody waits
_UNREADABLE = (RbcalError, OSError, sqlite3.Error, OverflowError, UnicodeError, ValueError)
_OTHERS = ("OutOfMemoryError", "AcceleratorError", "OperationalError", "DatabaseError", "IntegrityError")
_DIED = r"The worker process ended unexpectedly(?: \((signal \d{1,9}|exit code \d{1,9}|it was killed)\b)?"
_COUNTS = {
    "images": "SELECT count(*) FROM image",
    "test_images": "SELECT count(*) FROM image WHERE split = 'test'",
    "annotated_images": "SELECT count(DISTINCT image_id) FROM review",
    "cells": "SELECT count(*) FROM current_annotation",
    "classes": "SELECT count(*) FROM class",
    "models": "SELECT count(*) FROM model",
    "jobs": "SELECT count(*) FROM job",
}


@dataclass(frozen=True)
class LastJob:
    """How the last job went; of one that failed, the kind of error and the line of rbcal, if known."""

    kind: str
    state: str
    error: str | None = None
    place: str | None = None


@dataclass(frozen=True)
class ProjectHealth:
    """A project file without its content.

    Parameters
    ----------
    n_bytes, format : int or None
        Size of the file, and the version of its format; None: it cannot be read.
    is_checked : bool
        Whether its rows were looked at one by one: not if it is large, or of another format.
    problems : sequence of str
        Kinds of errors, and names of checks that failed.
    counts : {what: number}
        What could not be counted is left out.
    last_job : LastJob or None
    """

    n_bytes: int | None = None
    format: int | None = None
    is_checked: bool = False
    problems: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    last_job: LastJob | None = None


def read_health(path: Path) -> ProjectHealth:
    """Return how a project file is; of one that is damaged, what can still be said."""
    try:
        n_bytes = path.stat().st_size
    except OSError as err:
        return ProjectHealth(problems=[type(err).__name__])
    version, problems = None, []
    try:
        version = check(path).user_version
    except DamagedError as err:
        problems.append(type(err).__name__)
    except _UNREADABLE as err:
        return ProjectHealth(n_bytes, problems=[type(err).__name__])
    is_checked = version == migrations.USER_VERSION and n_bytes <= _MOST_BYTES
    counts: dict[str, int] = {}
    last_job = None
    try:
        if is_checked:
            problems += [each.name for each in check_rows(path) if not each.ok]
        with advice(path), reading(path, salvage=True) as connection:
            counts = _count(connection)
            last_job = _last_job(connection)
    except _UNREADABLE as err:
        problems.append(type(err).__name__)
    return ProjectHealth(n_bytes, version, is_checked, problems, counts, last_job)


def error_kind(name: str) -> str:
    """Return the name of a kind of error, if Python, rbcal or torch has one; else that it is another one.

    >>> error_kind("ZeroDivisionError"), error_kind("DivergedError"), error_kind("Anna Schmidt")
    ('ZeroDivisionError', 'DivergedError', 'another error')
    """
    ours = getattr(errors, name, None) or getattr(builtins, name, None)
    is_kind = isinstance(ours, type) and issubclass(ours, BaseException)
    return name if is_kind or name in _OTHERS else "another error"


def place_in_package(file: str, line: int) -> str | None:
    """Return a line of rbcal as ``rbcal.store.health:12``; None: it is not of rbcal.

    Only what lies in this package is named, so the folders above it are not.
    """
    parts = re.split(r"[/\\]", file.removesuffix(".py"))
    for start in range(len(parts) - 1, 0, -1):
        inner = parts[start:]
        if parts[start - 1] == _PACKAGE.name and all(re.fullmatch(r"\w+", each) for each in inner):
            is_ours = _PACKAGE.joinpath(*inner).with_suffix(".py").is_file()
            return f"{'.'.join([_PACKAGE.name, *inner])}:{line}" if is_ours else None
    return None


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    counts = {}
    for what, sql in _COUNTS.items():
        with suppress(sqlite3.Error, OverflowError):
            counts[what] = int(connection.execute(sql).fetchone()[0])
    return counts


def _last_job(connection: sqlite3.Connection) -> LastJob | None:
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    with suppress(sqlite3.Error, OverflowError):
        row = connection.execute(
            "SELECT id, kind, state, reason FROM job ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        job_id, kind, state, reason = row
        lines = connection.execute("SELECT line FROM job_log WHERE job_id = ? ORDER BY id", (job_id,))
        log = [str(each) for (each,) in lines]
        is_failed = state == "failed"
        return LastJob(
            kind if kind in get_args(Kind) else "unknown",
            state if state in get_args(State) else "unknown",
            _logged_kind(log, str(reason)) if is_failed else None,
            _logged_place(log) if is_failed else None,
        )
    return None


def _logged_kind(log: Sequence[str], reason: str) -> str:
    """Return the kind of error that a job ended with, by what the worker noted, or by how it died."""
    if died := re.match(_DIED, reason):
        return f"the worker died{f', {died[1]}' if died[1] else ''}"
    noted = next(
        (line.removeprefix(ERROR_KIND) for line in reversed(log) if line.startswith(ERROR_KIND)), None
    )
    return error_kind(noted if noted is not None else reason.partition(":")[0])


def _logged_place(log: Sequence[str]) -> str | None:
    """Return the last line of rbcal in the traceback that the worker noted."""
    matches = (re.fullmatch(r'\s*File "(.+)", line (\d{1,6}), in .*', line) for line in reversed(log))
    places = (place_in_package(each[1], int(each[2])) for each in matches if each)
    return next(filter(None, places), None)
