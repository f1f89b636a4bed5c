"""A backup put back in the place of a project, and what was there kept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from filelock import Timeout

from rbcal.errors import DamagedError, JobError
from rbcal.jobs.launcher import worker_lock
from rbcal.store import backups
from rbcal.store.project import check


def restore(project: Path, backup: Path) -> Path:
    """Make a project what it was when a backup was made, and return where its present state is kept.

    A project that can still be read is backed up first, and then changed in one transaction; one that is
    damaged is moved aside as it is.

    Raises
    ------
    ProjectError
        When the backup is not a whole project file; nothing is changed then.
    JobError
        When a worker is at the project.
    """
    check(backup)
    trial = project.with_name(f"{project.name}.restored")
    trial.unlink(missing_ok=True)
    try:
        with worker_lock(project).acquire(timeout=0):
            backups.copy(backup, trial)  # whole, or not at all
            if not project.exists():
                _move_aside(project)  # a log without its file: SQLite would play it back into the backup
                trial.rename(project)
                return project
            try:
                kept = backups.create(project, "before-restore")
            except DamagedError:
                kept = _move_aside(project)
                trial.rename(project)
            else:
                backups.overwrite(trial, project)
    except Timeout as err:
        raise JobError("A job of this project is under way. Cancel it on the Train page first.") from err
    finally:
        trial.unlink(missing_ok=True)
    return kept


def _move_aside(project: Path) -> Path:
    """Move a file that cannot be read, and its log, without a look into them."""
    kept = (
        backups.folder(project) / f"{project.stem}-damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{project.suffix}"
    )
    kept.parent.mkdir(exist_ok=True)
    for suffix in ("-wal", "-shm", ""):
        part = project.with_name(project.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept
