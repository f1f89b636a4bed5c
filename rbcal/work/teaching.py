"""Training as a job: planned from the project, written down on the way, taken up again, and made to fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rbcal.boxes import Annotations, area
from rbcal.config import TrainConfig, suggested_steps
from rbcal.errors import DivergedError, JobCancelledError, ProjectError, TrainingError
from rbcal.store.images import Image
from rbcal.store.models import Model, Purpose
from rbcal.store.project import Project
from rbcal.store.snapshots import Snapshot
from rbcal.vision import checkpoint, devices, evaluation, sampling, team
from rbcal.vision.detector import Detector, build, widen
from rbcal.vision.training import Training
from rbcal.work import together
from rbcal.work.looking import say_tiles, see
from rbcal.work.reading import Samples
from rbcal.work.reporting import WRITING, Reporter

_MIN_TO_VALIDATE = 30  # annotated images; of fewer, none can be spared: docs/benchmarks.md
_KEEP_SECONDS = 30.0  # between two snapshots, at least,
_KEEP_SHARE = 20  # and that many times what one takes: at most 5 % of the time
_QUICK_PARAMETERS = 30e6  # their state is written in under a second; that of VGG-16, 2 GB, is not
_SMALLEST_CROP = 320  # working pixels; of less, cells would be cut more often than not


@dataclass(frozen=True)
class Plan:
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


@dataclass(frozen=True)
class Taught:
    """What a training came to. `diverged` says that it ended early, with the weights it had before."""

    plan: Plan
    detector: Detector
    kept_step: int
    validation: float | None
    seconds: float
    diverged: DivergedError | None = None


def plan_training(project: Project, config: TrainConfig) -> Plan:
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
            "have none. Import annotations or review an image first."
        )
    parent = _parent(project, config)
    if config.init == "auto":
        config = replace(config, init="imagenet" if parent is None else "serving")
    steps = config.steps or suggested_steps(len(images), config.init)
    config = replace(config, steps=steps, processes=team.current().size)
    taught = set() if parent is None else project.models.taught_groups(parent.id)
    apart = _validation_groups(images, config, taught)
    purposes: dict[Purpose, Sequence[Image]] = {
        "train": [image for image in images if image.group not in apart],
        "validate": [image for image in images if image.group in apart],
    }
    if not all(sum(image.n_cells for image in each) for each in purposes.values()):
        purposes = {"train": images, "validate": []}  # all cells would be on one side
    return Plan(config, len(project.classes.names()), parent, purposes)


def plan_resumption(project: Project) -> Plan:
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
    if (processes := snapshot.config.processes) != team.current().size:
        torchrun = f"torchrun --nproc-per-node {processes} -m " if processes > 1 else ""
        raise TrainingError(
            f"This training was begun by {processes} processes, and goes on with as many: "
            f"{torchrun}rbcal train {project.path} --resume. Or start a new training."
        )
    images: dict[Purpose, list[Image]] = {"train": [], "validate": []}
    for purpose, image_id, review_id in snapshot.image_revisions:
        n_cells = len(project.reviews.annotations(review_id))
        images[purpose].append(replace(project.images.get(image_id), review_id=review_id, n_cells=n_cells))
    parent = None if snapshot.parent_id is None else project.models.get(snapshot.parent_id)
    return Plan(snapshot.config, snapshot.n_classes, parent, images, snapshot)


def teach(project: Project, plan: Plan, tell: Reporter) -> Taught:
    """Do a training, with a smaller batch, smaller windows or the CPU if the memory does not suffice.

    Raises
    ------
    TrainingError
        If there is too little memory for the smallest of them.
    JobCancelledError
        When the user asked to cancel; the state of the training is in the project file.
    """
    while True:
        try:
            return _teach(project, plan, tell)
        except (RuntimeError, MemoryError) as err:
            if not devices.is_out_of_memory(err):
                raise
            config = _smaller(plan.config)
            if config is None:
                raise TrainingError(
                    "There is too little memory for training even with one small window at a time. Close "
                    "other programs, or choose the backbone efficientnet_lite0. No annotation is lost."
                ) from err
        tell.log(
            f"Out of memory. Starting again with a batch of {config.batch_size}, windows of {config.crop} "
            f"pixels, on {config.device}. No annotation is touched"
        )
        devices.free_memory()
        plan = replace(plan, config=config, snapshot=None)


def _teach(project: Project, plan: Plan, tell: Reporter) -> Taught:
    config, snapshot = plan.config, plan.snapshot
    started = time.perf_counter() - (snapshot.seconds if snapshot else 0)
    with Project.open(project.path) as reader:  # of its own: pictures are read in another thread
        samples = Samples(reader, plan.images["train"])
        validation = Samples(project, plan.images["validate"])
        labels = [annotations.labels for annotations in samples.annotations]

        def validate(detector: Detector) -> float:
            tell.log(f"Looking at {len(validation)} images that do not teach")
            look = partial(sampling.detect, detector)
            pairs = ((truth, see(detector, look, pixels, tell)) for pixels, truth in validation)
            return evaluation.evaluate(pairs, plan.n_classes, []).precision_all

        judge = validate if len(validation) else None
        if snapshot is None:
            detector = _beginning(project, plan, [*samples.annotations, *validation.annotations])
            under_way = Training(
                detector, samples, config, labels=labels, validate=judge, team=team.current()
            )
        else:
            under_way = Training.resumed(
                project.snapshots.state(),
                samples,
                config,
                labels=labels,
                validate=judge,
                team=team.current(),
            )
        together.begin(under_way, config, samples)
        with under_way as run:
            _announce(plan, run.detector, tell)
            tell.stage("Training", config.steps, done=run.step)
            diverged = _run(project, plan, run, tell, started)
            kept_step = run.finish()
    best = run.best[1] if run.best else None
    if best is not None:
        tell.log(f"The weights of step {kept_step} are the best on those images: Precision_all {best:.3f}")
    return Taught(plan, run.detector, kept_step, best, time.perf_counter() - started, diverged)


def _run(project: Project, plan: Plan, run: Training, tell: Reporter, started: float) -> DivergedError | None:
    """Advance to the end, writing the state down now and then, and when the user cancels."""

    def keep() -> float:
        begun = time.perf_counter()
        with WRITING:
            project.snapshots.save(
                run.state(),
                config=plan.config,
                n_classes=plan.n_classes,
                step=run.step,
                seconds=begun - started,
                images=plan.images,
                parent_id=plan.parent_id,
            )
        return time.perf_counter() - begun

    quick = sum(parameter.numel() for parameter in run.detector.parameters()) < _QUICK_PARAMETERS

    due = time.perf_counter() + _KEEP_SECONDS
    while not run.finished:
        try:
            progress = run.advance()
        except DivergedError as err:
            return err
        try:
            tell.advance(progress.step, progress.loss)
        except JobCancelledError as err:
            if quick:
                keep()
            kept = project.snapshots.current()
            if kept is None:
                raise
            raise JobCancelledError(
                f"The training was cancelled at step {run.step} of {plan.config.steps}. It can be resumed"
                + ("." if kept.step == run.step else f" from step {kept.step}.")
            ) from err
        if time.perf_counter() > due:
            due = time.perf_counter() + max(_KEEP_SECONDS, _KEEP_SHARE * keep())
    return None


def _beginning(project: Project, plan: Plan, annotations: Sequence[Annotations]) -> Detector:
    """Return the detector that a training starts with."""
    if plan.parent is not None:
        detector = checkpoint.load(project.models.checkpoint(plan.parent.id), plan.config.device)
        return detector if detector.blueprint.n_classes == plan.n_classes else widen(detector, plan.n_classes)
    sides = np.sqrt(np.concatenate([area(each.boxes) for each in annotations]))
    return build(plan.config, plan.n_classes, box_sides=sides)


def _announce(plan: Plan, detector: Detector, tell: Reporter) -> None:
    config, images = plan.config, [*plan.images["train"], *plan.images["validate"]]
    source = {"imagenet": "ImageNet's weights", "random": "random weights"}.get(
        config.init, f"the weights of model {plan.parent_id}"
    )
    tell.log(
        f"{config.backbone} on {detector.device}, from {source}: {len(images)} images, "
        f"{sum(image.n_cells for image in images)} cells, {plan.n_classes} classes"
    )
    if config.processes > 1:
        tell.log(
            f"{config.processes} processes train it together, {config.batch_size} windows each in a step"
        )
    if apart := plan.images["validate"]:
        tell.log(f"{len(apart)} of the images do not teach: they pick the best weights")
    say_tiles(detector, images, tell)


def _parent(project: Project, config: TrainConfig) -> Model | None:
    if config.init not in ("auto", "serving"):
        return None
    serving = project.models.serving()
    if serving is not None and serving.config.backbone == config.backbone:
        return serving
    if config.init == "auto":
        return None
    found = "none" if serving is None else f"one with {serving.config.backbone}"
    raise TrainingError(
        f"Training can go on only from a serving model with {config.backbone}; this project has {found}. "
        "Start from imagenet."
    )


def _validation_groups(images: Sequence[Image], config: TrainConfig, taught: set[str]) -> set[str]:
    """Draw whole groups that no ancestor was taught with, about that share of the images."""
    if len(images) < _MIN_TO_VALIDATE or not config.validation:
        return set()
    groups = sorted({image.group for image in images} - taught)
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


def _smaller(config: TrainConfig) -> TrainConfig | None:
    """Return a config that needs less memory, or None: half the batch, then half the window, then the CPU."""
    if config.batch_size > 1:
        return replace(config, batch_size=config.batch_size // 2)
    if config.crop >= 2 * _SMALLEST_CROP:
        return replace(config, crop=config.crop // 2)
    return None if config.device == "cpu" else replace(config, device="cpu")
