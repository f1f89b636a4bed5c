"""The order of the pool: a strategy sorts what a ranking holds, by what the project knows beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rbcal.acquisition.calibration import Calibration
from rbcal.acquisition.context import AcquisitionContext, f1_of_classes
from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.pool import Pool
from rbcal.acquisition.ranking import Ranking, audited
from rbcal.acquisition.strategies import expected_gains, rank_pool
from rbcal.errors import ProjectError
from rbcal.jobs.colours import colour
from rbcal.jobs.progress import ProgressReporter
from rbcal.store.project import Project
from rbcal.store.rankings import RankedImage, StoredRanking
from rbcal.types import Reals


def rank(project: Project, strategy: str, progress: ProgressReporter) -> int:
    """Put the current ranking into the order of another strategy, as a job."""
    progress.stage("Sorting the images")
    ranking_id = rerank(project, strategy)
    progress.log(f"The images that wait are in the order of {strategy}")
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
        raise ProjectError("The images that wait are not sorted yet. Press Train on the Train page.")
    rank_stored(project, stored, strategy, seed)
    return stored.id


def rank_stored(project: Project, stored: StoredRanking, strategy: str, seed: int) -> None:
    """Put one ranking into the order of a strategy; one image in ten is drawn at random, as an audit."""
    pool, context = project.rankings.pool(stored.id), acquisition_context(project, stored, seed)
    ranking = rank_pool(strategy, pool, context)
    if strategy != "random":
        ranking = audited(ranking, np.random.default_rng([seed, stored.id, *b"audit"]))
    _arrange(project, stored, strategy, pool, ranking, context)


def reorder(project: Project, stored: StoredRanking, open_image: int | None = None) -> None:
    """Put the images that wait into the order of the ranking's strategy anew: names have changed since.

    The image that is open keeps its place, and so does each that was drawn at random for it, as an audit.
    """
    if stored.strategy == "random":  # by chance, whatever the names; the colours go by them
        pool = project.rankings.pool(stored.id)
        project.rankings.recount_likely_classes(stored.id, pool)
        colour(project, stored, pool)
        return
    seed = int(stored.context.get("seed", 0))
    pool, context = project.rankings.pool(stored.id), acquisition_context(project, stored, seed)
    ranking = rank_pool(stored.strategy, pool, context)
    position = {image_id: k for k, image_id in enumerate(pool.image_ids)}
    queue = [position[image_id] for image_id, _ in project.queue.order() if image_id in position]
    drawn = {
        position[id_]: p for id_, p in project.rankings.propensities(stored.id).items() if id_ in position
    }
    staying = drawn.keys() | {position[id_] for id_ in (open_image,) if id_ in position}
    moving = iter([k for k in ranking.images.tolist() if k not in staying])
    images = [k if k in staying else next(moving) for k in queue]
    propensity = np.array([drawn.get(k, np.nan) for k in range(pool.n_images)])
    ranking = replace(ranking, images=np.array(images, np.int64), propensity=propensity)
    _arrange(project, stored, stored.strategy, pool, ranking, context)


def _arrange(
    project: Project,
    stored: StoredRanking,
    strategy: str,
    pool: Pool,
    ranking: Ranking,
    context: AcquisitionContext,
) -> None:
    cost, chances = context.cost_model, colour(project, stored, pool)
    change = project.colours.get(stored.id)
    gains = expected_gains(pool, context, chances, 1.0 if change is None else change.spread)
    with project.transaction():
        project.rankings.recount_likely_classes(stored.id, pool)
        project.rankings.arrange(
            stored.id,
            strategy,
            ranked_images(pool, ranking, gains),
            {
                "seed": context.seed,
                "calibration_cells": context.calibration.n_cells,
                "calibrated": context.calibration.learnt,
                "timed_reviews": cost.n_reviews,
                "cost_model": [cost.image, cost.cell, cost.change],
            },
        )


def ranked_images(pool: Pool, ranking: Ranking, expected: Mapping[str, Reals]) -> list[RankedImage]:
    """Return the images in the order of a strategy, as the store takes them."""
    terms = {**expected, **ranking.terms}
    return [
        RankedImage(
            pool.image_ids[k],
            float(ranking.values[k]),
            {name: round(float(column[k]), 6) for name, column in terms.items()},
            None if np.isnan(ranking.propensity[k]) else float(ranking.propensity[k]),
        )
        for k in ranking.images
    ]


def annotation_context(project: Project, stored: StoredRanking, seed: int) -> AcquisitionContext:
    """Return what the project knows beside the pool, without what past reviews say: quick."""
    cells = project.reviews.cells_per_class()
    return AcquisitionContext(
        scoring=stored.config,
        annotated=np.array([cells.get(label, 0) for label in range(len(project.classes.names()))]),
        rare=tuple(project.classes.rare_labels()),
        seed=seed,
    )


def acquisition_context(project: Project, stored: StoredRanking, seed: int) -> AcquisitionContext:
    """Return what the project knows beside the pool: annotations, and what past reviews say of the model."""
    context = annotation_context(project, stored, seed)
    outcomes = project.reviews.outcomes()
    predicted, true = outcomes.probs[:, 1:].argmax(axis=1), outcomes.label
    return replace(
        context,
        f1=f1_of_classes(predicted[outcomes.answered], true[outcomes.answered], len(context.annotated)),
        annotated_embeddings=project.rankings.annotated_embeddings(stored.id),
        calibration=Calibration.fit(outcomes.uncertainty[outcomes.read], outcomes.changed[outcomes.read]),
        cost_model=CostModel.fit(*project.reviews.times()),
    )
