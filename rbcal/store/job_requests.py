"""What a worker can be asked to do: one dataclass a kind of job, stored as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from cattrs.strategies import configure_tagged_union

from rbcal.acquisition.strategies import DEFAULT_STRATEGY
from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.json_values import CONVERTER, from_json, to_json

Kind = Literal["train", "score", "evaluate", "rank", "simulate"]


@dataclass(frozen=True)
class ScoreJob:
    """Score the pool with the serving model, and rank it.

    Parameters
    ----------
    config : ScoringConfig
    strategy : str
        What the images are ranked by.
    ray : str, optional
        Address of a Ray cluster whose workers do it.
    """

    kind: ClassVar[Kind] = "score"
    config: ScoringConfig
    strategy: str = DEFAULT_STRATEGY
    ray: str | None = None


@dataclass(frozen=True)
class TrainJob:
    """Train a model on all annotated images and, if asked for, score the pool with it afterwards."""

    kind: ClassVar[Kind] = "train"
    config: TrainConfig
    score: ScoreJob | None = None


@dataclass(frozen=True)
class ResumeJob:
    """Go on with the training that was stopped last, and then as :class:`TrainJob`."""

    kind: ClassVar[Kind] = "train"
    score: ScoreJob | None = None


@dataclass(frozen=True)
class EvaluateJob:
    """Measure the serving model on the test set."""

    kind: ClassVar[Kind] = "evaluate"


@dataclass(frozen=True)
class RankJob:
    """Rank the scored pool by another strategy."""

    kind: ClassVar[Kind] = "rank"
    strategy: str


@dataclass(frozen=True)
class SimulateJob:
    """Race strategies on annotated images.

    Parameters
    ----------
    config : SimulationConfig
    processes : int
        How many work side by side; 0: as many as this machine bears.
    ray : str, optional
        Address of a Ray cluster whose workers do it.
    """

    kind: ClassVar[Kind] = "simulate"
    config: SimulationConfig
    processes: int = 0
    ray: str | None = None


JobRequest = TrainJob | ResumeJob | ScoreJob | EvaluateJob | RankJob | SimulateJob
configure_tagged_union(JobRequest, CONVERTER, tag_name="type")


def dumps(request: JobRequest) -> str:
    """Return a request as JSON text, its type beside its fields.

    >>> dumps(RankJob("random"))
    '{"strategy": "random", "type": "RankJob"}'
    >>> loads(dumps(RankJob("random")))
    RankJob(strategy='random')
    """
    return to_json(request, JobRequest)


def loads(text: str) -> JobRequest:
    """Return the request that :func:`dumps` wrote.

    Raises
    ------
    ProjectError
        When it asks for what this rbcal cannot do.
    """
    request: JobRequest = from_json(cast(Any, JobRequest), text)
    return request
