"""Dataclasses as JSON: what comes back is of its type, or a sentence says why not."""

from __future__ import annotations

import pytest

from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.errors import ProjectError
from rbcal.evaluation.metrics import Comparison, Difference
from rbcal.json_values import from_json, to_json
from rbcal.store.job_requests import ScoreJob, TrainJob, dumps, loads


@pytest.mark.parametrize(
    "value",
    [
        SimulationConfig(seed=3, weights="a.pth"),
        Comparison(Difference(0.5, 0.25, -0.5, 0.0), (None, Difference(0, 0, 0, 0)), 3),
    ],
)
def test_what_was_written_comes_back(value):
    assert from_json(type(value), to_json(value)) == value


def test_a_job_comes_back_with_the_job_inside():
    job = TrainJob(TrainConfig(steps=7), ScoreJob(ScoringConfig(passes=3)))
    assert loads(dumps(job)) == job


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[" * 100_000,
        "[]",
        "3",
        '{"pases": 20}',
        '{"passes": "20"}',
        '{"passes": 2.5}',
        '{"passes": true}',
        '{"alpha": NaN}',
        '{"alpha": 1e999}',
        '{"alpha": null}',
    ],
)
def test_what_is_of_another_type_is_refused_in_a_sentence(text):
    with pytest.raises(ProjectError, match="ScoringConfig"):
        from_json(ScoringConfig, text)


def test_half_a_character_is_no_text():
    with pytest.raises(ProjectError):
        from_json(TrainConfig, r'{"device": "\ud800"}')


def test_a_job_of_a_kind_that_nobody_knows_is_refused_in_a_sentence():
    with pytest.raises(ProjectError, match="MineJob"):
        loads('{"type": "MineJob"}')
