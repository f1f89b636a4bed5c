"""The worker: does one job of one project, and writes into the project file how far it is."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Never, Self

from filelock import Timeout
from tqdm import tqdm

from rbcal.errors import JobCancelledError, JobError, RbcalError
from rbcal.jobs.launcher import worker_lock
from rbcal.jobs.progress import WRITING
from rbcal.store.job_requests import (
    EvaluateJob,
    RankJob,
    ResumeJob,
    ScoreJob,
    SimulateJob,
    TrainJob,
)
from rbcal.store.jobs import ERROR_KIND, Job
from rbcal.store.project import Project, ProjectFile
from rbcal.wording import print_traceback, printable

_STARTING_SECONDS = 20  # how long the page that looks for a living worker may hold the lock
_EXIT_CANCELLED = 3
_CANCELLED = "The job was cancelled."
_POLL_SECONDS = 0.1  # between two looks at whether the user cancelled,
_GRACE_SECONDS = 0.8  # and how long the step that is under way may go on then
_FAREWELL_SECONDS = 0.3  # to say in the project file how it ended
_LOG_SECONDS = 15.0  # between two lines of a progress bar that no terminal shows


class ProgressReporter:
    """Tells the project file, and a terminal if there is one, how far a job is; stops it when asked."""

    def __init__(self, project: Project, job_id: int, *, show: bool) -> None:
        self._jobs = project.jobs
        self._job_id = job_id
        self._show = show
        self._bar: tqdm[Never] = tqdm(disable=True)

    def stage(self, name: str, steps: int = 0, done: int = 0) -> None:
        """Begin a stage of `steps` steps, 0 if their number is not known, of which some are done already."""
        self._jobs.begin_stage(self._job_id, name, steps, done)
        self._bar.close()
        pace = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
        self._bar = tqdm(
            desc=name, total=steps or None, initial=done, disable=not self._show, mininterval=pace
        )
        self.advance(done)

    def advance(self, step: int, loss: float | None = None) -> None:
        """Say how many steps are done.

        Raises
        ------
        JobCancelledError
            When the user asked to cancel.
        """
        if loss is not None:
            self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update(step - self._bar.n)
        if self._jobs.advance(self._job_id, step, loss):
            raise JobCancelledError(_CANCELLED)

    def log(self, line: str) -> None:
        """Append a line to the job's log."""
        self._jobs.log(self._job_id, line)
        if self._show:
            self._bar.write(printable(line), file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def run(file: ProjectFile, job_id: int, *, show: bool = False) -> Job:
    """Do a queued job in this process and return it as it ended.

    Parameters
    ----------
    show : bool
        Draw progress bars on stderr.

    Raises
    ------
    RbcalError
        What made the job fail; it is in the job's row too.
    """
    with file.open() as project:
        try:
            with (
                worker_lock(file.path).acquire(timeout=_STARTING_SECONDS),
                ProgressReporter(project, job_id, show=show) as progress,
            ):
                _work(project, job_id, progress)
        except Timeout as err:
            reason = "Another job of this project is under way. Wait until it ends, or cancel it."
            project.jobs.end(job_id, "failed", reason)
            raise JobError(reason) from err
        return project.jobs.get(job_id)


def _work(project: Project, job_id: int, progress: ProgressReporter) -> None:
    """Do the job, and write down how it ended before the lock is let go."""
    project.jobs.start(job_id)
    try:
        _dispatch(project, project.jobs.get(job_id), progress)
    except JobCancelledError as err:
        project.jobs.end(job_id, "cancelled", str(err))
        raise
    except KeyboardInterrupt as err:
        project.jobs.end(job_id, "cancelled", _CANCELLED)
        raise JobCancelledError(_CANCELLED) from err
    except RbcalError as err:
        project.jobs.log(job_id, f"{ERROR_KIND}{type(err).__name__}")
        project.jobs.end(job_id, "failed", str(err))
        raise
    except BaseException as err:
        project.jobs.log(job_id, f"{ERROR_KIND}{type(err).__name__}")
        for line in traceback.format_exc().strip().splitlines():
            project.jobs.log(job_id, line)
        project.jobs.end(job_id, "failed", f"{type(err).__name__}: {err}")
        raise
    project.jobs.end(job_id, "done")


def _dispatch(project: Project, job: Job, progress: ProgressReporter) -> None:
    progress.stage("Loading")
    from rbcal.jobs import evaluate, rank, simulate, train  # late: they load torch, which takes seconds

    match job.request:
        case TrainJob(config, score):
            train.train(project, config, progress)
            _score_if_one_serves(project, score, progress)
        case ResumeJob(score):
            snapshot = project.snapshots.current()
            if snapshot is not None and snapshot.job_id is not None:
                project.jobs.inherit_losses(job.id, snapshot.job_id, snapshot.step)
            train.resume(project, progress)
            _score_if_one_serves(project, score, progress)
        case ScoreJob() as request:
            _score(project, request, progress)
        case RankJob(strategy):
            rank.rank(project, strategy, progress)
        case SimulateJob(config, processes, ray):
            simulate.simulate(project, config, progress, processes, ray)
        case EvaluateJob():
            evaluate.evaluate(project, progress)


def _score_if_one_serves(project: Project, request: ScoreJob | None, progress: ProgressReporter) -> None:
    """Score the pool after a training, unless the expert has yet to say which model serves."""
    if request is None:
        return
    if project.models.question() is not None and project.rankings.current() is not None:
        progress.log("The images that wait keep their order until you have chosen the model to use")
        return
    _score(project, request, progress)


def _score(project: Project, request: ScoreJob, progress: ProgressReporter) -> None:
    from rbcal.jobs import score

    score.score(project, request.config, progress, request.strategy, request.ray)


def _leave_when_cancelled(file: ProjectFile, job_id: int, over: threading.Event) -> None:
    """End this process soon after the user cancelled, even in the middle of a long step.

    Whatever it was writing is rolled back: what the project file holds is always whole.
    """
    with file.open() as project:
        while not project.jobs.get(job_id).cancel_requested:
            if over.wait(_POLL_SECONDS):
                return
    if over.wait(_GRACE_SECONDS):
        return
    with WRITING:  # what was learnt comes first
        pass
    if not over.wait(_FAREWELL_SECONDS):
        os._exit(_EXIT_CANCELLED)


def main() -> int:
    """Run the job that the command line names: ``python -m rbcal.jobs.worker PATH PROJECT JOB``."""
    logging.basicConfig(level=logging.WARNING)
    sys.excepthook = print_traceback
    file, job_id = ProjectFile(Path(sys.argv[1]), sys.argv[2]), int(sys.argv[3])
    over = threading.Event()
    watcher = threading.Thread(target=_leave_when_cancelled, args=(file, job_id, over), daemon=True)
    watcher.start()
    try:
        run(file, job_id)
    except RbcalError as err:
        print(printable(str(err)), file=sys.stderr)
        return 1
    finally:  # who leaves without closing leaves the log of the database beside the project file
        over.set()
        watcher.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
