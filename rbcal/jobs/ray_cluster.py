"""Work for other processes and machines: tasks on a Ray cluster, a few under way at a time.

What a task needs travels with it, what all of them need once per node; nobody but this process sees the
project file. Ray gives a task again to another worker when its own is lost.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from rbcal.errors import JobError, RbcalError

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Value = TypeVar("_Value")

LOCAL = "local"  # the address of a Ray of this machine alone, begun for the job
_TRIES = 3  # more, of a task whose worker was lost
_AHEAD = 2  # tasks under way for each worker, so that none waits for the next one; bounds the memory
_POLL_SECONDS = 0.3
_KNOCK_SECONDS = 10
_SETTINGS = {  # read when ray is imported
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers run the rbcal that is installed where they are
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Shared(Generic[_Value]):
    """A value that travels to each node once, whichever tasks of it ask for it."""

    _ref: Any

    def get(self) -> _Value:
        """Return the value, in a task."""
        return _ray().get(self._ref)


class Cluster:
    """A Ray that this process is connected to. Where it has GPUs, every task takes one."""

    def __init__(self, ray: Any, *, here: bool) -> None:
        self._ray = ray
        self._here = here
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self._cores = [int(node.get("CPU", 0)) for node in nodes]
        self._gpus = int(sum(node.get("GPU", 0) for node in nodes))

    def share(self, value: _Value) -> Shared[_Value]:
        """Return what stands for a value in the tasks that need it."""
        return Shared(self._ray.put(value))

    def results(
        self,
        function: Callable[[_Task], _Result],
        tasks: Iterable[_Task],
        poll: Callable[[], None],
        *,
        cores: int = 1,
        in_order: bool = True,
    ) -> Generator[tuple[_Task, _Result]]:
        """Yield each task with its result.

        Parameters
        ----------
        function : callable
            Of a module, or a partial of one; what it returns is to depend on its arguments alone, for a
            task may be done twice.
        tasks : iterable
            Taken one by one, only as many as are under way at a time.
        poll : callable
            Called now and then; what it raises ends the work.
        cores : int
            Of the CPU, that a task computes on; without effect where it has a GPU, or all are here.
        in_order : bool
            In the order of the tasks, or as they are done.

        Raises
        ------
        JobError
            If a task lost its worker too often.
        RbcalError
            What a task raised.
        """
        cores = 1 if self._gpus or self._here else min(cores, max(self._cores))
        options = {"num_cpus": cores, "num_gpus": min(1, self._gpus), "max_retries": _TRIES}
        remote = self._ray.remote(**options)(_call)
        at_once = _AHEAD * (self._gpus or sum(each // cores for each in self._cores) or 1)
        waiting = iter(tasks)
        under_way: dict[Any, _Task] = {}
        try:
            while True:
                for task in islice(waiting, at_once - len(under_way)):
                    under_way[remote.remote(function, task)] = task
                if not under_way:
                    return
                awaited = list(under_way)[:1] if in_order else list(under_way)
                for ref in self._ray.wait(awaited, timeout=_POLL_SECONDS)[0]:
                    yield under_way.pop(ref), self._result(ref)
                poll()
        finally:
            for ref in under_way:
                self._ray.cancel(ref)  # what a worker has begun it ends; nobody waits for it

    def _result(self, ref: Any) -> Any:
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as err:
            raise err.cause if isinstance(err.cause, RbcalError) else err from err
        except self._ray.exceptions.RayError as err:
            raise JobError(
                f"The cluster lost the workers of one task {_TRIES + 1} times, perhaps because memory ran "
                "out. What is stored stays. See the log of Ray, and start again."
            ) from err


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Connect to a Ray cluster; "local" is the one that this process is connected to already, if any.

    Parameters
    ----------
    address : str
        "local": of this machine alone, begun now, with a worker for each core. Else that of a cluster, as
        Ray has it: "auto", "host:port", "ray://host:port".

    Raises
    ------
    JobError
        If ray is not installed, or nobody answers.
    """
    ray = _ray()
    if address == LOCAL and ray.is_initialized():
        yield Cluster(ray, here=True)
        return
    settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        settings |= {"num_cpus": os.cpu_count() or 1, "include_dashboard": False}
    try:
        _knock(address)
        ray.init(**settings)
    except (OSError, RuntimeError, ValueError, ImportError) as err:
        raise JobError(
            f"No Ray cluster answers at {address!r} ({str(err).splitlines()[0][:200]}). Give the address of "
            "one whose version of Ray and Python is the one here, or --ray local."
        ) from err
    try:
        yield Cluster(ray, here=address == LOCAL)
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise an OSError or ValueError if nobody listens there: Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def _ray() -> Any:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as err:
        raise JobError('Ray is not installed. Install it with: pip install "rbcal[ray]"') from err
    return ray


def _call(function: Callable[[_Task], _Result], task: _Task) -> _Result:
    return function(task)
