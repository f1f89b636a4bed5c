"""Worker processes: start one, see how far it is, see when it died.

A worker holds a file lock beside the project for as long as it lives, and the operating system lets go of it
however the worker ends. So a job that is called running while nobody holds the lock has lost its worker:
no clock, no process id, no heartbeat that a sleeping laptop would miss (docs/decisions/002).
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rbcal.errors import JobError
from rbcal.store.job_requests import JobRequest
from rbcal.store.jobs import Job
from rbcal.store.project import Project, ProjectFile

_STARTING_SECONDS = 60  # a slow disk may take that long to load torch before the worker holds the lock
_workers: dict[Path, subprocess.Popen[bytes]] = {}  # those that this process started


def worker_lock(project_path: Path) -> FileLock:
    """Return the lock that the one worker of a project holds while it lives."""
    return FileLock(project_path.with_name(project_path.name + "-worker.lock"))


def log_path(project_path: Path) -> Path:
    """Return the file that takes what a worker prints, kept until the next job."""
    return project_path.with_name(project_path.name + "-worker.log")


def start(file: ProjectFile, request: JobRequest) -> int:
    """Queue a job, start its worker process, and return the job's id. The worker outlives its starter.

    Raises
    ------
    JobError
        When another job of this project is under way.
    ReplacedError
        When another project took the place of this one.
    """
    with file.open() as project:
        watch(project)  # a job whose worker died must not stand in the way
        job_id = project.jobs.add(request)
        path, project_id = file.path.resolve(), str(project.file.project_id)
    command = [sys.executable, "-m", "rbcal.jobs.worker", str(path), project_id, str(job_id)]
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    if ended := _workers.pop(path, None):
        ended.wait()  # its job is over, so it is about to leave
    with log_path(path).open("wb") as log:
        _workers[path] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **detached
        )
    return job_id


def watch(project: Project) -> Job | None:
    """Return the last job, or None; one whose worker died is first marked as failed, with the reason."""
    job = project.jobs.last()
    if job is None or not job.active or _is_alive(project.path, job):
        return job
    if job.cancel_requested:  # the worker left at once, in the middle of a long step
        project.jobs.end(job.id, "cancelled")
    else:
        project.jobs.end(job.id, "failed", _why_it_died(project.path))
    return project.jobs.get(job.id)


def cancel(project: Project) -> None:
    """Ask the worker to stop; its process takes at most 1 s, a command in a terminal ends its step first."""
    job = watch(project)
    if job is not None and job.active:
        project.jobs.request_cancel(job.id)


def is_at_work(path: Path) -> bool:
    """Return whether a worker is at a project. Asking leaves nothing beside it."""
    lock = worker_lock(path)
    if not Path(lock.lock_file).exists():
        return False
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def is_starting(path: Path, job: Job) -> bool:
    """Return whether a job is queued whose worker has not yet begun, and is still expected to."""
    started_here = _workers.get(path.resolve())
    if job.state == "queued" and started_here is not None:
        return started_here.poll() is None
    return job.state == "queued" and (datetime.now(UTC) - job.created_at).total_seconds() < _STARTING_SECONDS


def _is_alive(path: Path, job: Job) -> bool:
    return is_at_work(path) or is_starting(path, job)


def _why_it_died(path: Path) -> str:
    worker = _workers.get(path.resolve())
    try:
        code = None if worker is None else worker.wait(timeout=5)
    except subprocess.TimeoutExpired as err:
        raise JobError("The last job of this project has not quite ended. Try again in a minute.") from err
    cause = ""
    if code is not None:
        cause = f" (signal {-code})" if code < 0 else f" (exit code {code})"
    if code == -9:
        cause = " (it was killed, perhaps because memory ran out)"
    log = log_path(path)
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    said = f" The last line of its log: {lines[-1][:300].rstrip('.')}." if lines else ""
    return f"The worker process ended unexpectedly{cause}.{said} No annotation is lost. Start the job again."
