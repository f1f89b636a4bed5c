"""Training in several processes that torchrun started: one has the project and leads, the others follow.

They need no project file: the one that leads sends each the annotated images and the state to start from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rbcal.boxes import Annotations
from rbcal.config import TrainConfig
from rbcal.formats.pictures import Pixels, decode

if TYPE_CHECKING:  # torch takes seconds to load; most commands run alone
    from rbcal.vision.team import Team
    from rbcal.vision.training import Training
    from rbcal.work.reading import Samples

_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Lesson:
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
    from rbcal.vision import team  # late: it loads torch

    with team.joined(device) as joined:
        if joined.follows:
            follow(joined)
            yield False
            return
        try:
            yield True
        finally:
            joined.tell(None)


def follow(team: Team) -> None:
    """Take part in every training that the leading process begins, until it says that there is no more."""
    from rbcal.vision.training import Training

    while (lesson := team.hear()) is not None:
        samples = _Sent([team.hear() for _ in range(lesson.n_images)])
        labels = [annotations.labels for _, _, annotations in samples.images]
        with Training.resumed(lesson.state, samples, lesson.config, labels=labels, team=team) as training:
            training.follow()


def begin(training: Training, config: TrainConfig, samples: Samples) -> None:
    """Let those who follow begin the same training, where it stands."""
    team = training.team
    if team.size == 1:
        return
    team.tell(Lesson(config, len(samples), training.state()))
    for index in range(len(samples)):
        team.tell(samples.sent(index))
