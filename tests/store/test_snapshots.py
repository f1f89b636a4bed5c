"""A training that was stopped."""

from __future__ import annotations

import pytest

from rbcal.config import TrainConfig
from rbcal.errors import ProjectError
from rbcal.store import database
from tests.conftest import add_image
from tests.store.conftest import ONE_CELL


def test_a_training_that_was_stopped_comes_back_with_the_annotations_of_its_time(project, monkeypatch):
    monkeypatch.setattr(database, "CHUNK_BYTES", 10)
    image_id, _ = add_image(project, 1, annotated=True)
    image = project.images.get(image_id)
    config = TrainConfig(steps=50)
    for step in (3, 9):
        project.snapshots.save(
            b"state" * step,
            config=config,
            n_classes=3,
            step=step,
            seconds=1.5,
            images={"train": [image]},
            parent_id=None,
        )
    project.reviews.save(image_id, ONE_CELL, origin="expert", base_revision=1)
    snapshot = project.snapshots.current()
    assert (snapshot.config, snapshot.step, snapshot.n_classes, snapshot.seconds) == (config, 9, 3, 1.5)
    assert snapshot.image_revisions == (("train", image_id, image.review_id),)
    assert project.snapshots.state() == b"state" * 9
    project.snapshots.discard()
    assert project.snapshots.current() is None
    assert project._database.value("SELECT count(*) FROM snapshot_chunk") == 0
    with pytest.raises(ProjectError, match="no training to resume"):
        project.snapshots.state()
