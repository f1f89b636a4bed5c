"""Acts on whole project files: another name, a copy, into the trash and back. Nothing is ever overwritten.

None of them is done while a worker is at the project; whoever has it open is told so at the next act, as if
the file had been moved by hand (docs/decisions/020).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import Timeout

from rbcal.errors import DamagedError, ExistsError, JobError, ProjectError
from rbcal.jobs import launcher
from rbcal.outputs import new_file
from rbcal.store import backups, project_cards
from rbcal.store.database import Database
from rbcal.store.project import SUFFIX, Project, check, free, named_path, projects_folder

TRASH = ".trash"  # a folder beside the projects, with a folder for each that was deleted
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True)
class Deleted:
    """A project in the trash: the file, when it was deleted (UTC), and how large it is with its backups."""

    path: Path
    deleted_at: datetime
    n_bytes: int

    @property
    def name(self) -> str:
        """The name that it had."""
        return self.path.stem

    @property
    def home(self) -> Path:
        """Where it was."""
        return self.path.parent.parent.parent / self.path.name


def rename(project: Path, name: str) -> Path:
    """Give a project, and its backups, another name; return where it is now.

    Raises
    ------
    ExistsError
        When there is a project of that name.
    JobError
        When a job of it is under way.
    ProjectError
        When it is no name for a project, or the file cannot be opened.
    """
    target = free(named_path(name))
    with _idle(project):
        with Project.open(project) as opened:
            _refuse_at_work(opened)
            opened.call(target.stem)
            with opened.at_rest():
                _move(project, target)
        _tidy(target)
        for copy in backups.listing(project):
            _move_one(copy.path, backups.renamed(copy, target.stem))
        if launcher.log_path(project).exists():
            _move_one(launcher.log_path(project), launcher.log_path(target))
        project_cards.forget_opened(project)
    return target


def duplicate(project: Path, name: str) -> Path:
    """Copy a project under another name, as a project of its own without backups; return the copy.

    Raises
    ------
    ExistsError
        When there is a project of that name.
    JobError
        When a job of it is under way.
    ProjectError
        When it is no name for a project, the file cannot be opened, or the disk has no room.
    """
    target = free(named_path(name))
    with _idle(project):
        with Project.open(project) as opened:
            _refuse_at_work(opened)
        _copy(project, target)
    return target


def add(source: Path) -> Path:
    """Copy a project file from elsewhere into the folder of the projects; return the copy.

    One that is in that folder already is returned as it is.

    Raises
    ------
    ExistsError
        When there is a project of that name.
    ProjectError
        When it is no project file that can be opened, or the disk has no room.
    """
    if source.resolve().parent == projects_folder().resolve() and source.suffix == SUFFIX:
        check(source)
        return projects_folder() / source.name
    check(source)
    target = free(named_path(source.stem))
    _copy(source, target, name=None)
    return target


def delete(project: Path) -> Path:
    """Move a project and its backups into the trash beside it; return its place there.

    One that is damaged, or no project at all, is moved as it lies there.

    Raises
    ------
    JobError
        When a job of it is under way.
    ProjectError
        When it is not there, or another program does not let go of it.
    """
    if not project.exists():
        raise ProjectError(f"There is no project {project.stem} any more. Choose another one.")
    folder = project.parent / TRASH / f"{datetime.now(UTC):{_STAMP}}"
    target = folder / project.name
    with _idle(project):
        copies = backups.listing(project)
        if not (_is_ours(project) and _move_at_rest(project, target)):
            _move(project, target)
        _tidy(target)
        for copy in copies:
            _move_one(copy.path, folder / backups.folder(project).name / copy.path.name)
        launcher.log_path(project).unlink(missing_ok=True)
        project_cards.forget_opened(project)
    return target


def deleted() -> list[Deleted]:
    """Return what is in the trash, the newest first."""
    entries = []
    for path in (projects_folder() / TRASH).glob(f"*/*{SUFFIX}"):
        try:
            deleted_at = datetime.strptime(path.parent.name, _STAMP).replace(tzinfo=UTC)
        except ValueError:  # a folder that somebody else made
            continue
        n_bytes = sum(each.stat().st_size for each in path.parent.rglob("*") if each.is_file())
        entries.append(Deleted(path, deleted_at, n_bytes))
    return sorted(entries, key=lambda each: each.deleted_at, reverse=True)


def put_back(entry: Deleted) -> Path:
    """Move a project and its backups from the trash to where they were; return where it is.

    Raises
    ------
    ExistsError
        When there is a project of that name by now.
    """
    home, copies = entry.home, entry.path.parent / backups.folder(entry.home).name
    if home.exists():
        raise ExistsError(f"There is a project {entry.name} by now. Rename that one, then put this one back.")
    for side in ("-wal", ""):  # the log first: nobody opens the file without it
        part = entry.path.with_name(entry.path.name + side)
        if part.exists():
            _move_one(part, home.with_name(home.name + side))
    entry.path.with_name(f"{entry.path.name}-shm").unlink(missing_ok=True)  # SQLite makes it anew
    for copy in sorted(copies.glob(f"*{SUFFIX}")):
        _move_one(copy, backups.folder(home) / copy.name)
    for folder in (copies, entry.path.parent):
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
    return home


@contextmanager
def _idle(project: Path) -> Iterator[None]:
    """Hold the place of the worker, so that no job begins."""
    try:
        with launcher.worker_lock(project).acquire(timeout=0):
            yield
    except Timeout as err:
        raise _at_work(project) from err


def _refuse_at_work(project: Project) -> None:
    """Raise if a job waits for its worker; one that ran has lost it, for we hold its place."""
    job = project.jobs.last()
    if job is not None and job.state == "queued" and launcher.is_starting(project.path, job):
        raise _at_work(project.path)


def _at_work(project: Path) -> JobError:
    return JobError(
        f"A job of {project.stem} is under way. Wait until it ends, or cancel it on its Train page."
    )


def _is_ours(project: Path) -> bool:
    """Return whether a file is a project that this rbcal can open."""
    try:
        check(project)
    except DamagedError:
        return False
    except ProjectError as err:
        if err.__cause__ is not None:  # SQLite says that it is in use, or the disk full
            raise
        return False
    return True


def _move_at_rest(project: Path, target: Path) -> bool:
    """Move a project file with all that was written into it; return whether it was whole enough."""
    try:
        with closing(Project(Database(project))) as opened:
            _refuse_at_work(opened)
            with opened.at_rest():
                _move(project, target)
    except DamagedError:
        return False
    return True


def _tidy(project: Path) -> None:
    """Remove what SQLite left beside a file that was moved, unless it has something that the file has not."""
    log = project.with_name(f"{project.name}-wal")
    if not log.exists() or not log.stat().st_size:
        for side in ("-wal", "-shm"):
            project.with_name(project.name + side).unlink(missing_ok=True)


def _copy(source: Path, target: Path, name: str | None = "") -> None:
    """Copy a project file to a name that is free; unless `name` is None, the copy is another project."""
    with new_file(target) as part:
        backups.copy(source, part)
        if name is not None:
            with closing(Project(Database(part))) as copied:
                copied.call(target.stem)


def _move(project: Path, target: Path) -> None:
    """Move a project file and what SQLite keeps beside it: the file first, so that nobody opens it alone."""
    for side in ("", "-wal", "-shm"):
        part = project.with_name(project.name + side)
        if part.exists():
            _move_one(part, target.with_name(target.name + side))


def _move_one(source: Path, target: Path) -> None:
    """Move a file to a name that is free; the name is taken first, for a rename would overwrite."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.open("xb").close()
        try:
            source.replace(target)
        except OSError:
            target.unlink()
            raise
    except FileExistsError as err:
        raise ExistsError(f"{target.name} exists already. Choose another name.") from err
    except OSError as err:
        raise ProjectError(
            f"{source.name} cannot be moved: {err.strerror}. Close it in other programs, and see whether you "
            "may write in its folder."
        ) from err
