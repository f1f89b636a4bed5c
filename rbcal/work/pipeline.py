"""What a job does: the walk of the data from the store through the detector and back into the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from rbcal.boxes import Annotations, Detections, area
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import ProjectError, TrainingError
from rbcal.formats.pictures import Pixels, decode
from rbcal.scoring.relevance import CellScores, flags, relevance, score_cells
from rbcal.store.images import Image
from rbcal.store.models import Model
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Score
from rbcal.vision import detector as detectors
from rbcal.vision import evaluation, sampling, training


class Reporter(Protocol):
    """Whoever wants to know how far the work is; any of these may raise to stop it."""

    def stage(self, name: str, steps: int = 0) -> None:
        """Begin a stage of so many steps."""

    def advance(self, step: int, loss: float | None = None) -> None:
        """Say how many steps are done."""

    def log(self, line: str) -> None:
        """Append a line to the log."""


def train(project: Project, config: TrainConfig, tell: Reporter) -> int:
    """Train a detector on all annotated images, measure it on the test set, and return the model's id."""
    images = project.images.annotated()
    n_cells = sum(image.n_cells for image in images)
    if not n_cells:
        raise TrainingError(
            f"Training needs at least 1 annotated cell; the {len(images)} annotated images of this project "
            "have none. Import annotations or review an image first."
        )
    classes = project.classes.names()
    device = detectors.resolve_device(config.device)
    tell.log(f"{config.backbone} on {device}: {len(images)} images, {n_cells} cells, {len(classes)} classes")
    started = time.perf_counter()
    with Project.open(project.path) as reader:  # of its own: pictures may be read in another thread
        samples = _Samples(reader, images)
        sides = np.sqrt(np.concatenate([area(annotations.boxes) for annotations in samples.annotations]))
        detector = detectors.build(config, len(classes), box_sides=sides)
        tell.stage("Training", config.steps)
        training.train(detector, samples, config, lambda progress: tell.advance(progress.step, progress.loss))
    seconds = time.perf_counter() - started
    model_id = project.models.add(config, detectors.save(detector), images, seconds)
    tell.log(f"Model {model_id} is trained, in {seconds:.0f} s")
    if project.images.counts().test_cells:
        _evaluate(project, model_id, detector, tell)
    return model_id


def evaluate(project: Project, tell: Reporter) -> int:
    """Measure the serving model on the frozen test set and return the model's id."""
    model = _serving(project)
    _evaluate(project, model.id, _load(project, model), tell)
    return model.id


def score(project: Project, config: ScoringConfig, tell: Reporter) -> int:
    """Find and score the cells of every image in the pool, and return the id of the new ranking."""
    model = _serving(project)
    detector = _load(project, model)
    # A class that joined the project after the training is unknown to the model: it cannot look for it.
    rare = [label for label in project.classes.rare_labels() if label < detector.blueprint.n_classes]
    pool = project.images.pool()
    ranking_id = project.rankings.begin(model.id, config)
    tell.stage("Scoring the pool", len(pool))
    for done, image in enumerate(pool, start=1):
        detections, passes = sampling.sample(detector, decode(project.images.content(image.id)), config)
        scores = score_cells(detections, passes, rare, config)
        project.rankings.add(ranking_id, image.id, _score(scores, config), _cells(detections, scores))
        tell.advance(done)
    project.rankings.finish(ranking_id)
    tell.log(f"{len(pool)} images are ranked by model {model.id}")
    return ranking_id


class _Samples(Sequence[tuple[Pixels, Annotations]]):
    """Annotated images, decoded when they are asked for."""

    def __init__(self, project: Project, images: Sequence[Image]) -> None:
        self._project = project
        self._images = images
        self.annotations = [_annotations(project, image) for image in images]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Pixels, Annotations]:  # type: ignore[override]  # no slices
        return decode(self._project.images.content(self._images[index].id)), self.annotations[index]


def _annotations(project: Project, image: Image) -> Annotations:
    review = project.reviews.current(image.id)
    return Annotations.empty() if review is None else review.annotations


def _serving(project: Project) -> Model:
    model = project.models.serving()
    if model is None:
        raise ProjectError(f"{project.path.name} has no model yet. Train one first.")
    return model


def _load(project: Project, model: Model) -> detectors.Detector:
    return detectors.load(project.models.checkpoint(model.id), "auto")  # not where it was trained: files move


def _evaluate(project: Project, model_id: int, detector: detectors.Detector, tell: Reporter) -> None:
    images = project.images.test()
    if not any(image.n_cells for image in images):
        raise ProjectError(
            f"{project.path.name} has no test set with cells, so there is nothing to measure on. It is drawn "
            "when images with boxes are imported: rbcal import ... --test-fraction 0.25"
        )
    tell.stage("Measuring on the test set", len(images))

    def pairs() -> Iterator[tuple[Annotations, Detections]]:
        for done, image in enumerate(images, start=1):
            pixels = decode(project.images.content(image.id))
            yield _annotations(project, image), sampling.detect(detector, pixels)
            tell.advance(done)

    figures = evaluation.evaluate(pairs(), len(project.classes.names()), project.classes.rare_labels())
    project.evaluations.save(model_id, figures)
    tell.log(f"Model {model_id}: Precision_all {figures.precision_all:.3f}, mAP@0.5 {figures.map_50:.3f}")


def _score(scores: CellScores, config: ScoringConfig) -> Score:
    fired = flags(scores, config)
    return Score(
        relevance=relevance(scores, config),
        n_cells=len(scores.u_d),
        n_flagged=int(fired.any.sum()),
        n_class=int(fired.class_unsure.sum()),
        n_box=int(fired.box_unsure.sum()),
        n_rare=int(fired.maybe_rare.sum()),
    )


def _cells(detections: Detections, scores: CellScores) -> list[Cell]:
    return [
        Cell(0, box, float(u_d), float(u_c), float(u_r), probs)
        for box, u_d, u_c, u_r, probs in zip(
            detections.boxes, scores.u_d, scores.u_c, scores.u_r, detections.probs, strict=True
        )
    ]
