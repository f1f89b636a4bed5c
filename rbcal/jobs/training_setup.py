"""What determines a training: settings, the weights it starts from, images that teach or validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rbcal.config import TrainConfig, suggested_steps
from rbcal.detector import distributed
from rbcal.errors import ProjectError, TrainingError
from rbcal.store.images import Image
from rbcal.store.models import Model, Purpose
from rbcal.store.project import Project
from rbcal.store.snapshots import Snapshot

_MIN_TO_VALIDATE = 30  # annotated images; of fewer, none can be spared: docs/benchmarks/learner.md


@dataclass(frozen=True)
class TrainingSetup:
    """All that determines a training."""

    config: TrainConfig
    n_classes: int
    parent: Model | None  # whose weights it starts from
    images: Mapping[Purpose, Sequence[Image]]
    snapshot: Snapshot | None = None  # of the same training, to go on from

    @property
    def parent_id(self) -> int | None:
        """The number of the model whose weights it starts from."""
        return None if self.parent is None else self.parent.id


def set_up_training(project: Project, config: TrainConfig) -> TrainingSetup:
    """Return the training that a config means for a project as it is now.

    Raises
    ------
    TrainingError
        If there is no annotated cell, or no model to go on from where the config asks for it.
    """
    images = project.images.annotated()
    if not sum(image.n_cells for image in images):
        raise TrainingError(
            f"Training needs at least 1 annotated cell; the {len(images)} annotated images of this project "
            "have none that was read. Import annotations or review an image first."
        )
    parent = _parent(project, config)
    if config.init == "auto":
        config = replace(config, init="imagenet" if parent is None else "serving")
    steps = config.steps or suggested_steps(len(images), config.init, second_look=config.second_look)
    config = replace(config, steps=steps, processes=distributed.current().size)
    trained = set() if parent is None else project.models.trained_groups(parent.id)
    apart = _validation_groups(images, config, trained)
    purposes: dict[Purpose, Sequence[Image]] = {
        "train": [image for image in images if image.group not in apart],
        "validate": [image for image in images if image.group in apart],
    }
    if not all(sum(image.n_cells for image in each) for each in purposes.values()):
        purposes = {"train": images, "validate": []}  # all cells would be on one side
    return TrainingSetup(config, len(project.classes.names()), parent, purposes)


def set_up_resumed_training(project: Project) -> TrainingSetup:
    """Return the training that was stopped last, with the annotations that it began with.

    Raises
    ------
    ProjectError
        If there is none.
    TrainingError
        If another number of processes began it: with another batch it would become another model.
    """
    snapshot = project.snapshots.current()
    if snapshot is None:
        raise ProjectError("There is no training to resume. Start a new one.")
    if (processes := snapshot.config.processes) != distributed.current().size:
        torchrun = f"torchrun --nproc-per-node {processes} -m " if processes > 1 else ""
        raise TrainingError(
            f"This training was begun by {processes} processes, and goes on with as many: "
            f"{torchrun}rbcal train {project.path} --resume. Or start a new training."
        )
    images: dict[Purpose, list[Image]] = {"train": [], "validate": []}
    for purpose, image_id, review_id in snapshot.image_revisions:
        n_cells = len(project.reviews.annotations(review_id).read_labels)
        images[purpose].append(replace(project.images.get(image_id), review_id=review_id, n_cells=n_cells))
    parent = None if snapshot.parent_id is None else project.models.get(snapshot.parent_id)
    return TrainingSetup(snapshot.config, snapshot.n_classes, parent, images, snapshot)


def _parent(project: Project, config: TrainConfig) -> Model | None:
    if config.init not in ("auto", "serving"):
        return None
    serving = project.models.serving()
    if serving is not None and serving.config.backbone == config.backbone:
        return serving
    if config.init == "auto":
        return None
    existing = "none" if serving is None else f"one with {serving.config.backbone}"
    raise TrainingError(
        f"Training can go on only from a serving model with {config.backbone}; this project has "
        f"{existing}. "
        "Start from imagenet."
    )


def _validation_groups(images: Sequence[Image], config: TrainConfig, trained: set[str]) -> set[str]:
    """Draw whole groups that no ancestor was trained with, about that share of the images."""
    if len(images) < _MIN_TO_VALIDATE or not config.validation:
        return set()
    groups = sorted({image.group for image in images} - trained)
    apart: set[str] = set()
    n_apart = 0
    for index in np.random.default_rng([config.seed, len(groups)]).permutation(len(groups)):
        size = sum(image.group == groups[index] for image in images)
        if n_apart + size <= 1.5 * config.validation * len(images):  # a group that is half the images stays
            apart.add(groups[index])
            n_apart += size
        if n_apart >= config.validation * len(images):
            break
    return apart
