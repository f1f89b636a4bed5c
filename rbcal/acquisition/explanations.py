"""Why a strategy puts an image where it is: the terms of its score in words."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.acquisition.relevance import Score
from rbcal.wording import duration

_NAMED = 2  # classes


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

    >>> terms = {"gain 0": 0.1, "gain 1": 0.3, "new 0": 4.0, "new 1": 2.4, "change": 3, "minutes": 1}
    >>> explain_balanced(Score(0, 9, 0, 0, 0, 0, 0.4, terms), ["D", "S.D"], [])
    'about 2 S.D and 4 D, which are most needed, 3 of 9 cells to change, 1 min 0 s of work'
    """
    terms = score.terms
    gains = sorted(range(len(names)), key=lambda k: -terms.get(f"gain {k}", 0.0))
    worth = [
        f"{terms[f'new {k}']:.0f} {names[k]}"
        for k in gains[:_NAMED]
        if terms.get(f"gain {k}", 0) > 0 and terms[f"new {k}"] >= 0.5
    ]
    needed = f"about {' and '.join(worth)}, which are most needed, " if worth else ""
    work = (
        f"{terms['change']:.0f} of {score.n_cells} cells to change, {duration(60 * terms['minutes'])} of work"
    )
    return needed + work
