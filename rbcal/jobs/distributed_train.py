"""Training in several processes that torchrun started: one has the project and leads, the others follow.

They need no project file: the one that leads sends each the annotated images and the state to start from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rbcal.config import TrainConfig
from rbcal.formats.pictures import Pixels, decode
from rbcal.types import Annotations

if TYPE_CHECKING:  # torch takes seconds to load; most commands run alone
    from rbcal.detector.distributed import ProcessGroup
    from rbcal.detector.trainer import Training
    from rbcal.jobs.loaders import Samples

_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class TrainingTask:
    """What a process needs to take part in a training; so many images come after it, one by one."""

    config: TrainConfig
    n_images: int
    state: bytes  # of the training, as it begins or goes on


@dataclass(frozen=True, eq=False)
class _Sent(Sequence[tuple[Pixels, Annotations]]):
    """Annotated images that were sent; a picture is decoded when it is asked for."""

    images: Sequence[tuple[bytes, str, Annotations]]  # file, layer, what is on it

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Pixels, Annotations]:  # type: ignore[override]  # no slices
        content, layer, annotations = self.images[index]
        return decode(content, layer), annotations


def launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether torchrun started this process as one of several.

    >>> launched({}), launched(dict(RANK="1", WORLD_SIZE="2", MASTER_ADDR="localhost", MASTER_PORT="29500"))
    (False, True)
    """
    return all(name in environment for name in _TORCHRUN) and int(environment["WORLD_SIZE"]) > 1


@contextmanager
def leading(device: str) -> Iterator[bool]:
    """Join the processes that torchrun started, if any; the value says whether this one does the job.

    Those that do not have done their part, to the end, before the block begins.

    Raises
    ------
    TrainingError
        If another process ended, or this machine has too few GPUs.
    """
    if not launched():
        yield True
        return
    from rbcal.detector import distributed  # late: it loads torch

    with distributed.joined(device) as joined:
        if joined.is_follower:
            follow(joined)
            yield False
            return
        try:
            yield True
        finally:
            joined.broadcast(None)


def follow(process_group: ProcessGroup) -> None:
    """Take part in every training that the leading process begins, until it says that there is no more."""
    from rbcal.detector.trainer import Training

    while (task := process_group.receive()) is not None:
        samples = _Sent([process_group.receive() for _ in range(task.n_images)])
        labels = [annotations.read_labels for _, _, annotations in samples.images]
        with Training.resumed(
            task.state, samples, task.config, labels=labels, process_group=process_group
        ) as training:
            training.follow()


def begin(training: Training, config: TrainConfig, samples: Samples) -> None:
    """Let those who follow begin the same training, where it stands."""
    process_group = training.process_group
    if process_group.size == 1:
        return
    process_group.broadcast(TrainingTask(config, len(samples), training.state()))
    for index in range(len(samples)):
        process_group.broadcast(samples.sent(index))
