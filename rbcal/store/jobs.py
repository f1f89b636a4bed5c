"""Work asked for and done: pages write requests, the worker writes how far it is."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rbcal.errors import JobError
from rbcal.store.database import Database, Row, now
from rbcal.store.job_requests import JobRequest, Kind, dumps
from rbcal.store.rows import from_row
from rbcal.wording import printable

State = Literal["queued", "running", "done", "failed", "cancelled"]
ACTIVE = ("queued", "running")
ERROR_KIND = "Kind of error: "  # in the log of a job that failed, before the name of a Python class


@dataclass(frozen=True)
class Job:
    """One piece of work; `steps` is 0 while the worker does not know how many there are.

    `first_step` is how many of them were done before, by a job that this one resumes.
    """

    id: int
    request: JobRequest
    state: State
    stage: str
    step: int
    steps: int
    first_step: int
    cancel_requested: bool
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    stage_started_at: datetime | None
    finished_at: datetime | None

    @property
    def kind(self) -> Kind:
        """What it is asked to do, in a word."""
        return self.request.kind

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    def seconds_left(self, at: datetime) -> float | None:
        """Return the time that this stage still takes at its present speed, or None if it is not known."""
        if self.stage_started_at is None or not self.first_step < self.step <= self.steps:
            return None
        elapsed = (at - self.stage_started_at).total_seconds()
        return elapsed / (self.step - self.first_step) * (self.steps - self.step)


class Jobs:
    """The jobs of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, request: JobRequest) -> int:
        """Queue a job and return its id; the database holds that at most one waits or runs."""
        try:
            return self._db.write(
                "INSERT INTO job (kind, config, state, created_at) VALUES (?, ?, 'queued', ?)",
                (request.kind, dumps(request), now()),
            )
        except sqlite3.IntegrityError as err:
            raise JobError(
                "A job is under way in this project already. Wait until it ends, or cancel it."
            ) from err

    def get(self, job_id: int) -> Job:
        """Return one job."""
        row = self._db.row("SELECT * FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise KeyError(job_id)
        return _job(row)

    def last(self) -> Job | None:
        """Return the job that runs, else the one that ended last, else None."""
        row = self._db.row("SELECT * FROM job ORDER BY id DESC LIMIT 1")
        return None if row is None else _job(row)

    def last_training(self) -> Job | None:
        """Return the training that was asked for last, however it ended, or None."""
        return self.last_of("train")

    def last_of(self, *kinds: Kind) -> Job | None:
        """Return the job of some kinds that was asked for last, however it ended, or None."""
        marks = ", ".join("?" * len(kinds))
        row = self._db.row(f"SELECT * FROM job WHERE kind IN ({marks}) ORDER BY id DESC LIMIT 1", kinds)  # noqa: S608  marks
        return None if row is None else _job(row)

    def start(self, job_id: int) -> None:
        """Say that a worker has begun."""
        self._db.write("UPDATE job SET state = 'running', started_at = ? WHERE id = ?", (now(), job_id))

    def begin_stage(self, job_id: int, stage: str, steps: int = 0, done: int = 0) -> None:
        """Say what the worker does now; ``steps = 0`` when their number is not known."""
        with self._db.transaction():
            self._db.write(
                "UPDATE job SET stage = ?, step = ?, first_step = ?, steps = ?, stage_started_at = ?"
                " WHERE id = ?",
                (stage, done, done, steps, now(), job_id),
            )
            self.log(job_id, stage)

    def advance(self, job_id: int, step: int, loss: float | None = None) -> bool:
        """Say how far the stage is, and return whether the user asked to cancel."""
        with self._db.transaction():
            self._db.write("UPDATE job SET step = ? WHERE id = ?", (step, job_id))
            if loss is not None:
                # A training that begins again, for want of memory, leaves no tail of its first attempt.
                self._db.write("DELETE FROM job_loss WHERE job_id = ? AND step >= ?", (job_id, step))
                self._db.write("INSERT INTO job_loss VALUES (?, ?, ?)", (job_id, step, loss))
            return bool(self._db.value("SELECT cancel_requested FROM job WHERE id = ?", (job_id,)))

    def end(self, job_id: int, state: State, reason: str | None = None) -> None:
        """Say how an active job ended; one that has ended already is left alone."""
        self._db.write(
            "UPDATE job SET state = ?, reason = ?, finished_at = ?"
            " WHERE id = ? AND state IN ('queued', 'running')",
            (state, reason, now(), job_id),
        )

    def request_cancel(self, job_id: int) -> None:
        """Ask the worker to stop at its next step."""
        self._db.write("UPDATE job SET cancel_requested = 1 WHERE id = ?", (job_id,))

    def log(self, job_id: int, line: str) -> None:
        """Append a line to a job's log."""
        self._db.insert("job_log", job_id=job_id, at=now(), line=printable(line))

    def inherit_losses(self, job_id: int, ancestor_id: int, until: int) -> None:
        """Take over the losses of the job that this one resumes, up to the step that it resumes at."""
        self._db.write(
            "INSERT OR IGNORE INTO job_loss"
            " SELECT ?, step, loss FROM job_loss WHERE job_id = ? AND step <= ?",
            (job_id, ancestor_id, until),
        )

    def log_tail(self, job_id: int, lines: int = 12) -> list[str]:
        """Return the last lines of a job's log, the newest last."""
        rows = self._db.rows(
            "SELECT at, line FROM job_log WHERE job_id = ? ORDER BY id DESC LIMIT ?", (job_id, lines)
        )
        return [f"{_clock(row['at'])}  {row['line']}" for row in reversed(rows)]

    def losses(self, job_id: int) -> list[tuple[int, float]]:
        """Return (step, loss) of a training job."""
        rows = self._db.rows("SELECT step, loss FROM job_loss WHERE job_id = ? ORDER BY step", (job_id,))
        return [(row["step"], row["loss"]) for row in rows]


def _job(row: Row) -> Job:
    return from_row(Job, {**row, "request": row["config"]})


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")
