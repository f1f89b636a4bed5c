"""What a worker can be asked to do: one dataclass a kind of job, stored as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from rbcal.acquisition.strategies import DEFAULT_STRATEGY
from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.errors import ProjectError
from rbcal.json_values import JsonValue

Kind = Literal["train", "score", "evaluate", "rank", "simulate"]


@dataclass(frozen=True)
class ScoreJob(JsonValue):
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
class TrainJob(JsonValue):
    """Train a model on all annotated images and, if asked for, score the pool with it afterwards."""

    kind: ClassVar[Kind] = "train"
    config: TrainConfig
    score: ScoreJob | None = None


@dataclass(frozen=True)
class ResumeJob(JsonValue):
    """Go on with the training that was stopped last, and then as :class:`TrainJob`."""

    kind: ClassVar[Kind] = "train"
    score: ScoreJob | None = None


@dataclass(frozen=True)
class EvaluateJob(JsonValue):
    """Measure the serving model on the test set."""

    kind: ClassVar[Kind] = "evaluate"


@dataclass(frozen=True)
class RankJob(JsonValue):
    """Rank the scored pool by another strategy."""

    kind: ClassVar[Kind] = "rank"
    strategy: str


@dataclass(frozen=True)
class SimulateJob(JsonValue):
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
_TYPES: dict[str, Any] = {each.__name__: each for each in get_args(JobRequest)}


def dumps(request: JobRequest) -> str:
    """Return a request as JSON text, its type beside its fields.

    >>> dumps(RankJob("random"))
    '{"type": "RankJob", "strategy": "random"}'
    >>> loads(dumps(RankJob("random")))
    RankJob(strategy='random')
    """
    return json.dumps({"type": type(request).__name__, **request.to_json()})


def loads(text: str) -> JobRequest:
    """Return the request that :func:`dumps` wrote.

    Raises
    ------
    ProjectError
        When it asks for what this rbcal cannot do.
    """
    document = json.loads(text)
    kind = _TYPES.get(document.pop("type", ""))
    if kind is None:
        raise ProjectError("This job is of a kind that this rbcal does not know. Update rbcal.")
    return kind.from_json(document)
