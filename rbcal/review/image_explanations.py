"""Why an image comes when it does: the terms of its score in words; what the next images will bring."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.acquisition.relevance import Score
from rbcal.acquisition.strategies import explaining
from rbcal.store.queue import QueueEntry
from rbcal.wording import duration

BATCH = 10  # images; what an expert reviews in one sitting


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
    if score is None:
        return "not scored yet"
    words = "nothing found"
    if score.n_cells:
        words = explaining(strategy, score).explain(score, names, entry.rare_names)
    if score.propensity is not None:
        words = f"drawn at random, to check the order itself ({words})"
    return words


def brief(strategy: str, score: Score | None) -> str:
    """Return what a strategy goes by in a few letters.

    >>> brief("relevance", Score(12, 40, 9, 7, 3, 1, value=12.0))
    'R 12'
    """
    if score is None:
        return "not scored"
    return explaining(strategy, score).brief(score) if score.n_cells else "nothing found"


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
