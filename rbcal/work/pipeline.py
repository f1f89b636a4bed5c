"""What a job does: the walk of the data from the store through the detector and back into the store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial

import numpy as np

from rbcal.boxes import LOOK, Annotations, Detections, Floats
from rbcal.config import DEFAULT_STRATEGY, ScoringConfig, TrainConfig, check_strategy
from rbcal.errors import DivergedError, JobCancelledError, ProjectError
from rbcal.store import backups
from rbcal.store.images import Image
from rbcal.store.models import Model
from rbcal.store.project import Project
from rbcal.vision import checkpoint, devices, evaluation, sampling
from rbcal.vision.comparison import compare
from rbcal.vision.detector import Detector
from rbcal.work import choosing, cluster, finding, teaching
from rbcal.work.looking import say_tiles, see
from rbcal.work.reading import annotations_of, pictures
from rbcal.work.reporting import WRITING, Reporter
from rbcal.work.teaching import Plan

_LOOKED_AT = 64  # annotated images; enough to know which looks are well known
_LOOKED_AGAIN_AT = 200  # annotated images, the last ones: 15 seconds on a CPU


def train(project: Project, config: TrainConfig, tell: Reporter) -> int:
    """Train a detector on all annotated images, measure it, let it serve if it may; return its id."""
    return _train(project, teaching.plan_training(project, config), tell)


def resume(project: Project, tell: Reporter) -> int:
    """Go on with the training that was stopped last, to the same end; return the model's id."""
    return _train(project, teaching.plan_resumption(project), tell)


def evaluate(project: Project, tell: Reporter) -> int:
    """Measure the serving model on the frozen test set and return the model's id."""
    model = _serving(project)
    _evaluate(project, model.id, _load(project, model), tell)
    return model.id


def score(
    project: Project,
    config: ScoringConfig,
    tell: Reporter,
    strategy: str = DEFAULT_STRATEGY,
    ray: str | None = None,
) -> int:
    """Find and score the cells of every image in the pool, order it, and return the id of the new ranking.

    Parameters
    ----------
    ray : str, optional
        Address of a Ray cluster whose workers look at the images; what they find is what is found here.
    """
    check_strategy(strategy)
    model = _serving(project)
    detector = _load(project, model)
    # A class that joined the project after the training is unknown to the model: it cannot look for it.
    merges = project.classes.merges()
    known = {merges.target(label) for label in range(detector.blueprint.n_classes)}
    rare = [label for label in project.classes.rare_labels() if label in known]
    pool = project.images.pool()
    scorer = finding.Scorer(detector, config, rare, merges)
    ranking_id = project.rankings.begin(model.id, config)
    say_tiles(detector, pool, tell)
    with ExitStack() as stack:
        if ray is None:
            found = finding.find_here(project, pool, scorer, tell)
        else:
            tell.stage("Connecting to the cluster")
            workers = stack.enter_context(cluster.connected(ray))
            weights = workers.share(project.models.checkpoint(model.id))
            orders = finding.Orders(weights, config, tuple(rare), merges, devices.n_cores())
            found = finding.find_on_cluster(project, pool, workers, orders, tell)
        tell.stage("Scoring the pool", len(pool))
        for done, (image, what) in enumerate(stack.enter_context(closing(found)), start=1):
            project.rankings.add(ranking_id, image.id, *what)
            tell.advance(done)
    project.rankings.keep_looks(ranking_id, _annotated_looks(project, scorer, config, tell))
    tell.stage("Ordering the pool")
    with project.transaction():
        choosing.arrange_ranking(project, project.rankings.get(ranking_id), strategy, config.seed)
        project.rankings.finish(ranking_id)
    tell.log(f"{len(pool)} images are ranked by model {model.id}, in the order of {strategy}")
    return ranking_id


def rank(project: Project, strategy: str, tell: Reporter) -> int:
    """Put the current ranking into the order of another strategy, without a look at any image."""
    tell.stage("Ordering the pool")
    ranking_id = choosing.arrange(project, strategy)
    tell.log(f"The pool is in the order of {strategy}")
    return ranking_id


def _annotated_looks(
    project: Project, scorer: finding.Scorer, config: ScoringConfig, tell: Reporter
) -> Floats:
    """Return what the model makes of cells in annotated images, (M, D): some of them, drawn at random."""
    annotated = project.images.annotated()
    drawn = np.random.default_rng([config.seed, *b"looks"]).permutation(len(annotated))[:_LOOKED_AT]
    tell.stage("Looking at annotated images", len(drawn))
    looks = [np.empty((0, LOOK), np.float32)]
    for _, pixels in pictures(project.path, [annotated[k] for k in drawn]):
        looks.append(scorer.looks(pixels, tell))
        tell.advance(len(looks) - 1)
    return np.concatenate(looks)


