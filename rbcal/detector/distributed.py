"""Processes that train one detector together: each learns from its share of a step, all take the same step.

The first of them leads: it has the project, decides what comes next and tells the others. What they tell each
other goes over gloo; gradients of GPUs go over NCCL.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from rbcal.errors import TrainingError

_LONGEST_WAIT = timedelta(hours=2)  # for a validation; a process that died is noticed at once
_LOST = (
    "Another process of this training ended; its own words are further up in the terminal. No annotation is "
    "lost. Start the training again, or go on from the last state that was kept with --resume."
)


class ProcessGroup:
    """One process among `size`; one alone is the usual case, and waits for nobody.

    Parameters
    ----------
    rank : int
        0 leads.
    size : int
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size
        self._amid_step = False

    @property
    def is_follower(self) -> bool:
        """Whether another process decides what this one does."""
        return self.rank > 0

    def broadcast(self, message: Any) -> None:
        """Send something to all who follow; each of them must :meth:`receive` it.

        After an error of this process alone, in the middle of a step, nothing can be said any more: the
        others wait for its gradient, and end when it ends.
        """
        if self.size > 1 and not self._amid_step:
            with _all_alive():
                dist.broadcast_object_list([message], src=0)

    def receive(self) -> Any:
        """Wait for what the leading process says, and return it."""
        received = [None]
        with _all_alive():
            dist.broadcast_object_list(received, src=0)
        return received[0]

    def begin_step(self) -> None:
        """Let all who follow do the next step with this process, up to :meth:`average`."""
        if not self.is_follower:
            self.broadcast(True)
            self._amid_step = True

    def any(self, here: bool) -> bool:
        """Return whether something holds for any process, which ends the step; all must ask."""
        if self.size == 1:
            return here
        answer = torch.tensor(int(here))
        with _all_alive():
            dist.all_reduce(answer, dist.ReduceOp.MAX)
        self._amid_step = not answer
        return bool(answer)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over all processes into each tensor, bit for bit the same everywhere.

        All travel as one: many small messages would cost more than the bytes.
        """
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _all_alive():
            dist.all_reduce(flat)
        self._amid_step = False
        flat /= self.size
        means = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))


ALONE = ProcessGroup()


def current() -> ProcessGroup:
    """Return the group that this process has joined, else itself alone."""
    there = dist.is_available() and dist.is_initialized()  # some builds of torch come without
    return ProcessGroup(dist.get_rank(), dist.get_world_size()) if there else ALONE


@contextmanager
def joined(device: str) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started, each with its own GPU if there are any.

    Raises
    ------
    TrainingError
        If this machine has fewer GPUs than torchrun started processes on it, or another process ended.
    """
    gpus = _take_gpu(device)
    with _all_alive():
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_LONGEST_WAIT)
    try:
        yield current()
    finally:
        dist.destroy_process_group()


def gradients(parameters: Iterable[torch.nn.Parameter]) -> list[Tensor]:
    """Return the gradient of each parameter that learns; zeros where a step did not reach it."""
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in learning:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in learning if parameter.grad is not None]


def _take_gpu(device: str) -> bool:
    """Make the GPU of this process the current one; return whether there is one."""
    if device not in ("auto", "cpu", "cuda"):
        raise TrainingError(
            f"Under torchrun each process takes a device of its own. Leave out --device {device}."
        )
    if device == "cpu" or not torch.cuda.is_available():
        return False
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise TrainingError(
            f"torchrun started more processes here than this machine has GPUs. Use --nproc-per-node {there}, "
            "or rbcal train --device cpu."
        )
    torch.cuda.set_device(number)
    return True


@contextmanager
def _all_alive() -> Iterator[None]:
    """Do what needs every process; the death of one of them is an error here, never a wait without end."""
    try:
        yield
    except RuntimeError as err:  # gloo's, NCCL's and the store's
        raise TrainingError(_LOST) from err
