"""Which cells the expert names next, whatever image they are in: one registry of strategies over cells.

A strategy gets the pool, the context and how many cells are wanted, and returns a :class:`CellRanking`.
`rbcal strategies`, `rbcal cells` and simulations know it from its one entry in :data:`CELL_STRATEGIES`.
Names begin with `cells_`. Of equals, chance decides by the seed: else the first images would be asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rbcal.acquisition.context import AcquisitionContext
from rbcal.acquisition.pool import Pool
from rbcal.acquisition.strategies import check_strategy
from rbcal.config import CONTROL
from rbcal.errors import ScoringError
from rbcal.types import Floats, Ints, Reals

_DECAY = 100  # annotated cells; with so many the noise has the size of the paper's first round, then it falls
_SHORTLIST = 10  # times the wanted cells: the most uncertain, among which those that differ are chosen
_LEAST = 1e-12  # entropy; a cell without any has a logarithm


@dataclass(frozen=True, eq=False)
class CellRanking:
    """The n cells to ask for, the first one first, and what speaks for each cell of the pool.

    Parameters
    ----------
    cells : (n,) int64
        Positions of the cells in the pool.
    values : (N,) float64
        Of each cell, in the order of the pool: high speaks for it.
    """

    cells: Ints
    values: Reals


CellFunction = Callable[[Pool, AcquisitionContext, int], CellRanking]


@dataclass(frozen=True)
class CellStrategy:
    """One way to choose cells, and all that is said of it."""

    name: str
    title: str  # the same for the expert
    sentence: str  # what the expert reads where a strategy is chosen
    function: CellFunction
    method: str  # what the methods section of a paper says of the choice
    by_reviews: bool = False  # it goes by what past reviews changed and took


def cells_random(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose at random, by the seed: what the others are measured against."""
    return by_value(_generator(context, len(pool), "cells").uniform(size=len(pool)), context, n)


