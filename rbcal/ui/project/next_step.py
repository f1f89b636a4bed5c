"""What the expert does next, in words, and on which page."""

from __future__ import annotations

from dataclasses import dataclass

from rbcal.store.images import Counts
from rbcal.store.models import Model
from rbcal.store.rankings import StoredRanking


@dataclass(frozen=True)
class Step:
    """What to do next, in words, and the page to do it on with what its button says.

    Page and button are None where it is done on the page that shows this.
    """

    words: str
    page: str | None = None
    button: str | None = None


def next_step(
    counts: Counts, model: Model | None, ranking: StoredRanking | None, *, is_training: bool = False
) -> Step:
    """Return what brings the project on from where it is."""
    if not counts.images:
        return Step("Import images, and boxes if you have some.")
    if not counts.annotated_cells:
        return Step(
            "No cell is annotated yet. Let cells be boxed by their outline and name them, or import boxes.",
            "review",
            "Name the cells of the first image",
        )
    if model is None and is_training:
        return Step(
            "The first model is in training. Look at your images and classes meanwhile. When it has sorted "
            "them, the cells worth your time come first.",
            "train",
            "Watch the training",
        )
    if model is None:
        return Step(
            f"{counts.annotated_cells:,} cells on {counts.annotated_images:,} images are annotated. "
            "Train the first model.",
            "train",
            "Train the first model",
        )
    fresh = counts.annotated_cells - model.n_cells
    if not counts.pool_images:
        return Step(
            "Every image is reviewed. Import more, or look at the progress.", "progress", "See the progress"
        )
    if (ranking is None or ranking.stale) and is_training:
        return Step(
            "The model sorts the images. Then the cells worth your time come first.", "train", "Watch it"
        )
    if ranking is None or ranking.stale:
        return Step(
            "Let the model sort the images that wait, so that those come first that are worth most.",
            "train",
            "Sort the images",
        )
    if fresh > 0:
        return Step(
            f"{fresh:,} cells are new since the last training. Review more images, or train again.",
            "review",
            "Review the next cells",
        )
    return Step("The images are sorted. Review what comes first.", "review", "Review the ranked cells")
