"""What the expert does next, and how long things take, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rbcal.store.images import Counts
from rbcal.store.models import Model
from rbcal.store.rankings import StoredRanking


@dataclass(frozen=True)
class Step:
    """What to do next, in words, and the page to do it on; None where it is the one that shows this."""

    words: str
    page: str | None


def next_step(counts: Counts, model: Model | None, ranking: StoredRanking | None) -> Step:
    """Return what brings the project on from where it is."""
    if not counts.images:
        return Step("Import images, and boxes if you have some.", None)
    if not counts.annotated_cells:
        return Step(
            "No cell is annotated yet. Draw the boxes of a few images by hand, or import boxes.", "review"
        )
    if model is None:
        return Step(
            f"{counts.annotated_cells:,} cells on {counts.annotated_images} images are annotated. "
            "Train the first model.",
            "train",
        )
    fresh = counts.annotated_cells - model.n_cells
    if not counts.pool_images:
        return Step("Every image is reviewed. Import more, or look at the progress.", "progress")
    if ranking is None or ranking.stale:
        return Step("Let the serving model score the pool, so that the best images come first.", "train")
    if fresh > 0:
        return Step(
            f"{fresh:,} cells are new since the last training. Review more images, or train again.", "review"
        )
    return Step("The pool is ranked. Review the images at the top.", "review")


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(42.4), duration(200), duration(7300)
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(n: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun.

    >>> count(1, "image"), count(2441, "cell"), count(3, "class", "classes")
    ('1 image', '2,441 cells', '3 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int | None = None, comma: str = ", ") -> str:
    """Return names as a sentence has them; those beyond `most` are counted.

    >>> listed(["S.D"]), listed(["S.D", "E.F"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('S.D', 'S.D and E.F', 'a, b and c', 'a and 2 more')
    """
    shown = list(names[:most])
    if len(shown) < len(names):
        shown.append(f"{len(names) - len(shown)} more")
    last = " and " if comma == ", " else f"{comma}and "
    return last.join([comma.join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def percent(part: int, whole: int) -> str:
    """Return a part as per cent of the whole; a dash where there is nothing to be part of."""
    return f"{part / whole:.0%}" if whole else "–"
