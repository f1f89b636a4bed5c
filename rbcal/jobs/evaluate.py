"""What a model finds in annotated images: figures on the test set, and where it contradicts the expert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rbcal.detector import checkpoint, mc_dropout
from rbcal.detector.faster_rcnn import Detector
from rbcal.errors import JobCancelledError, ProjectError
from rbcal.evaluation import average_precision
from rbcal.evaluation.bootstrap import few_cells_intervals
from rbcal.evaluation.metrics import Evaluation
from rbcal.jobs.loaders import decoded, load_annotations
from rbcal.jobs.out_of_memory import predict_within_memory
from rbcal.jobs.progress import ProgressReporter
from rbcal.store.images import Image
from rbcal.store.models import Model
from rbcal.store.project import Project
from rbcal.types import Annotations, Detections
from rbcal.wording import count

_CHECKED_IMAGES = 200  # annotated images, the last ones: 15 seconds on a CPU

Pairs = Sequence[tuple[Annotations, Detections]]  # of each image: what the expert says, what the model says


def evaluate(project: Project, progress: ProgressReporter) -> int:
    """Measure the serving model on the frozen test set and return the model's id."""
    model = serving_model(project)
    evaluate_model(project, model.id, load_detector(project, model), progress)
    return model.id


def serving_model(project: Project) -> Model:
    """Return the model that serves.

    Raises
    ------
    ProjectError
        If there is none.
    """
    model = project.models.serving()
    if model is None:
        raise ProjectError(f"{project.path.name} has no model yet. Train one first.")
    return model


def load_detector(project: Project, model: Model) -> Detector:
    """Return a model as a detector, on the best device of this machine: files move."""
    return checkpoint.load(project.models.checkpoint(model.id), "auto")


def measure_again(project: Project, progress: ProgressReporter) -> None:
    """Measure the models that have their weights on the test images that joined since: the curve is one.

    Only those images are looked at. A model whose weights were dropped keeps its figures, of fewer images.
    """
    test = project.images.test()
    for point in project.evaluations.curve():
        predicted = project.evaluations.detections(point.model_id)
        missing = [image for image in test if image.id not in predicted]
        model = project.models.get(point.model_id)
        if not missing or not model.has_weights:
            continue
        progress.log(f"Measuring model {model.id} on {count(len(missing), 'new test image')}, too")
        _predict(
            project, model.id, load_detector(project, model), missing, "Measuring earlier models", progress
        )
        predicted = project.evaluations.detections(model.id)
        pairs = [(load_annotations(project, image), predicted[image.id]) for image in test]
        _save_figures(project, model.id, pairs)


def evaluate_model(project: Project, model_id: int, detector: Detector, progress: ProgressReporter) -> None:
    """Store the figures of a model on the test set."""
    pairs = predict_test_set(project, model_id, detector, progress)
    figures = _save_figures(project, model_id, pairs)
    progress.log(f"Model {model_id}: Precision_all {figures.precision_all:.3f}, mAP@0.5 {figures.map_50:.3f}")


def _save_figures(project: Project, model_id: int, pairs: Pairs) -> Evaluation:
    n_classes = len(project.classes.names())
    figures = average_precision.evaluate(pairs, n_classes, project.classes.rare_labels())
    truths, detections = zip(*pairs, strict=True)
    figures = replace(figures, intervals=few_cells_intervals(truths, detections, n_classes))
    project.evaluations.save(model_id, figures)
    return figures


def predict_annotated(
    project: Project, model_id: int, detector: Detector, progress: ProgressReporter
) -> None:
    """Store what a new model finds in annotated images: what it contradicts there may be a slip."""
    images = sorted(project.images.annotated(), key=lambda image: image.review_id or 0)[-_CHECKED_IMAGES:]
    try:
        _predict(project, model_id, detector, images, "Looking again at annotated images", progress)
    except JobCancelledError as err:
        raise JobCancelledError(
            f"The job was cancelled. Model {model_id} is trained and measured; the annotations were not all "
            "looked at again."
        ) from err


def predict_test_set(
    project: Project, model_id: int, detector: Detector, progress: ProgressReporter
) -> Pairs:
    """Store what a model finds in each test image, and return it beside the truth."""
    images = project.images.test()
    if not any(image.n_cells for image in images):
        raise ProjectError(
            f"{project.path.name} has no test set with cells, so there is nothing to measure on. It is drawn "
            "when images with boxes are imported (rbcal import ... --test-fraction 0.25), or grows while you "
            "annotate on the Review page."
        )
    return _predict(project, model_id, detector, images, "Measuring on the test set", progress)


def _predict(
    project: Project,
    model_id: int,
    detector: Detector,
    images: Sequence[Image],
    stage: str,
    progress: ProgressReporter,
) -> Pairs:
    progress.stage(stage, len(images))
    merges = project.classes.merges()
    pairs: list[tuple[Annotations, Detections]] = []
    for image, pixels in decoded(project.file, images):
        detections = predict_within_memory(detector, partial(mc_dropout.detect, detector), pixels, progress)
        project.evaluations.save_detections(model_id, image.id, detections)
        counted = Detections(detections.boxes, merges.probs(detections.probs))
        pairs.append((load_annotations(project, image), counted))
        progress.advance(len(pairs))
    return pairs
