"""Which image the expert reviews next: one registry of strategies, and all that is said of each.

A strategy gets the pool and the context, and returns a :class:`Ranking` of all images. What the Train page
offers, `rbcal strategies`, the reasons in the queue, simulations and the methods text of a report follow from
its one entry in :data:`STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rbcal.acquisition.context import AcquisitionContext
from rbcal.acquisition.pool import Pool
from rbcal.acquisition.ranking import Ranking, by_value
from rbcal.acquisition.relevance import Score
from rbcal.acquisition.submodular import balanced
from rbcal.errors import ScoringError
from rbcal.types import Reals
from rbcal.wording import duration

_NAMED = 2  # classes that an explanation names
AcquisitionFunction = Callable[[Pool, AcquisitionContext], Ranking]


@dataclass(frozen=True)
class Strategy:
    """One way to order the pool, and all that is said of it."""

    name: str
    sentence: str  # what the expert reads where a strategy is chosen
    function: AcquisitionFunction
    explain: Callable[[Score, Sequence[str], Sequence[str]], str]  # why an image with cells is where it is;
    # gets the names of the classes, and those of the rare ones that some cells may be of
    brief: Callable[[Score], str]  # the same in a few letters
    method: str  # what the methods section of a paper says of the order
    offered: bool = True  # to the expert; else it is for simulations, by its name


def relevance(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by R_img, equation (8): :func:`rbcal.acquisition.relevance.relevance` of each image."""
    terms = _relevance_terms(pool, context)
    return by_value(_r(terms, context), terms)


