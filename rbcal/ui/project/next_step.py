"""What the expert does next, in words, and on which page."""

from __future__ import annotations

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
