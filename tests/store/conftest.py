"""What the tests of the store share: a trained model, and a ranked pool."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save as safetensors

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Score
from rbcal.types import Annotations
from tests.conftest import add_image

ONE_CELL = Annotations([[1, 2, 3, 4]], [0])
FIGURES = Evaluation(0.5, 0.4, 0.3, None, (0.4, 0.6, None), (1, 1, 0), 1)


def train_on(project, *images, checkpoint=b"weights"):
    """Add a model and let it serve; return its id."""
    used = {"train": [project.images.get(id_) for id_ in images]}
    model_id = project.models.add(TrainConfig(), checkpoint, used, 1.0)
    project.models.promote(model_id, "gate")
    return model_id


def score(relevance, n_flagged=0):
    return Score(relevance, max(1, n_flagged), n_flagged, 0, n_flagged, 0)


def cell(u_d=0.5):
    return Cell(
        0, np.array([1, 2, 3, 4], np.float32), u_d, 0.8, 1.0, np.array([0.1, 0.2, 0.6, 0.1], np.float32)
    )


@pytest.fixture
def ranked(project):
    """Three images in the pool, scored 1, 30 and 2, and a ranking under way."""
    trained, _ = add_image(project, 100, annotated=True)
    images = [add_image(project, seed)[0] for seed in (1, 2, 3)]
    ranking_id = project.rankings.begin(train_on(project, trained), ScoringConfig())
    for image_id, relevance in zip(images, (1, 30, 2), strict=True):
        project.rankings.add(ranking_id, image_id, score(relevance, n_flagged=relevance), [cell()])
    return project, images, ranking_id


@pytest.fixture
def filled(project):
    """A project with annotated images, a test image, unfinished work, and a model."""
    first, _ = add_image(project, 1, annotated=True)
    add_image(project, 2, group="other", split="test", annotated=True)
    open_, _ = add_image(project, 3)
    version = project.log.record(open_, "begin", {0: BoxState((1, 2, 11, 12), 0)}, version=0)
    project.log.record(open_, "edit", {}, version=version)
    project.models.add(TrainConfig(), safetensors({}), {"train": [project.images.get(first)]}, 1.0)
    return project


def save_as_older_rbcal(
    project: Project, image_id: int, cells: Annotations, origin: str, status: list[str | None]
) -> None:
    """Store a first review as rbcal did before boxes had notes."""
    database, at = project._database, "2026-11-03T14:02:33.000+00:00"
    review_id = database.insert(
        "review", image_id=image_id, revision=1, origin=origin, seconds=0.0, created_at=at
    )
    kind = "import" if origin == "import" else "save"
    database.insert(
        "act", image_id=image_id, version=1, kind=kind, who="", at=at, seconds=0.0, review_id=review_id
    )
    rows = zip(cells.boxes.tolist(), cells.labels.tolist(), status, strict=True)
    for number, (box, label, of_box) in enumerate(rows):
        sides = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
        database.insert("annotation", review_id=review_id, class_id=label, review_status=of_box, **sides)
        after = {f"{side}_after": value for side, value in sides.items()}
        database.insert(
            "event",
            image_id=image_id,
            version=1,
            box=number,
            class_after=label,
            review_status_after=of_box,
            **after,
        )