def cells_uncertain(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose where the most probable class, given that it is a cell, is least probable: 1 - max p."""
    return by_value(uncertainty(pool), context, n)


def cells_relevance(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose by what the cell adds to R_img.

    References
    ----------
    Sadafi et al. 2019, equation (8), of a single cell: (U^c <= alpha) + (U^d <= beta) + gamma U^r.
    """
    scoring = context.scoring
    fired = (pool.u_c <= np.float32(scoring.alpha)).astype(np.float64)
    fired += pool.u_d <= np.float32(scoring.beta)
    return by_value(fired + scoring.gamma * (pool.u_r > 0), context, n)


def cells_balanced(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose uncertain cells that may be of classes with few annotations.

    The value is (1 - max p) sum_k p_k / (1 + n_k), of p given that it is a cell and n_k annotated cells of k.
    """
    return by_value(uncertainty(pool) * need(pool, context), context, n)


def cells_entropy(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose from each named class in turn, by the logarithm of the entropy with noise that decays.

    The noise is of Gumbel, its scale 1 / b with b = max(1, annotated cells / 100): early queries differ from
    one another, late ones take what is least certain.

    References
    ----------
    After "Class-stratified Scheduled Power Predictive Entropy" (ClaSP PE, arXiv 2601.13677); the schedule by
    annotated cells is ours.
    """
    p = class_probs(pool)
    entropy = -(p * np.log(p.clip(_LEAST))).sum(axis=1)
    b = max(1.0, float(context.annotated.sum()) / _DECAY)
    noise = _generator(context, len(pool), "noise").gumbel(scale=1 / b, size=len(pool))
    values = np.log(entropy.clip(_LEAST)) + noise
    order = by_value(values, context, len(pool)).cells
    return CellRanking(_in_turn(order, p.argmax(axis=1))[:n], values)


def cells_change(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose by the expected change per second of the expert, that of classes with few annotations first.

    The value is e sum_k p_k / (1 + n_k) / seconds, of the chance e that the expert would change the cell.
    """
    e = _chances(pool, context)
    cost = context.cost_model
    return by_value(e * need(pool, context) / (cost.side_by_side + cost.cell_change * e), context, n)


def cells_chance(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose by the chance alone that the expert would change the cell, whatever its class."""
    return by_value(_chances(pool, context), context, n)


def cells_diverse(pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Choose, among the 10 n most uncertain cells, n that would move the last layer in different ways.

    They are the starts of k-means++ on gradient embeddings, (p - onehot(argmax p)) times the embedding.

    References
    ----------
    Ash et al. 2020 (BADGE, arXiv 1906.03671); the shortlist is ours, as k-means++ looks at each cell n times.
    """
    values = uncertainty(pool)
    shortlist = by_value(values, context, _SHORTLIST * n).cells
    if len(shortlist) <= n:
        return CellRanking(shortlist, values)
    from sklearn.cluster import kmeans_plusplus  # late: pages start without it

    gradient = class_probs(pool)[shortlist]
    gradient[np.arange(len(shortlist)), gradient.argmax(axis=1)] -= 1
    embedded = (gradient[:, :, None] * pool.embeddings[shortlist][:, None]).reshape(len(shortlist), -1)
    seed = int(_generator(context, len(pool), "k-means").integers(2**32))
    _, chosen = kmeans_plusplus(embedded, n, random_state=seed)
    first = dict.fromkeys(chosen.tolist())  # of cells that are all alike it may draw one twice
    rest = (k for k in range(len(shortlist)) if k not in first)
    return CellRanking(shortlist[[*first, *rest][:n]], values)


def most_alike(pool: Pool, embedding: Floats, n: int) -> CellRanking:
    """Return the n cells whose embeddings have the smallest angle with one (D,), the nearest first."""
    size = np.linalg.norm(pool.embeddings, axis=1) * np.linalg.norm(embedding)
    dot = (pool.embeddings @ embedding).astype(np.float64)
    values = np.divide(dot, size, out=np.zeros(len(pool)), where=size > 0)
    return CellRanking(np.argsort(-values, kind="stable")[:n].astype(np.int64), values)


def class_probs(pool: Pool) -> Reals:
    """Return p (N, C) of the classes given that each is a cell: background left out, rows sum to 1."""
    classes = pool.probs[:, 1:].astype(np.float64)
    total = classes.sum(axis=1, keepdims=True)
    if (total <= 0).any():
        raise ScoringError("A cell of the pool is background for certain. Rank the pool again.")
    return np.asarray(classes / total)


def uncertainty(pool: Pool) -> Reals:
    """Return 1 - max p over the classes given that it is a cell, (N,) in [0, 1]; high means unsure."""
    return np.asarray(1 - class_probs(pool).max(axis=1, initial=0))


def need(pool: Pool, context: AcquisitionContext) -> Reals:
    """Return sum_k p_k / (1 + n_k), (N,): high where the cell may be of a class with few annotations."""
    if len(context.annotated) != pool.n_classes:
        raise ScoringError(
            f"Annotated cells must be counted for the {pool.n_classes} classes of the pool, but are for "
            f"{len(context.annotated)}."
        )
    return np.asarray(class_probs(pool) @ (1 / (1 + context.annotated)))


def _chances(pool: Pool, context: AcquisitionContext) -> Reals:
    """Return the chance that the expert would change each cell, (N,): that of the colours, where known."""
    e = context.calibration(pool.uncertainty) if context.chances is None else context.chances
    if len(e) != len(pool):
        raise ScoringError(f"Chances must be of the {len(pool)} cells of the pool, but there are {len(e)}.")
    return e


def _generator(context: AcquisitionContext, n_cells: int, purpose: str) -> np.random.Generator:
    """Return the chance of one query: another for each number of cells, as after each answer fewer wait.

    With one and the same chance each query would take the neighbours of the cells that the last one took.
    """
    return np.random.default_rng([context.seed, n_cells, *purpose.encode()])


def by_value(values: Reals, context: AcquisitionContext, n: int) -> CellRanking:
    """Return the n cells of the highest values; of equals, chance decides."""
    if not np.isfinite(values).all():
        raise ScoringError("The value of a cell must be a number, but one is NaN or infinite.")
    chance = _generator(context, len(values), "equals").uniform(size=len(values))
    return CellRanking(np.lexsort((chance, -values))[:n].astype(np.int64), values)


def _in_turn(order: Ints, label: Ints) -> Ints:
    """Return the cells with one of each class in turn, those of a class in their order.

    >>> _in_turn(np.array([4, 3, 2, 1, 0]), np.array([1, 0, 0, 0, 0]))  # cell 0 alone is of class 1
    array([4, 0, 3, 2, 1])
    """
    labels = label[order]
    turn = np.empty(len(order), np.int64)
    for each in np.unique(labels):
        turn[labels == each] = np.arange((labels == each).sum())
    first = np.full(labels.max(initial=-1) + 1, len(order))  # place of the best of each class
    np.minimum.at(first, labels, np.arange(len(order)))
    return order[np.lexsort((first[labels], turn))]


_ENTRIES = (
    CellStrategy(
        "cells_balanced",
        title="rare and uncertain",
        sentence="Cells whose class is uncertain, most of all of classes with few annotations.",
        function=cells_balanced,
        method="uncertain of class (1 - max p), weighted towards classes with few annotations",
    ),
    CellStrategy(
        "cells_uncertain",
        title="uncertain",
        sentence="Cells whose class is least certain.",
        function=cells_uncertain,
        method="least certain of class (1 - max p)",
    ),
    CellStrategy(
        "cells_change",
        title="rare, likely to change",
        sentence="Most corrections for each second of your time; classes with few cells count more.",
        function=cells_change,
        method="of the highest expected number of corrections per second of review, weighted towards classes "
        "with few annotations",
        by_reviews=True,
    ),
    CellStrategy(
        "cells_chance",
        title="likely to change",
        sentence="The highest chance that you would change the cell, whatever its class.",
        function=cells_chance,
        method="of the highest chance that the expert would correct the cell",
        by_reviews=True,
    ),
    CellStrategy(
        "cells_entropy",
        title="each class in turn",
        sentence="One of each class in turn, the least certain first; at the beginning partly at random.",
        function=cells_entropy,
        method="of each predicted class in turn, by predictive entropy with decaying noise (after ClaSP PE)",
    ),
    CellStrategy(
        "cells_diverse",
        title="uncertain and different",
        sentence="Uncertain cells that differ from one another.",
        function=cells_diverse,
        method="uncertain of class, and diverse by k-means++ on gradient embeddings (BADGE)",
    ),
    CellStrategy(
        "cells_relevance",
        title="the paper's relevance",
        sentence="The paper's equation (8), of a single cell.",
        function=cells_relevance,
        method="by the terms of equation (8) of Sadafi et al. that they fire",
    ),
    CellStrategy(
        "cells_random",
        title="at random",
        sentence="Cells at random: few are wrong, so they are quick to settle.",
        function=cells_random,
        method="at random",
    ),
)
CELL_STRATEGIES = {each.name: each for each in _ENTRIES}
DEFAULT_CELL_STRATEGY = "cells_random"  # as good, half the acts: docs/benchmarks/choice_of_images.md


def rank_cells(strategy: str, pool: Pool, context: AcquisitionContext, n: int) -> CellRanking:
    """Return the n cells that a strategy chooses, or all if there are fewer.

    Raises
    ------
    ScoringError
        If there is no strategy of that name, or a value is not finite.
    """
    check_cell_strategy(strategy)
    return CELL_STRATEGIES[strategy].function(pool, context, max(0, min(n, len(pool))))


def check_cell_strategy(name: str) -> None:
    """Raise a ScoringError if no strategy over cells has this name."""
    if name not in CELL_STRATEGIES:
        raise ScoringError(
            f"There is no strategy {name!r} over cells. Choose one of: {', '.join(CELL_STRATEGIES)}."
        )


def check_arms(*names: str) -> None:
    """Raise a ScoringError if one of these can be no arm of a simulation.

    An arm is a strategy over images, one over cells, or the control, which annotates nothing.
    """
    others = [name for name in names if name not in CELL_STRATEGIES and name != CONTROL]
    if unknown := [name for name in others if name.startswith("cells_")]:
        check_cell_strategy(unknown[0])
    check_strategy(*others)
