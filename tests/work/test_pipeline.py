"""What a job does, in this process: from annotated images to a model, its figures and a ranking."""

from __future__ import annotations

import pytest

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import JobCancelledError, ProjectError
from rbcal.work import pipeline
from tests.conftest import add_image

TINY = TrainConfig(steps=2, init="random")
PASSES = ScoringConfig(passes=3)


class Silent:
    """A reporter that listens, and stops the work after so many steps if told to."""

    def __init__(self, stop_after=None):
        self.stages = []
        self.steps = 0
        self.stop_after = stop_after

    def stage(self, name, steps=0):
        self.stages.append(name)

    def advance(self, step, loss=None):
        self.steps += 1
        if self.steps == self.stop_after:
            raise JobCancelledError

    def log(self, line):
        pass


@pytest.fixture
def slides(project):
    """One image to train on, one to test on, two in the pool."""
    add_image(project, 1, annotated=True)
    add_image(project, 3, group="test", split="test", annotated=True)
    for seed in (4, 5):
        add_image(project, seed)
    return project


def test_a_class_that_joins_after_the_training_does_not_stop_scoring(slides):
    pipeline.train(slides, TINY, Silent())
    slides.classes.add(["newcomer"], rare=["newcomer"])
    pipeline.score(slides, PASSES, Silent())
    assert all(entry.score for entry in slides.rankings.queue())
    pipeline.evaluate(slides, Silent())
    assert slides.evaluations.curve()[0].evaluation.ap_50[3] is None


def test_the_same_seed_gives_the_same_model_and_ranking(slides):
    for _ in range(2):
        pipeline.train(slides, TINY, Silent())
    first, second = slides.models.all()
    assert first.sha256 == second.sha256


def test_a_cancelled_scoring_leaves_the_old_ranking(slides):
    pipeline.train(slides, TINY, Silent())
    kept = pipeline.score(slides, PASSES, Silent())
    with pytest.raises(JobCancelledError):
        pipeline.score(slides, PASSES, Silent(stop_after=1))
    assert slides.rankings.current().id == kept


def test_without_a_test_set_a_model_is_trained_but_not_measured(project):
    add_image(project, 1, annotated=True)
    tell = Silent()
    pipeline.train(project, TINY, tell)
    assert tell.stages == ["Training"]
    with pytest.raises(ProjectError, match="no test set with cells"):
        pipeline.evaluate(project, Silent())
