"""What the tests of jobs share: a ranked pool, and one that a model with a second look has scored."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from rbcal.acquisition.relevance import Score
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.jobs import score, train
from rbcal.store.project import Project
from rbcal.store.rankings import Cell
from rbcal.types import EMBEDDING_SIZE
from tests.browser.driver import WEIGHTS
from tests.conftest import CLASSES, add_image
from tests.jobs.test_pipeline import PASSES, TINY, Silent

EMBEDDINGS = np.eye(EMBEDDING_SIZE, dtype=np.float32)


def cell(probs, *, bald=0.1, x=0.0):
    box = np.float32([x, 0, x + 10, 10 + x / 10])  # each has a size of its own
    return Cell(0, box, 0.9, 1.0, 0.0, np.float32(probs), None, bald, 0.9, 1.0, EMBEDDINGS[0])


@pytest.fixture
def ranked(project):
    """A pool of three images with 3, 1 and 2 cells, ranked by R = 5, 9, 7; the last is of another slide."""
    add_image(project, 99, annotated=True)
    images = [
        add_image(project, seed, group=group)[0] for seed, group in enumerate(("slide", "slide", "other"))
    ]
    model_id = project.models.add(TrainConfig(), WEIGHTS, {"train": project.images.annotated()}, 1.0)
    project.models.promote(model_id, "gate")
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    disc, slit = [0.1, 0.8, 0.1, 0.0], [0.1, 0.1, 0.4, 0.4]
    for image_id, n, r, probs in zip(images, (3, 1, 2), (5, 9, 7), (disc, slit, disc), strict=True):
        cells = [cell(probs, x=20.0 * k) for k in range(n)]
        project.rankings.add(ranking_id, image_id, Score(r, n, n, 0, 0, 0), cells)
    project.rankings.save_annotated_embeddings(ranking_id, EMBEDDINGS[:5])
    project.rankings.finish(ranking_id)
    return project, images, ranking_id


@pytest.fixture(scope="session")
def scored_file(tmp_path_factory):
    """The file of such a project, and what is in it; training takes seconds, a copy none."""
    path = tmp_path_factory.mktemp("scored") / "scored.rbcal"
    with Project.create(path, classes=CLASSES, rare=["spiky"]) as project:
        trained = add_image(project, 1, annotated=True)
        images = [add_image(project, seed)[0] for seed in (4, 5)]
        train.train(project, replace(TINY, second_look=True), Silent())
        ranking_id = score.score(project, replace(PASSES, cell_threshold=0.01), Silent())
    return path, trained, images, ranking_id


@pytest.fixture
def scored(scored_file, tmp_path):
    """A pool of two images that a hardly trained model with a second look has scored."""
    path, *rest = scored_file
    with Project.open(shutil.copy(path, tmp_path / "slides.rbcal")) as project:
        yield project, *rest
