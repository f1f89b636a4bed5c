"""What the start page says of a project file, read without bringing the file up to date or changing it."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

from rbcal.errors import ProjectError
from rbcal.store.database import advice, reading
from rbcal.store.log import IS_NAMED
from rbcal.store.project import SUFFIX, check, projects_folder

_OPENED = ".opened"  # a folder beside the projects: an empty file for each, as old as its last opening

# Every format of a project file has what is asked for here.
_COUNTS = """
SELECT count(*), count(*) FILTER (WHERE split = 'work' AND current_review.id IS NULL)
FROM image LEFT JOIN current_review ON current_review.image_id = image.id
"""
_CELLS = f"""
SELECT count(*) FROM annotation JOIN current_review ON current_review.id = review_id
JOIN image ON image.id = image_id WHERE split = 'work' AND {IS_NAMED}
"""  # noqa: S608  our words
_SERVING = "SELECT model_id FROM serving ORDER BY id DESC LIMIT 1"
_PRECISION = "SELECT precision_all FROM evaluation WHERE model_id = ?"
_PICTURE = "SELECT content FROM thumbnail ORDER BY image_id LIMIT 1"
_FIRST_IMAGE = """
SELECT content, layer FROM image_content JOIN image ON image.id = image_id
WHERE length(content) < ? ORDER BY image_id LIMIT 1
"""
_QUICK_BYTES = 4_000_000  # of a file that a small copy is made of while the start page waits


@dataclass(frozen=True)
class ProjectCard:
    """A project as the start page shows it.

    Parameters
    ----------
    images, waiting : int
        Of all, and those that wait for annotation.
    cells : int
        Annotated cells that were named, outside of the test set.
    model_id : int or None
        The model that serves.
    precision : float or None
        Its Precision_all, equation (9), on the test set; None: not measured yet.
    thumbnail : bytes or None
        A small copy of its first picture, where one is stored.
    job : str or None
        What a worker does for it, in words; None: nothing.
    problem : str or None
        Why the file cannot be read; then nothing else is known of it.
    """

    path: Path
    images: int = 0
    waiting: int = 0
    cells: int = 0
    model_id: int | None = None
    precision: float | None = None
    thumbnail: bytes | None = None
    job: str | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """The project's name, which is that of its file."""
        return self.path.stem


def project_files() -> list[Path]:
    """Return the files in the folder of the projects, the one that was opened last first."""
    paths = sorted(projects_folder().glob(f"*{SUFFIX}"), key=lambda path: path.name.casefold())
    return sorted((path for path in paths if path.is_file()), key=last_opened, reverse=True)


def version(path: Path) -> tuple[tuple[int, int], ...]:
    """Return what changes whenever a project file does: the age and size of the file and of its log."""
    marks = []
    for part in (path, path.with_name(f"{path.name}-wal")):
        with suppress(FileNotFoundError):
            facts = part.stat()
            marks.append((facts.st_mtime_ns, facts.st_size))
    return tuple(marks)


def read_card(path: Path) -> ProjectCard:
    """Return what the start page says of a project file; of one that cannot be read, why."""
    try:
        check(path)
        with advice(path), reading(path) as connection:
            return _card(path, connection)
    except ProjectError as err:
        return ProjectCard(path, problem=str(err))


def first_picture(path: Path) -> tuple[bytes, str] | None:
    """Return the first picture of a project that is quick to decode, and its layer; None: there is none."""
    with advice(path), reading(path) as connection:
        row = connection.execute(_FIRST_IMAGE, (_QUICK_BYTES,)).fetchone()
        return None if row is None else (bytes(row[0]), str(row[1]))


def _card(path: Path, connection: Connection) -> ProjectCard:
    def value(sql: str, *parameters: int) -> object:
        with closing(connection.execute(sql, parameters)) as cursor:
            row = cursor.fetchone()
        return None if row is None else row[0]

    images, waiting = connection.execute(_COUNTS).fetchone()
    model_id = value(_SERVING)
    precision = None if model_id is None else value(_PRECISION, int(str(model_id)))
    return ProjectCard(
        path,
        images=images,
        waiting=waiting,
        cells=int(str(value(_CELLS))),
        model_id=None if model_id is None else int(str(model_id)),
        precision=None if precision is None else float(str(precision)),
        thumbnail=value(_PICTURE),  # type: ignore[arg-type]  # a BLOB
        job=value("SELECT stage FROM job WHERE state IN ('queued', 'running')"),  # type: ignore[arg-type]
    )


def note_opened(path: Path) -> None:
    """Remember that a project is opened now, beside the projects, if one may write there."""
    mark = _mark(path)
    with suppress(OSError):  # a full disk keeps nobody out of a project
        mark.parent.mkdir(exist_ok=True)
        mark.touch()


def last_opened(path: Path) -> datetime:
    """Return when a project was opened last; of one that this rbcal has not opened, when it was changed."""
    mark = _mark(path)
    try:
        seconds = (mark if mark.exists() else path).stat().st_mtime
    except FileNotFoundError:  # it was deleted meanwhile
        seconds = 0.0
    return datetime.fromtimestamp(seconds, UTC)


def was_opened(path: Path) -> bool:
    """Return whether it is known when a project was opened."""
    return _mark(path).exists()


def forget_opened(path: Path) -> None:
    """Forget when a project was opened: its name is free."""
    _mark(path).unlink(missing_ok=True)


def _mark(path: Path) -> Path:
    return path.parent / _OPENED / path.stem
