"""Copies of a project file: whole and consistent even while others write, thinned by age, and put back.

They lie in the folder ``backups`` beside the project file, and each is a project file itself.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rbcal.errors import DamagedError, ProjectError
from rbcal.formats.names import composed
from rbcal.outputs import new_file
from rbcal.store.database import advice, is_closed, reading

ASKED = "asked-for"  # why a copy was made: the user asked for it, so it never expires
_STAMP = "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(
    r"(?P<stem>.+?)--(?:(?P<number>\d{6,})--)?(?P<stamp>\d{8}T\d{12}Z)--(?P<why>[a-z0-9-]+)\.rbcal"
)
_NEWEST = 3  # copies that stay whatever their age
_DAYS, _WEEKS = 7, 8  # so long one copy a day stays, and then one a week
_MARGIN = 1.05  # of the disk space that a copy takes


@dataclass(frozen=True)
class Backup:
    """A copy of a project file: when it was made (UTC) and why.

    `number` counts the copies of a project: it says which is newer, also where a clock was put back.
    """

    path: Path
    made_at: datetime
    why: str
    n_bytes: int
    number: int = 0

    @property
    def order(self) -> tuple[int, datetime]:
        """Grows from each copy to the next."""
        return self.number, self.made_at


def folder(project: Path) -> Path:
    """Return where the backups of a project are kept."""
    return project.parent / "backups"


def listing(project: Path) -> list[Backup]:
    """Return the backups of a project, the newest first."""
    backups = []
    for path in folder(project).glob("*.rbcal"):
        match = _NAME.fullmatch(path.name)
        if match and composed(match["stem"]) == composed(project.stem):
            made_at = datetime.strptime(match["stamp"], _STAMP).replace(tzinfo=UTC)
            number = int(match["number"] or 0)
            backups.append(Backup(path, made_at, match["why"], path.stat().st_size, number))
    return sorted(backups, key=lambda each: each.order, reverse=True)


def renamed(backup: Backup, stem: str) -> Path:
    """Return where a backup belongs once its project has another name."""
    match = _NAME.fullmatch(backup.path.name)
    if match is None:
        raise ValueError(backup.path.name)
    return backup.path.with_name(stem + backup.path.name[match.end("stem") :])


def create(project: Path, why: str) -> Path:
    """Copy a project into its folder of backups, thin the older copies, and return the new one, which opens.

    Raises
    ------
    ProjectError
        When the disk has no room, or the project is damaged; no copy is left then.
    """
    number = max((each.number for each in listing(project)), default=0) + 1
    stamp = datetime.now(UTC).strftime(_STAMP)
    target = folder(project) / f"{project.stem}--{number:06}--{stamp}--{why}.rbcal"
    copy(project, target)
    for backup in expired(listing(project), datetime.now(UTC)):
        if backup.path != target:
            backup.path.unlink(missing_ok=True)
    with advice(target), reading(target):  # whoever overwrites the project next relies on it
        return target


def expired(backups: Iterable[Backup], now: datetime) -> list[Backup]:
    """Return the backups that are not needed any more at their age.

    The last three stay, the newest of each of the last 7 days and of each of the last 8 weeks, the one
    before each change of the format, and every one that the user asked for.
    """
    newest_first = sorted(backups, key=lambda each: each.order, reverse=True)
    kept = {each.path for each in newest_first[:_NEWEST]}
    covered: set[tuple[str, object]] = set()
    for each in newest_first:
        age = now - each.made_at
        spans = [
            ("day", each.made_at.date()) if age <= timedelta(days=_DAYS) else None,
            ("week", each.made_at.isocalendar()[:2]) if age <= timedelta(weeks=_WEEKS) else None,
            ("format", each.why) if each.why.startswith("before-format") else None,
        ]
        new = {span for span in spans if span} - covered
        if new or each.why == ASKED:
            kept.add(each.path)
        covered |= new
    return [each for each in newest_first if each.path not in kept]


def copy(source: Path, target: Path, *, overwrite: bool = False) -> None:
    """Copy a project file as it is at one moment, through SQLite's backup API, and check the copy.

    Raises
    ------
    ExistsError
        When `target` is there already, and shall not be overwritten.
    ProjectError
        When `target` is in use, cannot be written, or has no room, or `source` is damaged.
    """
    if target.exists() and overwrite and not is_closed(target):
        raise ProjectError(f"{target} is open in another program. Close it there, or choose another name.")
    with new_file(target, overwrite=overwrite) as part:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_room(source, target.parent)
        _copy_into(source, part)


def overwrite(backup: Path, project: Path) -> None:
    """Overwrite the content of a project file with that of a backup, all of it or nothing."""
    _copy_into(backup, project)


def _copy_into(source: Path, target: Path) -> None:
    with advice(source), reading(source) as origin, advice(target):
        copied = sqlite3.connect(target, timeout=20)
        try:
            origin.backup(copied)
            problem = copied.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            copied.close()
    if problem != "ok":
        raise DamagedError(
            f"{source.name} is damaged ({problem}), so no copy of it was made. Find out with: rbcal verify"
        )


def _check_room(source: Path, where: Path) -> None:
    needed, free = int(source.stat().st_size * _MARGIN), shutil.disk_usage(where).free
    if free < needed:
        raise ProjectError(
            f"A backup of {source.name} needs {needed / 1e6:,.0f} MB in {where}, but only "
            f"{free / 1e6:,.0f} MB are free. Free some space."
        )
