"""The thread of the app in which names learn from the answers that were just saved; no page waits for it.

If the project is to be trained by itself, the thread also starts that.

At most one is at work on a project. A save meanwhile lets it go round once more, so the last answer counts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rbcal.errors import RbcalError
from rbcal.jobs import auto_train, live
from rbcal.jobs.answered import count_doubtful
from rbcal.jobs.colours import recolour
from rbcal.store.project import ProjectFile

_NEWS = 40  # answers, after which doubtful ones are looked for anew
_LOGGER = logging.getLogger(__name__)
_lock = threading.Lock()
_requests: dict[Path, tuple[ProjectFile, int | None]] = {}
_threads: dict[Path, threading.Thread] = {}
_errors: dict[Path, str] = {}
_doubtful: dict[Path, tuple[int, int]] = {}


def start(file: ProjectFile, open_image: int | None = None) -> None:
    """Let names learn from the answers that a project holds now; returns at once.

    Parameters
    ----------
    file : ProjectFile
    open_image : int, optional
        That the expert works on next: it keeps its place in the queue.
    """
    path = file.path.resolve()
    with _lock:
        _requests[path] = file, open_image
        if path in _threads:
            return
        thread = _threads[path] = threading.Thread(
            target=_serve, args=(path,), name="rbcal-live", daemon=True
        )
    thread.start()


def last_error(file: ProjectFile) -> str | None:
    """Return why names did not learn from the last answers; None: they did, or are about to."""
    return _errors.get(file.path.resolve())


def doubtful(file: ProjectFile) -> tuple[int, int]:
    """Return how many answers cells that look alike contradict, and of how many; 0, 0: not known yet."""
    return _doubtful.get(file.path.resolve(), (0, 0))


def join(file: ProjectFile, seconds: float = 60) -> None:
    """Wait until nothing is under way."""
    thread = _threads.get(file.path.resolve())
    if thread is not None:
        thread.join(seconds)


def _serve(path: Path) -> None:
    while True:
        with _lock:
            request = _requests.pop(path, None)
            if request is None:
                del _threads[path]
                return
        with _one_core():
            error = _learn(*request)
        if error is None:
            _errors.pop(path, None)
        else:
            _errors[path] = error


@contextmanager
def _one_core() -> Iterator[None]:
    """Leave the other cores to the page: matrices by several threads wait for each other busily."""
    from threadpoolctl import threadpool_limits  # late: pages start without it

    with threadpool_limits(1):
        yield


def _learn(file: ProjectFile, open_image: int | None) -> str | None:
    """Do it once; return what went wrong, in words."""
    try:
        with file.open() as project:
            done = live.update(project, open_image)
            if done is None or not done.n_new:
                recolour(project)  # else the new order came with new colours
            if done is not None and abs(done.n_cells - doubtful(file)[1]) >= _NEWS:
                _doubtful[file.path.resolve()] = count_doubtful(project)
            auto_train.start_if_due(project)
    except RbcalError as err:
        _LOGGER.warning("Names did not learn: %s", err)
        return str(err)
    except Exception as err:
        _LOGGER.exception("Names did not learn")
        return f"{type(err).__name__}: {err}"
    return None
