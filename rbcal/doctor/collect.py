"""Collect what a bug report needs.

Every value is a number, a version, or a word of rbcal, Python or the hardware. So the text can be given to
anybody. torch is asked in a process of its own: that of the pages never imports it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

import rbcal
from rbcal.jobs.launcher import is_at_work
from rbcal.store.health import (
    SQLITE_VERSION,
    ProjectHealth,
    error_kind,
    place_in_package,
    read_health,
)
from rbcal.store.project import SUFFIX

_TORCH_SECONDS = 120  # a slow disk may take that long to load it
_ASK_TORCH = (
    "import json; from rbcal.detector.devices import describe_devices; print(json.dumps(describe_devices()))"
)
_MOST_PLACES = 6
_PAGES = ("home.py", "project.py", "train.py", "review.py", "progress.py")


@dataclass(frozen=True)
class ErrorPlace:
    """The kind of an error, and the lines of rbcal that it went through, the last one last."""

    kind: str
    places: Sequence[str] = ()


@dataclass(frozen=True)
class Machine:
    """The system, and what rbcal may use of it."""

    system: str
    python: str
    sqlite: str
    cores: int
    usable_cores: int
    memory_bytes: int
    free_memory_bytes: int


@dataclass(frozen=True)
class Disk:
    """Where the projects are; None: it is not known."""

    exists: bool
    is_writable: bool = False
    n_bytes: int | None = None
    free_bytes: int | None = None
    file_system: str | None = None


@dataclass(frozen=True)
class Devices:
    """What torch says that it can compute on; `problem` says why it does not."""

    problem: str | None = None
    auto: str | None = None
    cuda: str | None = None
    devices: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ProjectState:
    """One project, by its number in the order of the app's list.

    `has_worker` is whether a process is at work on it; `is_open` whether the app has it open.
    """

    number: int
    is_open: bool
    has_worker: bool
    health: ProjectHealth


@dataclass(frozen=True)
class BugReport:
    """All of it."""

    rbcal: str
    source: str
    machine: Machine
    devices: Devices
    packages: Mapping[str, str]
    disk: Disk
    projects: Sequence[ProjectState] = ()
    error: ErrorPlace | None = field(default=None)


def collect(folder: Path, *, opened: Path | None = None, error: ErrorPlace | None = None) -> BugReport:
    """Return what a bug report needs; it takes seconds, most of them to load torch.

    Parameters
    ----------
    folder : Path
        That of the projects.
    opened : Path, optional
        The project that the app has open.
    error : ErrorPlace, optional
        What the user ran into.
    """
    with suppress(OSError):
        folder = folder.resolve()
    return BugReport(
        rbcal.__version__,
        _source(),
        _machine(),
        _devices(),
        _packages(),
        _disk(folder),
        [_project(number, path, opened) for number, path in enumerate(_project_files(folder), start=1)],
        error,
    )


def error_place(err: BaseException) -> ErrorPlace:
    """Return the kind of an error and where it happened, without its words."""
    places = list(_places(err.__traceback__))
    return ErrorPlace(type(err).__name__, places[-_MOST_PLACES:])


def _source() -> str:
    """Return where this rbcal comes from: a wheel, or a checkout at a commit."""
    package = Path(rbcal.__file__).parent
    if (package / "_app").exists():
        return "installed"
    command = ["git", "-C", str(package), "rev-parse", "--short=12", "HEAD"]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        if re.fullmatch("[0-9a-f]{12,40}", answer):
            return f"a checkout at {answer}"
    return "a checkout"


def _machine() -> Machine:
    memory = psutil.virtual_memory()
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Machine(
        f"{platform.system()} {platform.release()} {platform.machine()}",
        f"{platform.python_version()} {platform.python_implementation()}",
        SQLITE_VERSION,
        os.cpu_count() or 1,
        usable,
        memory.total,
        memory.available,
    )


def _devices() -> Devices:
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TORCH_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Devices(f"torch did not load within {_TORCH_SECONDS} s")
    if answer.returncode:
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
        kind = error_kind(said[-1].partition(":")[0])
        return Devices(f"torch does not load: exit code {answer.returncode}, {kind}")
    document = json.loads(answer.stdout.splitlines()[-1])
    return Devices(None, document["auto"], document["cuda"], document["devices"])


def _packages() -> dict[str, str]:
    """Return the version of every package that rbcal needs; of an extra one, if it is there."""
    versions = {}
    for requirement in requires("rbcal") or ():
        name, is_extra = re.split(r"[^\w.-]", requirement)[0], "extra ==" in requirement
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            if not is_extra:
                versions[name] = "missing"
    return versions


def _disk(folder: Path) -> Disk:
    with suppress(OSError):
        if not folder.is_dir():
            return Disk(exists=False)
        usage = shutil.disk_usage(folder)
        return Disk(True, _is_writable(folder), usage.total, usage.free, _file_system(folder))
    return Disk(exists=True)


def _is_writable(folder: Path) -> bool:
    """Return whether a file can be made there: rights alone do not tell, on a full or a mounted disk."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"rbcal")
    except OSError:
        return False
    return True


def _file_system(folder: Path) -> str | None:
    """Return the kind of file system: projects do not work on every network drive."""
    with suppress(OSError, psutil.Error):
        mounted = [
            each for each in psutil.disk_partitions(all=True) if folder.is_relative_to(each.mountpoint)
        ]
        kind = max(mounted, key=lambda each: len(each.mountpoint)).fstype if mounted else ""
        return kind if re.fullmatch(r"[\w.+-]{1,20}", kind) else None
    return None


def _project_files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stem)
    return []


def _project(number: int, path: Path, opened: Path | None) -> ProjectState:
    is_open = opened is not None and opened.name == path.name
    return ProjectState(number, is_open, _has_worker(path), read_health(path))


def _has_worker(path: Path) -> bool:
    with suppress(OSError):
        return is_at_work(path)
    return False


def _places(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        script = Path(file)
        if script.name == "app.py" or (script.parent.name == "pages" and script.name in _PAGES):
            yield f"{script.name}:{line}"
        elif (place := place_in_package(file, line)) is not None:
            yield place
        trace = trace.tb_next
