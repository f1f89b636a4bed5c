"""Training as a job: written down on the way, taken up again after a stop, and made to fit the memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rbcal.config import TrainConfig
from rbcal.detector import checkpoint, devices, distributed, mc_dropout
from rbcal.detector.faster_rcnn import Detector, build, widen, with_second_look
from rbcal.detector.trainer import Training
from rbcal.errors import DivergedError, JobCancelledError, ProjectError, TrainingError
from rbcal.evaluation import average_precision
from rbcal.jobs import distributed_train
from rbcal.jobs.evaluate import predict_annotated
from rbcal.jobs.loaders import Samples
from rbcal.jobs.out_of_memory import log_tiles, predict_within_memory
from rbcal.jobs.progress import WRITING, ProgressReporter
from rbcal.jobs.promotion_gate import promote_unless_worse
from rbcal.jobs.training_setup import TrainingSetup, set_up_resumed_training, set_up_training
from rbcal.store import backups
from rbcal.store.project import Project
from rbcal.types import Annotations, area
from rbcal.wording import count, duration

_KEEP_SECONDS = 30.0  # between two snapshots, at least,
_KEEP_SHARE = 20  # and that many times what one takes: at most 5 % of the time
_QUICK_PARAMETERS = 30e6  # their state is written in under a second; that of VGG-16, 2 GB, is not
_SMALLEST_CROP = 320  # working pixels; of less, cells would be cut more often than not


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to. `diverged` says that it ended early, with the weights it had before."""

    setup: TrainingSetup
    detector: Detector
    kept_step: int
    validation: float | None
    seconds: float
    diverged: DivergedError | None = None


def train(project: Project, config: TrainConfig, progress: ProgressReporter) -> int:
    """Train a detector on all annotated images, measure it, let it serve if it may; return its id."""
    return _train_and_promote(project, set_up_training(project, config), progress)


def resume(project: Project, progress: ProgressReporter) -> int:
    """Go on with the training that was stopped last, to the same end; return the model's id."""
    return _train_and_promote(project, set_up_resumed_training(project), progress)


def _train_and_promote(project: Project, setup: TrainingSetup, progress: ProgressReporter) -> int:
    _back_up(project, progress)
    result = _train_within_memory(project, setup, progress)
    setup = result.setup
    if result.diverged and not result.kept_step:
        raise result.diverged
    with WRITING, project.transaction():
        model_id = project.models.add(
            setup.config,
            checkpoint.save(result.detector),
            setup.images,
            result.seconds,
            parent_id=setup.parent_id,
            kept_step=result.kept_step,
            validation=result.validation,
        )
        project.snapshots.discard()
    if result.diverged:
        raise DivergedError(
            f"{result.diverged} What it had learnt by step {result.kept_step:,} is kept as model {model_id}, "
            "which is not in use."
        ) from result.diverged
    progress.log(f"Model {model_id} is trained, in {duration(result.seconds)}")
    try:
        promote_unless_worse(project, model_id, result.detector, progress)
    except JobCancelledError as err:
        raise JobCancelledError(
            f"The job was cancelled. Model {model_id} is trained and kept, but was not measured: it is not "
            "used unless you choose it."
        ) from err
    predict_annotated(project, model_id, result.detector, progress)
    for pruned in project.models.prune():
        progress.log(f"The weights of model {pruned} were dropped; its figures stay")
    return model_id


def _back_up(project: Project, progress: ProgressReporter) -> None:
    """Keep a copy of what the expert did in this round; a full disk does not stop the training."""
    progress.stage("Backing up the project")
    try:
        kept = backups.create(project.path, "before-training")
    except ProjectError as err:
        progress.log(f"No backup: {err}")
    else:
        progress.log(f"The project is backed up: {kept.name}")


def _train_within_memory(
    project: Project, setup: TrainingSetup, progress: ProgressReporter
) -> TrainingResult:
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
            return _train_once(project, setup, progress)
        except (RuntimeError, MemoryError) as err:
            if not devices.is_out_of_memory(err):
                raise
            config = _smaller(setup.config)
            if config is None:
                raise TrainingError(
                    "There is too little memory for training even with one small window at a time. Close "
                    "other programs, or choose the backbone efficientnet_lite0. No annotation is lost."
                ) from err
        progress.log(
            f"Out of memory. Starting again with a batch of {config.batch_size}, windows of {config.crop} "
            f"pixels, on {config.device}. No annotation is touched"
        )
        devices.free_memory()
        setup = replace(setup, config=config, snapshot=None)