def relevance_per_cell(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by R_img, equation (8), divided by the number of detected cells; 0 for an image without any."""
    terms = _relevance_terms(pool, context)
    n = pool.n_cells
    return by_value(_r(terms, context) / np.maximum(n, 1), {**terms, "cells": n})


def random(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order at random, by the seed: the baseline of every learning curve."""
    rng = np.random.default_rng([context.seed, *b"random"])
    return by_value(rng.uniform(size=pool.n_images), {})


def entropy(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the mean predictive entropy of the cells of an image."""
    of_image = pool.mean(pool.entropy)
    return by_value(of_image, {"entropy": of_image})


def entropy_sum(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the summed predictive entropy of the cells of an image: it prefers crowded images."""
    of_image = pool.total(pool.entropy)
    return by_value(of_image, {"entropy": pool.mean(pool.entropy), "cells": pool.n_cells})


def bald(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the mean mutual information of the cells (Houlsby et al. 2011, arXiv 1112.5745)."""
    of_image = pool.mean(pool.bald.astype(np.float64))
    return by_value(of_image, {"bald": of_image})


def boxal(pool: Pool, context: AcquisitionContext) -> Ranking:
    """Order by the mean certainty of the cells of an image, the least certain first; no cell: certain.

    References
    ----------
    Blok et al. 2024 (BoxAL, arXiv 2410.04880): certainty = (1 - H / Hmax) x mean IoU to the mean box x
    detection rate.
    """
    certainty = (1 - pool.entropy) * pool.agreement * pool.rate
    of_image = pool.mean(certainty, empty=1.0)
    return by_value(1 - of_image, {"certainty": of_image})


def _relevance_terms(pool: Pool, context: AcquisitionContext) -> dict[str, Reals]:
    """Return how many cells of each image fire each term of equation (8)."""
    scoring = context.scoring
    return {
        "class": pool.total(pool.u_c <= np.float32(scoring.alpha)),
        "box": pool.total(pool.u_d <= np.float32(scoring.beta)),
        "rare": pool.total(pool.u_r > 0),
    }


def _r(terms: dict[str, Reals], context: AcquisitionContext) -> Reals:
    return terms["class"] + terms["box"] + context.scoring.gamma * terms["rare"]


def explain_relevance(score: Score, _names: Sequence[str], rare_names: Sequence[str]) -> str:
    """Return how many cells fire each term of equation (8); `rare_names` are those that some may be of.

    >>> score = Score(relevance=30, n_cells=40, n_flagged=9, n_class=7, n_box=3, n_rare=2)
    >>> explain_relevance(score, ["D", "S.D"], ["S.D"])
    '7 cells unsure of class, 3 of box, 2 maybe S.D'
    """
    maybe = f"maybe {' or '.join(rare_names) or 'rare'}"
    terms = {"unsure of class": score.n_class, "unsure of box": score.n_box, maybe: score.n_rare}
    fired = [(n, words) for words, n in terms.items() if n]
    if not fired:
        return "the model is sure of every cell"
    (n, words), *others = fired
    parts = [f"{n} {words.removeprefix('unsure ')}" for n, words in others]
    return ", ".join([f"{n} cell{'s' * (n > 1)} {words}", *parts])


def explain_balanced(score: Score, names: Sequence[str], _rare_names: Sequence[str]) -> str:
    """Return the classes that the image is worth most for, how many cells to change, and the time.

    "may 0", "may 1", ... are the cells that may be of each class: those that a filter for the class counts.

    >>> terms = {"gain 0": 0.1, "gain 1": 0.3, "may 0": 4, "may 1": 2}
    >>> terms |= {"change": 3, "change_sd": 1, "minutes": 1}
    >>> explain_balanced(Score(0, 9, 0, 0, 0, 0, 0.4, terms), ["D", "S.D"], [])
    'maybe 2 S.D and 4 D, which are most needed, 3 (1 to 5) of 9 cells to change, 1 min 0 s of work'
    """
    terms = score.terms
    gains = sorted(range(len(names)), key=lambda k: -terms.get(f"gain {k}", 0.0))
    worth = [
        f"{terms[f'may {k}']:.0f} {names[k]}"
        for k in gains[:_NAMED]
        if terms.get(f"gain {k}", 0) > 0 and terms.get(f"may {k}", 0) > 0
    ]
    parts = [f"maybe {' and '.join(worth)}, which are most needed"] if worth else []
    if "change" in terms:
        changes = changes_words(terms["change"], terms.get("change_sd"), score.n_cells)
        parts += [f"{changes} of {score.n_cells} cells to change"]
        parts += [f"{duration(60 * terms['minutes'])} of work"]
    return ", ".join(parts) or f"{score.n_cells} cells"


def _share(score: Score, term: str) -> str:
    return f"{score.terms[term]:.0%}"


_BALANCED = Strategy(
    "balanced",
    sentence="Cells you would change, most of all of classes with few annotations, for each minute spent.",
    function=balanced,
    explain=explain_balanced,
    brief=lambda score: (
        f"~{score.terms['change']:.0f} of {score.n_cells} to change"
        if "change" in score.terms
        else f"{score.n_cells} cells"
    ),
    method="by the expected number of corrections, weighted towards classes with few annotations and "
    "towards cells unlike those already annotated, per expected minute of review",
)


def _ablation(name: str, sentence: str, function: AcquisitionFunction) -> Strategy:
    """Return `balanced` without one of its parts, to measure what that part is worth."""
    method = f"in the order of the strategy {name}"
    return replace(_BALANCED, name=name, sentence=sentence, function=function, method=method, offered=False)


_ENTRIES = (
    _BALANCED,
    Strategy(
        "relevance",
        sentence="The paper's equation (8): flagged cells, counted. It prefers crowded images.",
        function=relevance,
        explain=explain_relevance,
        brief=lambda score: f"R {score.relevance:.0f}",
        method="by the relevance of equation (8) of Sadafi et al., the number of flagged cells",
    ),
    Strategy(
        "relevance_per_cell",
        sentence="Equation (8), divided by the number of cells.",
        function=relevance_per_cell,
        explain=explain_relevance,
        brief=lambda score: f"R/cell {score.relevance / score.n_cells:.1f}",
        method="by the relevance of equation (8) of Sadafi et al. per detected cell",
    ),
    Strategy(
        "random",
        sentence="At random: what the others are measured against.",
        function=random,
        explain=lambda *_: "at random",
        brief=lambda score: f"{score.n_cells} cells",
        method="at random",
    ),
    Strategy(
        "entropy",
        sentence="Where the class of the cells is least certain, on average.",
        function=entropy,
        explain=lambda score, *_: f"the class of its cells is {_share(score, 'entropy')} open on average",
        brief=lambda score: f"class {_share(score, 'entropy')} open",
        method="by the mean predictive entropy of their cells",
    ),
    Strategy(
        "entropy_sum",
        sentence="Where the class is least certain, summed over the cells.",
        function=entropy_sum,
        explain=lambda score, *_: (
            f"{score.n_cells} cells, whose class is {_share(score, 'entropy')} open on average"
        ),
        brief=lambda score: f"class {_share(score, 'entropy')} open",
        method="by the summed predictive entropy of their cells",
    ),
    Strategy(
        "bald",
        sentence="Where the stochastic passes contradict each other most, on average.",
        function=bald,
        explain=lambda score, *_: (
            f"the passes contradict each other: mutual information {score.terms['bald']:.3f} on average"
        ),
        brief=lambda score: f"BALD {score.terms['bald']:.3f}",
        method="by the mean mutual information (BALD) of their cells",
    ),
    Strategy(
        "boxal",
        sentence="BoxAL: least certain of class, box and occurrence, on average.",
        function=boxal,
        explain=lambda score, *_: (
            f"{_share(score, 'certainty')} certain of class, box and occurrence on average"
        ),
        brief=lambda score: f"{_share(score, 'certainty')} certain",
        method="by the mean uncertainty of class, box and occurrence of their cells (BoxAL)",
    ),
    _ablation("balanced_plain", "Balanced, but all classes count alike.", partial(balanced, weights=False)),
    _ablation(
        "balanced_alike", "Balanced, but look-alikes are not avoided.", partial(balanced, diversity=False)
    ),
    _ablation("balanced_free", "Balanced, but minutes do not count.", partial(balanced, cost=False)),
)
STRATEGIES = {each.name: each for each in _ENTRIES}
DEFAULT_STRATEGY = "balanced"  # rare cells with a third of random's work: docs/benchmarks/choice_of_images.md


def offered() -> dict[str, str]:
    """Return the strategies that the expert may choose, and a sentence about each."""
    return {each.name: each.sentence for each in STRATEGIES.values() if each.offered}


def check_strategy(*names: str) -> None:
    """Raise a ScoringError if there is no strategy of one of these names."""
    if unknown := [name for name in names if name not in STRATEGIES]:
        raise ScoringError(f"There is no strategy {unknown[0]!r}. Choose one of: {', '.join(STRATEGIES)}.")


def explaining(name: str, score: Score) -> Strategy:
    """Return the strategy that explains a score: by default equation (8), as while none ordered the pool."""
    chosen = None if score.value is None else STRATEGIES.get(name)
    return chosen or STRATEGIES["relevance"]


def rank_pool(strategy: str, pool: Pool, context: AcquisitionContext) -> Ranking:
    """Return the ranking that a strategy gives the pool; a ScoringError if there is none of that name."""
    check_strategy(strategy)
    return STRATEGIES[strategy].function(pool, context)


def expected_gains(
    pool: Pool, context: AcquisitionContext, chances: Reals | None = None, spread: float = 1.0
) -> dict[str, Reals]:
    """Return what each image is expected to bring, whatever the strategy: (K,) each.

    "new 0", "new 1", ... are the cells of each class by the model's probabilities, "change" the cells that
    the expert would change, by their `chances` (N,), "change_sd" its standard deviation where an image varies
    `spread` times as much as independent cells, "minutes" the time of the expert. The last three are left out
    where nobody knows how often the model errs.
    """
    new = {f"new {k}": pool.total(pool.probs[:, k + 1]) for k in range(pool.n_classes)}
    if chances is None:
        return new
    change = pool.total(chances)
    minutes = context.cost_model.seconds(pool.n_cells, change) / 60
    sd = np.sqrt(spread * pool.total(chances * (1 - chances)))
    return {**new, "change": change, "change_sd": sd, "minutes": minutes}


def changes_words(change: float, sd: float | None, n_cells: int) -> str:
    """Return how many cells of some images are to be changed, and between what that lies in 95 of 100 cases.

    >>> changes_words(3.2, 1.5, 9), changes_words(3.2, None, 9)
    ('3 (0 to 6)', '3')
    """
    if sd is None:
        return f"{change:.0f}"
    return f"{change:.0f} ({max(0.0, change - 1.96 * sd):.0f} to {min(n_cells, change + 1.96 * sd):.0f})"