def _train(project: Project, plan: Plan, tell: Reporter) -> int:
    _back_up(project, tell)
    taught = teaching.teach(project, plan, tell)
    plan = taught.plan
    if taught.diverged and not taught.kept_step:
        raise taught.diverged
    with WRITING, project.transaction():
        model_id = project.models.add(
            plan.config,
            checkpoint.save(taught.detector),
            plan.images,
            taught.seconds,
            parent_id=plan.parent_id,
            kept_step=taught.kept_step,
            validation=taught.validation,
        )
        project.snapshots.discard()
    if taught.diverged:
        raise DivergedError(
            f"{taught.diverged} What it had learnt by step {taught.kept_step} is kept as model {model_id}, "
            "which does not serve."
        ) from taught.diverged
    tell.log(f"Model {model_id} is trained, in {taught.seconds:.0f} s")
    try:
        _admit(project, model_id, taught.detector, tell)
    except JobCancelledError as err:
        raise JobCancelledError(
            f"The job was cancelled. Model {model_id} is trained and kept, but was not measured: it does not "
            "serve unless you let it."
        ) from err
    _look_again(project, model_id, taught.detector, tell)
    for pruned in project.models.prune():
        tell.log(f"The weights of model {pruned} were dropped; its figures stay")
    return model_id


def _back_up(project: Project, tell: Reporter) -> None:
    """Keep a copy of what the expert did in this round; a full disk does not stop the training."""
    tell.stage("Backing up the project")
    try:
        kept = backups.keep(project.path, "before-training")
    except ProjectError as err:
        tell.log(f"No backup: {err}")
    else:
        tell.log(f"The project is backed up: {kept.name}")


def _admit(project: Project, model_id: int, detector: Detector, tell: Reporter) -> None:
    """Let a new model serve unless it is worse, beyond noise, than the one that serves: the gate."""
    rival = project.models.serving()
    if not project.images.counts().test_cells:
        project.models.promote(model_id, "gate")
        tell.log(f"Model {model_id} serves. There is no test set, so it was not compared")
        return
    _evaluate(project, model_id, detector, tell)
    if rival is None:
        project.models.promote(model_id, "gate")
        return
    test = project.images.test()
    before = project.evaluations.detections(rival.id)
    if any(image.id not in before for image in test):
        _look_at_test_set(project, rival.id, _load(project, rival), tell)
        before = project.evaluations.detections(rival.id)
    now = project.evaluations.detections(model_id)
    result = compare(
        [annotations_of(project, image) for image in test],
        [before[image.id] for image in test],
        [now[image.id] for image in test],
        len(project.classes.names()),
    )
    project.models.compare(model_id, rival.id, result)
    gain = result.precision_all
    words = f"Precision_all {gain.new:.3f}, model {rival.id} {gain.old:.3f}"
    words += f" (difference 95 % within {gain.low:+.3f} .. {gain.high:+.3f})"
    if result.worse:
        tell.log(f"Model {model_id} is worse than the one that serves: {words}. You are asked which shall")
        return
    project.models.promote(model_id, "gate")
    tell.log(f"Model {model_id} serves: {words}")


def _serving(project: Project) -> Model:
    model = project.models.serving()
    if model is None:
        raise ProjectError(f"{project.path.name} has no model yet. Train one first.")
    return model


def _load(project: Project, model: Model) -> Detector:
    return checkpoint.load(
        project.models.checkpoint(model.id), "auto"
    )  # not where it was trained: files move


def _evaluate(project: Project, model_id: int, detector: Detector, tell: Reporter) -> None:
    pairs = _look_at_test_set(project, model_id, detector, tell)
    figures = evaluation.evaluate(pairs, len(project.classes.names()), project.classes.rare_labels())
    project.evaluations.save(model_id, figures)
    tell.log(f"Model {model_id}: Precision_all {figures.precision_all:.3f}, mAP@0.5 {figures.map_50:.3f}")


def _look_again(project: Project, model_id: int, detector: Detector, tell: Reporter) -> None:
    """Store what a new model finds in annotated images: what it contradicts there may be a slip."""
    images = sorted(project.images.annotated(), key=lambda image: image.review_id or 0)[-_LOOKED_AGAIN_AT:]
    try:
        _look_at(project, model_id, detector, images, "Looking again at annotated images", tell)
    except JobCancelledError as err:
        raise JobCancelledError(
            f"The job was cancelled. Model {model_id} is trained and measured; the annotations were not all "
            "looked at again."
        ) from err


def _look_at_test_set(
    project: Project, model_id: int, detector: Detector, tell: Reporter
) -> Sequence[tuple[Annotations, Detections]]:
    """Store what a model finds in each test image, and return it beside the truth."""
    images = project.images.test()
    if not any(image.n_cells for image in images):
        raise ProjectError(
            f"{project.path.name} has no test set with cells, so there is nothing to measure on. It is drawn "
            "when images with boxes are imported: rbcal import ... --test-fraction 0.25"
        )
    return _look_at(project, model_id, detector, images, "Measuring on the test set", tell)


def _look_at(
    project: Project,
    model_id: int,
    detector: Detector,
    images: Sequence[Image],
    stage: str,
    tell: Reporter,
) -> Sequence[tuple[Annotations, Detections]]:
    tell.stage(stage, len(images))
    merges = project.classes.merges()
    pairs: list[tuple[Annotations, Detections]] = []
    for image, pixels in pictures(project.path, images):
        found = see(detector, partial(sampling.detect, detector), pixels, tell)
        project.evaluations.save_detections(model_id, image.id, found)
        counted = Detections(found.boxes, merges.probs(found.probs))
        pairs.append((annotations_of(project, image), counted))
        tell.advance(len(pairs))
    return pairs