def _train_once(project: Project, setup: TrainingSetup, progress: ProgressReporter) -> TrainingResult:
    config, snapshot = setup.config, setup.snapshot
    started = time.perf_counter() - (snapshot.seconds if snapshot else 0)
    with project.file.open() as reader:  # of its own: pictures are read in another thread
        samples = Samples(reader, setup.images["train"])
        validation = Samples(project, setup.images["validate"])
        labels = [annotations.read_labels for annotations in samples.annotations]

        def validate(detector: Detector) -> float:
            progress.log(f"Looking at {count(len(validation), 'image')} kept out of the training")
            predict = partial(mc_dropout.detect, detector)
            pairs = (
                (truth, predict_within_memory(detector, predict, pixels, progress))
                for pixels, truth in validation
            )
            return average_precision.evaluate(pairs, setup.n_classes, []).precision_all

        judge = validate if len(validation) else None
        if snapshot is None:
            detector = _initial_detector(project, setup, [*samples.annotations, *validation.annotations])
            under_way = Training(
                detector, samples, config, labels=labels, validate=judge, process_group=distributed.current()
            )
        else:
            under_way = Training.resumed(
                project.snapshots.state(),
                samples,
                config,
                labels=labels,
                validate=judge,
                process_group=distributed.current(),
            )
        distributed_train.begin(under_way, config, samples)
        with under_way as run:
            _announce(setup, run.detector, progress)
            if run.detector.second_look is not None:
                progress.stage("Cutting out the cells", len(samples))
                run.prepare(progress.advance)
            progress.stage("Training", config.steps, done=run.step)
            diverged = _run(project, setup, run, progress, started)
            kept_step = run.finish()
    best = run.best[1] if run.best else None
    if best is not None:
        progress.log(
            f"The weights of step {kept_step} are the best on those images: Precision_all {best:.3f}"
        )
    return TrainingResult(setup, run.detector, kept_step, best, time.perf_counter() - started, diverged)


def _run(
    project: Project, setup: TrainingSetup, run: Training, progress: ProgressReporter, started: float
) -> DivergedError | None:
    """Advance to the end, writing the state down now and then, and when the user cancels."""

    def keep() -> float:
        begun = time.perf_counter()
        with WRITING:
            project.snapshots.save(
                run.state(),
                config=setup.config,
                n_classes=setup.n_classes,
                step=run.step,
                seconds=begun - started,
                images=setup.images,
                parent_id=setup.parent_id,
            )
        return time.perf_counter() - begun

    quick = sum(parameter.numel() for parameter in run.detector.parameters()) < _QUICK_PARAMETERS

    due = time.perf_counter() + _KEEP_SECONDS
    while not run.finished:
        try:
            latest = run.advance()
        except DivergedError as err:
            return err
        try:
            progress.advance(latest.step, latest.loss)
        except JobCancelledError as err:
            if quick:
                keep()
            kept = project.snapshots.current()
            if kept is None:
                raise
            raise JobCancelledError(
                f"The training was cancelled at step {run.step} of {setup.config.steps}. It can be resumed"
                + ("." if kept.step == run.step else f" from step {kept.step}.")
            ) from err
        if time.perf_counter() > due:
            due = time.perf_counter() + max(_KEEP_SECONDS, _KEEP_SHARE * keep())
    return None


def _initial_detector(project: Project, setup: TrainingSetup, annotations: Sequence[Annotations]) -> Detector:
    """Return the detector that a training starts with."""
    sides = np.sqrt(np.concatenate([area(each.boxes) for each in annotations]))
    if setup.parent is not None:
        detector = checkpoint.load(project.models.checkpoint(setup.parent.id), setup.config.device)
        if detector.blueprint.n_classes < setup.n_classes:
            detector = widen(detector, setup.n_classes)
        return with_second_look(detector, wanted=setup.config.second_look, box_sides=sides)
    return build(setup.config, setup.n_classes, box_sides=sides)


def _announce(setup: TrainingSetup, detector: Detector, progress: ProgressReporter) -> None:
    config, images = setup.config, [*setup.images["train"], *setup.images["validate"]]
    source = {"imagenet": "ImageNet's weights", "random": "random weights"}.get(
        config.init, f"the weights of model {setup.parent_id}"
    )
    progress.log(
        f"{config.backbone} on {detector.device}, from {source}: {count(len(images), 'image')}, "
        f"{count(sum(image.n_cells for image in images), 'cell')}, "
        f"{count(setup.n_classes, 'class', 'classes')}"
    )
    if config.processes > 1:
        progress.log(
            f"{config.processes} processes train it together, {config.batch_size} windows each in a step"
        )
    if apart := setup.images["validate"]:
        progress.log(f"{count(len(apart), 'image')} kept out of the training, to pick the best weights")
    log_tiles(detector, images, progress)


def _smaller(config: TrainConfig) -> TrainConfig | None:
    """Return a config that needs less memory, or None: half the batch, then half the window, then the CPU."""
    if config.batch_size > 1:
        return replace(config, batch_size=config.batch_size // 2, crops=max(1, config.crops // 2))
    if config.crop >= 2 * _SMALLEST_CROP:
        return replace(config, crop=config.crop // 2)
    return None if config.device == "cpu" else replace(config, device="cpu")
