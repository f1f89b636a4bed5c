"""A project: one SQLite file that holds images, annotations, scores and model checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rbcal.errors import RESTORE, DamagedError, ExistsError, ProjectError, RbcalError
from rbcal.formats.names import composed
from rbcal.outputs import new_file
from rbcal.store import backups, migrations
from rbcal.store.cell_filters import CellFilters
from rbcal.store.cell_index import CellIndexes
from rbcal.store.classes import Classes
from rbcal.store.colours import Colours
from rbcal.store.database import Database, Header, is_closed, now, read_header, replaced
from rbcal.store.evaluations import Evaluations
from rbcal.store.images import Images
from rbcal.store.jobs import Jobs
from rbcal.store.live_heads import LiveHeads
from rbcal.store.log import Log
from rbcal.store.models import Models
from rbcal.store.queue import Queue
from rbcal.store.rankings import Rankings
from rbcal.store.references import References
from rbcal.store.reviews import Reviews
from rbcal.store.simulations import Simulations
from rbcal.store.snapshots import Snapshots
from rbcal.store.splits import Splits
from rbcal.store.summary import Summary
from rbcal.store.targets import Targets

SUFFIX = ".rbcal"
LONGEST_PERSON = 300  # characters of a name
LONGEST_STEM = 150  # bytes, so that the names of its backups stay within the 255 of a file system


def projects_folder() -> Path:
    """Return the folder of the projects that are known by name: ``$RBCAL_PROJECTS``, else ``./projects``."""
    return Path(os.environ.get("RBCAL_PROJECTS", "projects"))


def project_path(name: str) -> Path:
    """Return the project file that a user means by a path, or by a name alone.

    >>> project_path("/data/slides.rbcal").as_posix()
    '/data/slides.rbcal'
    >>> project_path("slides") == projects_folder() / "slides.rbcal"
    True
    """
    path = Path(name)
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX) if path.name else path
    return on_disk(path if len(Path(name).parts) > 1 or name.endswith(SUFFIX) else projects_folder() / path)


def on_disk(path: Path) -> Path:
    """Return the path of a project file as the disk has its name: with accents composed or, by a Mac, not."""
    if path.name.isascii() or path.exists():
        return path
    name = composed(path.name)
    same = (each for each in path.parent.glob(f"*{SUFFIX}") if composed(each.name) == name)
    return next(same, path.with_name(name))


def named_path(name: str) -> Path:
    """Return where a project of that name is, or would be, in the folder of the projects.

    Raises
    ------
    ProjectError
        When there is no name, or one that leads elsewhere.
    """
    path = projects_folder() / f"{name.strip()}{SUFFIX}"
    if not name.strip() or path.parent != projects_folder() or "\\" in name:
        raise ProjectError("A project's name has at least one letter, and holds no slash or backslash.")
    return path


@dataclass(frozen=True)
class ProjectFile:
    """A project, and where it was when it was opened; whoever opens it later gets that one, or an error.

    Without an id, it is whichever project lies there. `annotator` signs what is done with it; None: the name
    that the project has.
    """

    path: Path
    project_id: str | None = None
    inode: int | None = field(default=None, compare=False)
    annotator: str | None = field(default=None, compare=False)

    def open(self) -> Project:
        """Return the project; raises as :meth:`Project.open` does."""
        in_use = self.path.exists() and not is_closed(self.path)
        if self.inode and in_use and self.path.stat().st_ino != self.inode:
            raise replaced(self.path)  # SQLite would read the log of the one file into the other
        project = Project.open(self.path, self.project_id)
        project.annotate_as(self.annotator)
        return project


class Project:
    """An open project file, with one attribute for each kind of thing it holds.

    Use it as a context manager and keep it open for one act only: opening takes about a millisecond, and
    pages, callbacks and the worker each open their own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.path = database.path
        self.classes = Classes(database)
        self.images = Images(database)
        self.splits = Splits(database)
        self.log = Log(database)
        self.reviews = Reviews(database)
        self.models = Models(database)
        self.snapshots = Snapshots(database)
        self.rankings = Rankings(database)
        self.cell_indexes = CellIndexes(database)
        self.live_heads = LiveHeads(database)
        self.colours = Colours(database)
        self.queue = Queue(database)
        self.evaluations = Evaluations(database)
        self.simulations = Simulations(database)
        self.targets = Targets(database)
        self.references = References(database)
        self.cell_filters = CellFilters(database)
        self.summary = Summary(database)
        self.jobs = Jobs(database)

    @classmethod
    def create(cls, path: Path, *, classes: Sequence[str] = (), rare: Sequence[str] = ()) -> Self:
        """Return a new project at `path`, which must not exist yet.

        Without `classes` the first import brings them; `rare` names those whose candidates count most.
        """
        with cls.build(path, classes=classes, rare=rare) as project:
            pass
        return cls.open(project.path)

    @classmethod
    @contextmanager
    def build(cls, path: Path, *, classes: Sequence[str] = (), rare: Sequence[str] = ()) -> Iterator[Self]:
        """Give a new project to fill, which is at `path` once the block ends without an error.

        Of one whose program is killed before that, nothing is there. `classes` and `rare` are those of
        :meth:`create`.
        """
        path = free(path)
        with new_file(path) as part:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.touch()
            database = Database(part)
            database.path = path  # what errors name
            try:
                with database.transaction():
                    _migrate(database)
                    database.write(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
                    database.write(
                        "INSERT INTO project (id, name, created_at) VALUES (1, ?, ?)",
                        (composed(path.stem), now()),
                    )
                    project = cls(database)
                    project.classes.add(classes, rare=rare)
                yield project
            finally:
                database.close()

    @classmethod
    def open(cls, path: Path, project_id: str | None = None) -> Self:
        """Return the project in the file `path`; one of an older format is backed up and brought up to date.

        Every transaction on it is refused once the file was moved, or holds another project.

        Parameters
        ----------
        project_id : str, optional
            Of the only project that is wanted, as :attr:`file` has it.

        Raises
        ------
        ProjectError
            When the file is not ours, newer, or damaged. It is left byte for byte as it was.
        ReplacedError
            When it is not the project that is wanted.
        """
        if project_id is not None and not path.exists():
            raise replaced(path)
        header = check(path)
        if header.user_version < migrations.USER_VERSION:
            backups.create(path, f"before-format-{migrations.USER_VERSION}")
        database = Database(path)
        try:
            if database.missing_bytes():
                raise DamagedError(f"{path.name} is shorter than it should be: its end is missing. {RESTORE}")
            database.expected_id = project_id or database.project_id()
            database.check_project()
            if header.user_version < migrations.USER_VERSION:
                with database.transaction():
                    _migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which all writes happen, or none."""
        return self._database.transaction()

    def read_transaction(self) -> AbstractContextManager[None]:
        """Return a context in which all reads see the project as it is now."""
        return self._database.read_transaction()

    @property
    def file(self) -> ProjectFile:
        """Where this project is, for whoever opens it next."""
        database = self._database
        return ProjectFile(self.path, database.expected_id, database.place.st_ino, database.annotator)

    @property
    def name(self) -> str:
        """The project's name, as shown."""
        return str(self._database.value("SELECT name FROM project"))

    def call(self, name: str) -> None:
        """Give the project another name. It then is another project to those who have it open."""
        self._database.write("UPDATE project SET name = ?", (composed(name),))
        self._database.expected_id = self._database.project_id()

    def at_rest(self) -> AbstractContextManager[None]:
        """Return a context in which all is in the file itself and nobody can write to it: it can be moved."""
        return self._database.at_rest()

    @property
    def expert(self) -> str:
        """The name that the project has: it signs what is done without another one; empty: nobody's."""
        return str(self._database.value("SELECT expert FROM project"))

    def annotate_as(self, name: str | None) -> None:
        """Let this name sign what is done with this open project; None: that of the project."""
        self._database.annotator = name

    @property
    def is_synthetic(self) -> bool:
        """Whether any of its images was drawn, not photographed: then every screen and figure says so."""
        return self.images.any_synthetic()

    def sign(self, name: str) -> None:
        """Let this name sign every act from now on, unless another one is given."""
        if len(name) > LONGEST_PERSON:
            raise ProjectError(f"A name has at most {LONGEST_PERSON} characters, but got {len(name)}.")
        self._database.write("UPDATE project SET expert = ?", (name.strip(),))

    @property
    def train_after(self) -> int | None:
        """After how many new cells the app trains by itself; None: only when it is asked to."""
        n = self._database.value("SELECT train_after FROM project")
        return None if n is None else int(n)

    def train_by_itself(self, after: int | None) -> None:
        """Let the app train after so many new cells, without a click; None: not any more."""
        if after is not None and after < 1:
            raise ProjectError(f"A training follows after at least 1 new cell, but got {after}.")
        self._database.write("UPDATE project SET train_after = ?", (after,))

    @property
    def ask_unread(self) -> bool:
        """Whether *Save* asks what becomes of boxes that were not read; else they are saved as such."""
        return bool(self._database.value("SELECT ask_unread FROM project"))

    def ask_of_unread(self, *, ask: bool) -> None:
        """Let *Save* ask what becomes of boxes that were not read, or not any more."""
        self._database.write("UPDATE project SET ask_unread = ?", (int(ask),))

    @property
    def by_outline(self) -> bool:
        """Whether images that no model has seen open with their cells boxed by outline."""
        return bool(self._database.value("SELECT by_outline FROM project"))

    def box_by_outline(self, *, box: bool) -> None:
        """Let images that no model has seen open with their cells boxed by outline, or not any more."""
        self._database.write("UPDATE project SET by_outline = ?", (int(box),))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; if something failed that is no error of ours, see whether the file is to blame."""
        self.close()
        if not isinstance(err, Exception) or isinstance(err, RbcalError):
            return
        from rbcal.store.verification import find_fault  # late: nobody else needs what it loads

        if (fault := find_fault(self.path)) is not None:
            raise DamagedError(f"{self.path.name} is damaged: {fault}. {RESTORE}") from err


def free(path: Path) -> Path:
    """Return where a project is to be created, if its name can be had.

    Raises
    ------
    ExistsError
        When there is a project of that name.
    ProjectError
        When it is no name of a project file, or too long.
    """
    if path.suffix != SUFFIX:
        raise ProjectError(f"A project file is called NAME{SUFFIX}, but got {path.name!r}.")
    if (n_bytes := len(os.fsencode(path.stem))) > LONGEST_STEM:
        raise ProjectError(
            f"A project's name has at most {LONGEST_STEM} bytes, but this one has {n_bytes}: a letter with "
            "an accent has two, other signs up to four. Choose a shorter one."
        )
    path = on_disk(path)
    if path.exists():
        raise ExistsError(f"{path.name} exists already. Open it, or choose another name.")
    if not is_closed(path):
        raise ProjectError(
            f"{path.name} was moved away while it was open, and {path.name}-wal has its last work. "
            "Put it back, or choose another name."
        )
    return path


def _migrate(database: Database) -> None:
    migrations.MIGRATIONS.apply(database.sqlite_utils)
    database.write(f"PRAGMA user_version = {migrations.USER_VERSION}")


def check(path: Path) -> Header:
    """Return what a file says it is, if it is a project that this rbcal can open; nothing is written to it.

    It is asked through SQLite, never read as a plain file: on POSIX, closing any descriptor of a file drops
    the locks that other connections of this process hold on it, and then another process may delete the log
    that they are writing to (docs/decisions/005).

    Raises
    ------
    ProjectError
        When there is no file, or it is not ours, newer, damaged, or altered.
    """
    if not path.is_file():
        raise ProjectError(f"There is no project {path}. Create it with: rbcal init {path}")
    was_closed = is_closed(path)
    try:
        return _judge(path, read_header(path))
    except ProjectError:
        if not was_closed or is_closed(path):
            raise
    return _judge(path, read_header(path))  # another program opened it meanwhile


def _judge(path: Path, header: Header | None) -> Header:
    if header is None or header.application_id != migrations.APPLICATION_ID:
        raise ProjectError(f"{path.name} is not an rbcal project. It was left as it is.")
    if header.user_version > migrations.USER_VERSION:
        raise ProjectError(
            f"{path.name} was written by a newer rbcal: format {header.user_version}, "
            f"not {migrations.USER_VERSION}. Update rbcal to open it."
        )
    if header.schema != migrations.schema_of_version(header.user_version):
        raise DamagedError(f"{path.name} is damaged: its tables are not those of an rbcal project. {RESTORE}")
    return header
