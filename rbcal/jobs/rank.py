"""Which image comes next: what a ranking found, what is known beside it, and the order of a strategy."""

from __future__ import annotations

import numpy as np

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.pool import AcquisitionContext, Pool, uncertainty
from rbcal.acquisition.ranking import Ranking, audited
from rbcal.acquisition.strategies import expected_gains, rank_pool
from rbcal.acquisition.uncertainty import entropy
from rbcal.errors import ProjectError
from rbcal.jobs.progress import ProgressReporter
from rbcal.store.outcomes import Outcomes
from rbcal.store.project import Project
from rbcal.store.rankings import Found, RankedImage, StoredRanking


def rank(project: Project, strategy: str, progress: ProgressReporter) -> int:
    """Put the current ranking into the order of another strategy, as a job."""
    progress.stage("Ordering the pool")
    ranking_id = rerank(project, strategy)
    progress.log(f"The pool is in the order of {strategy}")
    return ranking_id


def rerank(project: Project, strategy: str, seed: int = 0) -> int:
    """Put the current ranking into the order of a strategy, and return its id; no image is predicted anew.

    Raises
    ------
    ProjectError
        If the pool is not ranked, or was ranked by an rbcal that did not keep what strategies go by.
    ScoringError
        If there is no such strategy.
    """
    stored = project.rankings.current()
    if stored is None:
        raise ProjectError("The pool is not ranked yet. Train, then rank the pool.")
    rank_stored(project, stored, strategy, seed)
    return stored.id


def rank_stored(project: Project, stored: StoredRanking, strategy: str, seed: int) -> None:
    """Put one ranking into the order of a strategy; one image in ten is drawn at random, as an audit."""
    found = project.rankings.found(stored.id)
    pool, context = pool_of(found), acquisition_context(project, found, stored, seed)
    ranking = rank_pool(strategy, pool, context)
    if strategy != "random":
        ranking = audited(ranking, np.random.default_rng([seed, stored.id, *b"audit"]))
    project.rankings.arrange(
        stored.id,
        strategy,
        ranked_images(found, ranking, expected_gains(pool, context)),
        {
            "seed": seed,
            "calibration_cells": context.calibration.n_cells,
            "calibrated": context.calibration.learnt,
            "timed_reviews": context.cost_model.n_reviews,
            "cost_model": [context.cost_model.image, context.cost_model.cell, context.cost_model.change],
        },
    )


def ranked_images(found: Found, ranking: Ranking, expected: dict[str, np.ndarray]) -> list[RankedImage]:
    """Return the images in the order of a strategy, as the store takes them."""
    terms = {**expected, **ranking.terms}
    return [
        RankedImage(
            found.images[k],
            float(ranking.values[k]),
            {name: round(float(column[k]), 6) for name, column in terms.items()},
            None if np.isnan(ranking.propensity[k]) else float(ranking.propensity[k]),
        )
        for k in ranking.images
    ]


def pool_of(found: Found) -> Pool:
    """Return what strategies choose from."""
    columns = ("image", "probs", "u_d", "u_c", "u_r", "bald", "agreement", "rate", "embeddings")
    return Pool(len(found.images), **{name: getattr(found, name) for name in columns})


def acquisition_context(
    project: Project, found: Found, stored: StoredRanking, seed: int
) -> AcquisitionContext:
    """Return what the project tells a strategy beside the pool."""
    n_classes = len(project.classes.names())
    cells = project.reviews.cells_per_class()
    outcomes = project.reviews.outcomes()
    return AcquisitionContext(
        scoring=stored.config,
        annotated=np.array([cells.get(label, 0) for label in range(n_classes)]),
        rare=tuple(project.classes.rare_labels()),
        f1=f1_of(outcomes, n_classes),
        embeddings=found.annotated_embeddings,
        calibration=calibration_of(outcomes),
        cost_model=fitted_cost_model(project),
        seed=seed,
    )


def fitted_cost_model(project: Project) -> CostModel:
    """Return what an image costs of the expert's time, by the reviews of this project."""
    return CostModel.fit(*project.reviews.times())


def calibration_of(outcomes: Outcomes) -> Calibration:
    """Return the calibration that past reviews teach: of cells that the expert looked at."""
    return Calibration.fit(uncertainty_of(outcomes)[outcomes.read], outcomes.changed[outcomes.read])


def uncertainty_of(outcomes: Outcomes) -> np.ndarray:
    """Return the doubts (N, 4) of the model about cells that were reviewed later."""
    return uncertainty(outcomes.bald, entropy(outcomes.probs), outcomes.agreement, outcomes.rate)


def f1_of(outcomes: Outcomes, n_classes: int) -> np.ndarray:
    """Return F1 of each class, (C,), over cells found in images not trained on yet; NaN: none was there."""
    claimed, there = outcomes.probs[:, 1:].argmax(axis=1), outcomes.label
    hits = np.bincount(there[claimed == there], minlength=n_classes)[:n_classes]
    n_there = np.bincount(there[there >= 0], minlength=n_classes)[:n_classes]
    total = np.bincount(claimed, minlength=n_classes)[:n_classes] + n_there
    return np.divide(2 * hits, total, out=np.full(n_classes, np.nan), where=n_there > 0)
