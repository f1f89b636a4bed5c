"""Which image comes next: what a ranking found, what is known beside it, and the order of a strategy."""

from __future__ import annotations

import numpy as np

from rbcal.errors import ProjectError
from rbcal.scoring.calibration import Calibration
from rbcal.scoring.effort import Effort
from rbcal.scoring.order import Order, audited
from rbcal.scoring.pool import Pool, Situation, doubts
from rbcal.scoring.strategies import choose, prospects
from rbcal.scoring.uncertainty import entropy
from rbcal.store.project import Project
from rbcal.store.rankings import Arranged, Found, Ranking
from rbcal.store.reviews import Outcomes


def arrange(project: Project, strategy: str, seed: int = 0) -> int:
    """Put the current ranking into the order of a strategy, and return its id; nothing is looked at anew.

    Raises
    ------
    ProjectError
        If the pool is not ranked, or was ranked by an rbcal that did not keep what strategies go by.
    ScoringError
        If there is no such strategy.
    """
    ranking = project.rankings.current()
    if ranking is None:
        raise ProjectError("The pool is not ranked yet. Train, then rank the pool.")
    arrange_ranking(project, ranking, strategy, seed)
    return ranking.id


def arrange_ranking(project: Project, ranking: Ranking, strategy: str, seed: int) -> None:
    """Put one ranking into the order of a strategy; one image in ten is drawn at random, as an audit."""
    found = project.rankings.found(ranking.id)
    pool, situation = pool_of(found), situation_of(project, found, ranking, seed)
    order = choose(strategy, pool, situation)
    if strategy != "random":
        order = audited(order, np.random.default_rng([seed, ranking.id, *b"audit"]))
    project.rankings.arrange(
        ranking.id,
        strategy,
        arranged(found, order, prospects(pool, situation)),
        {
            "seed": seed,
            "calibration_cells": situation.calibration.n_cells,
            "calibrated": situation.calibration.learnt,
            "timed_reviews": situation.effort.n_reviews,
            "effort": [situation.effort.image, situation.effort.cell, situation.effort.change],
        },
    )


def arranged(found: Found, order: Order, expected: dict[str, np.ndarray]) -> list[Arranged]:
    """Return the images in the order of a strategy, as the store takes them."""
    terms = {**expected, **order.terms}
    return [
        Arranged(
            found.images[k],
            float(order.values[k]),
            {name: round(float(column[k]), 6) for name, column in terms.items()},
            None if np.isnan(order.propensity[k]) else float(order.propensity[k]),
        )
        for k in order.images
    ]


def pool_of(found: Found) -> Pool:
    """Return what strategies choose from."""
    columns = ("image", "probs", "u_d", "u_c", "u_r", "bald", "agreement", "rate", "looks")
    return Pool(len(found.images), **{name: getattr(found, name) for name in columns})


def situation_of(project: Project, found: Found, ranking: Ranking, seed: int) -> Situation:
    """Return what the project tells a strategy beside the pool."""
    n_classes = len(project.classes.names())
    cells = project.reviews.cells_per_class()
    outcomes = project.reviews.outcomes()
    return Situation(
        scoring=ranking.config,
        annotated=np.array([cells.get(label, 0) for label in range(n_classes)]),
        rare=tuple(project.classes.rare_labels()),
        f1=f1_of(outcomes, n_classes),
        looks=found.annotated_looks,
        calibration=calibration_of(outcomes),
        effort=effort_of(project),
        seed=seed,
    )


def effort_of(project: Project) -> Effort:
    """Return what an image costs of the expert's time, by the reviews of this project."""
    return Effort.fit(*project.reviews.times())


def calibration_of(outcomes: Outcomes) -> Calibration:
    """Return the calibration that past reviews teach: of cells that the expert looked at."""
    return Calibration.fit(doubts_of(outcomes)[outcomes.looked], outcomes.changed[outcomes.looked])


def doubts_of(outcomes: Outcomes) -> np.ndarray:
    """Return the doubts (N, 4) of the model about cells that were reviewed later."""
    return doubts(outcomes.bald, entropy(outcomes.probs), outcomes.agreement, outcomes.rate)


def f1_of(outcomes: Outcomes, n_classes: int) -> np.ndarray:
    """Return F1 of each class, (C,), over cells found in images not trained on yet; NaN: none was there."""
    claimed, there = outcomes.probs[:, 1:].argmax(axis=1), outcomes.label
    hits = np.bincount(there[claimed == there], minlength=n_classes)[:n_classes]
    n_there = np.bincount(there[there >= 0], minlength=n_classes)[:n_classes]
    total = np.bincount(claimed, minlength=n_classes)[:n_classes] + n_there
    return np.divide(2 * hits, total, out=np.full(n_classes, np.nan), where=n_there > 0)
