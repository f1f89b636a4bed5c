"""What makes cells green: how often the serving model errs, on cells that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbcal.acquisition.change_model import ChangeModel, change_features, cross_fitted, dispersion, green_limit
from rbcal.acquisition.pool import Pool
from rbcal.evaluation.matching import match, named
from rbcal.jobs.loaders import load_annotations
from rbcal.store.colours import StoredChangeModel
from rbcal.store.project import Project
from rbcal.store.rankings import StoredRanking
from rbcal.types import Annotations, Detections, Ints, Reals

_NEWS = 1.05  # once there are that many times the cells, colours are worked out anew


@dataclass(frozen=True, eq=False)
class ChangeEvidence:
    """N predicted cells whose truth is known, in images that their model was not trained on.

    Parameters
    ----------
    features : (N, 2) float64
        :func:`rbcal.acquisition.change_model.change_features`.
    changed : (N,) bool
        The cell has another class, or is none; or the expert moved its box.
    group : (N,) int64
        Which slide it is on.
    image : (N,) int64
        The id of its image.
    is_check : (N,) bool
        Drawn at random among the green cells.
    is_read : (N,) bool
        The expert read it since the training; the others are of test images.
    is_audit : (N,) bool
        Of those, it is in an image that was drawn at random and read whole: it stands for the whole pool.
    """

    features: Reals
    changed: NDArray[np.bool_]
    group: Ints
    image: Ints
    is_check: NDArray[np.bool_]
    is_read: NDArray[np.bool_]
    is_audit: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.changed)


def read_evidence(project: Project, ranking: StoredRanking) -> ChangeEvidence:
    """Return what is known of how often the model of a ranking errs."""
    groups = {name: number for number, name in enumerate(project.images.group_splits())}
    group_of = {image.id: groups[image.group] for image in project.images.all()}
    parts = [_of_test_images(project, ranking, group_of), _of_reviews(project, ranking, group_of)]
    return ChangeEvidence(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def colour(project: Project, ranking: StoredRanking, pool: Pool | None = None) -> Reals | None:
    """Work out how likely each cell of the pool would be changed, and which are green; store both.

    Returns
    -------
    (N,) float64 or None
        e of each cell of the pool; None while nobody knows how often the model errs.
    """
    change = fit_change_model(read_evidence(project, ranking), project.colours.promise)
    return _store(project, ranking, change, pool)


def recolour(project: Project) -> None:
    """Work colours out anew if the expert has read enough since, or if the promise needs it.

    Nothing happens while the pool is not ranked, while nobody knows how often the model errs, and where
    colours go by the paper.
    """
    ranking = project.rankings.current()
    if ranking is None or project.colours.by == "paper":
        return
    stored, evidence = project.colours.get(ranking.id), read_evidence(project, ranking)
    change = fit_change_model(evidence, project.colours.promise)
    if change is None:
        return
    if stored is None or len(evidence) >= _NEWS * stored.n_cells or _is_stricter(change, stored):
        _store(project, ranking, change)


def _is_stricter(change: StoredChangeModel, stored: StoredChangeModel) -> bool:
    """Return whether fewer cells may be green than are: a spot check was wrong."""
    if stored.green_limit is None:
        return False
    return change.green_limit is None or change.green_limit < stored.green_limit


def _store(
    project: Project, ranking: StoredRanking, change: StoredChangeModel | None, pool: Pool | None = None
) -> Reals | None:
    pool = project.rankings.pool(ranking.id) if pool is None else pool
    chances, green = None, np.zeros(len(pool), bool)
    if change is not None:
        own = project.rankings.own_probs(ranking.id, pool.image_ids)
        chances, green = change.judged(own, pool.probs, pool.image)
    with project.transaction():
        project.colours.save(ranking.id, change)
        project.colours.save_red(ranking.id, _red_of_images(project, pool, green))
    return chances


def fit_change_model(evidence: ChangeEvidence, promise: float) -> StoredChangeModel | None:
    """Return the change model that the evidence gives, and its limit; None: there is too little of it."""
    e = cross_fitted(evidence.features, evidence.changed, evidence.group)
    model = ChangeModel.fit(evidence.features, evidence.changed)
    if e is None or model is None:
        return None
    limit = green_limit(e, evidence.changed, promise, evidence.is_check)
    spread = dispersion(e, evidence.changed, evidence.image)
    return StoredChangeModel(model, limit, len(evidence), int(evidence.changed.sum()), spread)


def is_changed(annotations: Annotations, detections: Detections) -> NDArray[np.bool_]:
    """Return whether each detection (N,) is of no cell, or of one of another class."""
    of_cell = match(annotations, detections).detection
    changed = np.ones(len(detections), bool)
    matched = of_cell >= 0
    changed[matched] = annotations.labels[of_cell[matched]] != detections.labels[matched]
    return changed


Columns = tuple[Reals, NDArray[np.bool_], Ints, Ints, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]


def _of_test_images(project: Project, ranking: StoredRanking, group_of: dict[int, int]) -> Columns:
    predicted = project.evaluations.detections(ranking.model_id)
    features, changed, groups = [np.empty((0, 2))], [np.empty(0, bool)], [np.empty(0, np.int64)]
    images = [np.empty(0, np.int64)]
    for image in project.images.test():
        detections = predicted.get(image.id)
        if detections is None:
            continue
        truth, detections = named(load_annotations(project, image), detections)
        shown = 1 - detections.probs[:, 0] >= ranking.config.cell_threshold
        cells = Detections(detections.boxes[shown], detections.probs[shown])
        features.append(change_features(cells.probs, np.zeros(len(cells), np.int64)))
        changed.append(is_changed(truth, cells))
        groups.append(np.full(len(cells), group_of[image.id]))
        images.append(np.full(len(cells), image.id))
    of_cells = np.concatenate(changed)
    nothing = np.zeros(len(of_cells), bool)
    columns = np.concatenate(features), of_cells, np.concatenate(groups), np.concatenate(images)
    return (*columns, nothing, nothing, nothing)


def _of_reviews(project: Project, ranking: StoredRanking, group_of: dict[int, int]) -> Columns:
    outcomes = project.reviews.outcomes()
    _, image = np.unique(outcomes.image, return_inverse=True)
    features = change_features(outcomes.probs, image)  # of all its cells: what stands alone they say together
    rows = outcomes.read & (outcomes.model == ranking.model_id)
    groups = np.array([group_of[each] for each in outcomes.image[rows].tolist()], np.int64)
    is_whole = (
        np.bincount(image, ~outcomes.read) == 0
    )  # of cells accepted in bulk only the wrong ones are read
    checks, audit = outcomes.check[rows], (outcomes.audit & is_whole[image])[rows]
    columns = features[rows], outcomes.changed[rows], groups, outcomes.image[rows]
    return (*columns, checks, np.ones(rows.sum(), bool), audit)


def _red_of_images(project: Project, pool: Pool, green: NDArray[np.bool_]) -> list[tuple[int, int | None]]:
    if project.colours.by == "paper":
        return [(image_id, None) for image_id in pool.image_ids]
    n_red = pool.total(~green).tolist()
    return [(image_id, int(n)) for image_id, n in zip(pool.image_ids, n_red, strict=True)]
