"""Why an image comes when it does: the terms of its score in words; what the next images will bring."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.review.explanations import relevance_words
from rbcal.store.queue import QueueEntry
from rbcal.store.rankings import Score
from rbcal.wording import duration

BATCH = 10  # images; what an expert reviews in one sitting
_NAMED = 2  # classes


def why(strategy: str, entry: QueueEntry, names: Sequence[str]) -> str:
    """Return in a phrase why an image is where the strategy put it.

    Parameters
    ----------
    strategy : str
        That ordered the queue.
    entry : QueueEntry
    names : C str
        Of the classes.

    >>> score = Score(12, 40, 9, 7, 3, 1, value=0.3, terms={"entropy": 0.312})
    >>> why("entropy", QueueEntry(1, "a.png", score), ["S.D"])
    'the class of its cells is 31% open on average'
    """
    score = entry.score
    if score is None or score.value is None or strategy in ("relevance", "relevance_per_cell"):
        words = relevance_words(score, entry.rare_names)
    elif not score.n_cells:
        words = "nothing found"
    else:
        words = _reason(strategy, score, names)
    if score is not None and score.propensity is not None:
        words = f"drawn at random, to check the order itself ({words})"
    return words


def brief(strategy: str, score: Score | None) -> str:
    """Return what a strategy goes by in a few letters.

    >>> brief("relevance", Score(12, 40, 9, 7, 3, 1, value=12.0))
    'R 12'
    """
    if score is None:
        return "not scored"
    if not score.n_cells:
        return "nothing found"
    value = score.relevance if score.value is None else score.value
    match strategy:
        case "random":
            return f"{score.n_cells} cells"
        case "relevance_per_cell":
            return f"R/cell {value:.1f}"
        case "entropy" | "entropy_sum":
            return f"class {score.terms.get('entropy', 0):.0%} open"
        case "bald":
            return f"BALD {value:.3f}"
        case "boxal":
            return f"{1 - value:.0%} certain"
        case _ if strategy.startswith("balanced") and score.value is not None:
            return f"~{score.terms.get('change', 0):.0f} of {score.n_cells} to change"
        case _:
            return f"R {score.relevance:.0f}"


def batch_words(entries: Sequence[QueueEntry], names: Sequence[str], rare: Sequence[int]) -> str:
    """Return what the next images are expected to bring, and what they cost of the expert's time.

    >>> score = Score(12, 40, 9, 7, 3, 1, 0.3, {"new 0": 38.2, "new 1": 1.8, "change": 6, "minutes": 1.5})
    >>> batch_words([QueueEntry(1, "a.png", score)], ["D", "S.D"], rare=[1])
    'The next image: about 40 cells (S.D 2), 6 of them to change, 1 min 30 s'
    """
    scores = [entry.score for entry in entries[:BATCH] if entry.score is not None and entry.score.terms]
    if not scores:
        return ""
    total = {name: sum(score.terms.get(name, 0.0) for score in scores) for name in scores[0].terms}
    named = ", ".join(
        f"{names[k]} {total[f'new {k}']:.0f}" for k in rare if total.get(f"new {k}", 0.0) >= 0.5
    )
    which = "The next image" if len(scores) == 1 else f"The next {len(scores)} images"
    n_cells = sum(score.n_cells for score in scores)
    return (
        f"{which}: about {n_cells} cells{f' ({named})' if named else ''}, {total['change']:.0f} of them to "
        f"change, {duration(60 * total['minutes'])}"
    )


def _reason(strategy: str, score: Score, names: Sequence[str]) -> str:
    terms = score.terms
    match strategy:
        case "random":
            return "at random"
        case "entropy":
            return f"the class of its cells is {terms['entropy']:.0%} open on average"
        case "entropy_sum":
            return f"{score.n_cells} cells, whose class is {terms['entropy']:.0%} open on average"
        case "bald":
            return f"the passes contradict each other: mutual information {terms['bald']:.3f} on average"
        case "boxal":
            return f"{terms['certainty']:.0%} certain of class, box and occurrence on average"
        case _:
            return _balanced(score, names)


def _balanced(score: Score, names: Sequence[str]) -> str:
    """Name the classes that the image is worth most for, what is to be mended, and the time."""
    terms = score.terms
    gains = sorted(range(len(names)), key=lambda k: -terms.get(f"gain {k}", 0.0))
    worth = [
        f"{terms[f'new {k}']:.0f} {names[k]}"
        for k in gains[:_NAMED]
        if terms.get(f"gain {k}", 0) > 0 and terms[f"new {k}"] >= 0.5
    ]
    parts = [f"about {' and '.join(worth)}, which are most needed"] if worth else []
    parts.append(f"{terms['change']:.0f} of {score.n_cells} cells to change")
    parts.append(f"{duration(60 * terms['minutes'])} of work")
    return ", ".join(parts)
