"""The promotion gate: a new model serves unless it is worse, beyond noise, than the one that serves."""

from __future__ import annotations

from rbcal.detector.faster_rcnn import Detector
from rbcal.evaluation.bootstrap import compare
from rbcal.evaluation.metrics import Comparison
from rbcal.jobs.evaluate import evaluate_model, load_detector, measure_again, predict_test_set
from rbcal.jobs.loaders import load_annotations
from rbcal.jobs.progress import ProgressReporter
from rbcal.store.models import Model
from rbcal.store.project import Project


def promote_unless_worse(
    project: Project, model_id: int, detector: Detector, progress: ProgressReporter
) -> None:
    """Measure a new model and let it serve, or ask the expert when it is worse than the serving one."""
    serving = project.models.serving()
    if not project.images.counts().test_cells:
        project.models.promote(model_id, "gate")
        progress.log(f"Model {model_id} is in use. There is no test set, so it was not compared")
        return
    measure_again(project, progress)
    evaluate_model(project, model_id, detector, progress)
    if serving is None:
        project.models.promote(model_id, "gate")
        return
    result = _compare(project, model_id, serving, progress)
    project.models.compare(model_id, serving.id, result)
    gain = result.precision_all
    words = f"Precision_all {gain.new:.3f}, model {serving.id} {gain.old:.3f}"
    words += f" (difference {gain.low:+.3f} to {gain.high:+.3f}, 95 %)"
    if result.worse:
        progress.log(
            f"Model {model_id} is worse than the one in use: {words}. The Train page asks you which to use"
        )
        return
    project.models.promote(model_id, "gate")
    progress.log(f"Model {model_id} is in use: {words}")


def _compare(project: Project, model_id: int, serving: Model, progress: ProgressReporter) -> Comparison:
    """Return how a new model does beside the serving one, image by image of the test set."""
    test = project.images.test()
    old = project.evaluations.detections(serving.id)
    if any(image.id not in old for image in test):
        predict_test_set(project, serving.id, load_detector(project, serving), progress)
        old = project.evaluations.detections(serving.id)
    new = project.evaluations.detections(model_id)
    return compare(
        [load_annotations(project, image) for image in test],
        [old[image.id] for image in test],
        [new[image.id] for image in test],
        len(project.classes.names()),
    )
