"""Which groups become the frozen test set, and which images keep their boxes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from rbcal.errors import ProjectError, SplitError
from rbcal.evaluation.metrics import FEWEST_TEST_CELLS
from rbcal.interchange.import_items import ImportItem
from rbcal.store.images import Split
from rbcal.store.project import Project
from rbcal.types import Ints
from rbcal.wording import count

_DRAWS = 500  # of which the best is taken: a tenth of a second for 1,000 slides
_RARE = 3.0  # how much more a rare class counts in that


def draw_test_groups(
    items: Sequence[ImportItem],
    splits: Mapping[str, Split],
    fraction: float,
    seed: int,
    complaints: list[str],
) -> set[str]:
    """Return the frozen test groups: those of before, those that the files name, else a draw."""
    if not 0 <= fraction < 1:
        raise ProjectError(f"The test fraction must be at least 0 and below 1, but got {fraction:g}.")
    frozen = {name for name, split in splits.items() if split == "test"}
    named = {each.group for each in items if each.image.split == "test"} - splits.keys()
    if named and not frozen:
        if "work" not in splits.values():
            _check_rest(items, named)
        complaints += [
            f"{each.image.file_name}: it is in the test set, with the rest of its group {each.group}"
            for each in items
            if each.group in named and each.image.split != "test"
        ]
        return named
    if frozen and fraction:
        complaints.append(f"the test set was drawn at set-up ({len(frozen)} groups) and stays as it is")
    if frozen or not fraction:
        return frozen
    eligible = sorted({each.group for each in items if each.image.is_annotated} - splits.keys())
    if len(eligible) < 2 and any(each.existing and each.image.is_annotated for each in items):
        return set()  # boxes for images that are there: it is drawn once they have them
    if len(eligible) < 2:
        raise SplitError(
            "A test set is drawn by group (slide or patient), so it needs at least 2 new groups with boxes; "
            f"found {len(eligible)}. Give the images groups, let every image stand alone, or "
            "import without drawing a test set."
        )
    n_test = min(max(round(fraction * len(eligible)), 1), len(eligible) - 1)
    return set(random.Random(f"test {seed}").sample(eligible, n_test))


def _check_rest(items: Sequence[ImportItem], named: set[str]) -> None:
    """Refuse a test set of the files that leaves nothing to train on."""
    rest = [each for each in items if each.group not in named]
    annotated = [each for each in items if each.image.is_annotated]
    drawn_in = [each for each in annotated if each.group in named and each.image.split != "test"]
    if not rest or (drawn_in and {each.group for each in annotated} <= named):
        raise SplitError(
            f"The files put images of {count(len(named), 'slide')} into the test set, and with the other "
            "images of the same slide nothing is left to train on. Give each slide a folder of its own; or "
            "let every image stand alone; or leave the test set of the files out; or import the images to "
            "train on first."
        )


def draw_annotated(
    items: Sequence[ImportItem], test_groups: set[str], seed_images: int | None, seed: int
) -> set[str]:
    """Return the digests of the images that keep their boxes: all test images, and the seed set."""
    annotated = sorted(
        (each.image.file_name, each.sha256, each.group) for each in items if each.image.is_annotated
    )
    test = {sha256 for _, sha256, group in annotated if group in test_groups}
    work = [sha256 for _, sha256, group in annotated if group not in test_groups]
    if seed_images is None:
        return test.union(work)
    if not 0 <= seed_images <= len(work):
        raise ProjectError(
            f"{seed_images} seed images were asked for, but there are {len(work)} images with boxes outside "
            "the test set. Ask for fewer."
        )
    return test.union(random.Random(f"seed {seed}").sample(work, seed_images))


def redraw(project: Project, fraction: float, seed: int) -> None:
    """Draw the test set anew among the groups with annotated images; other groups stay where they are.

    Raises
    ------
    ProjectError
        When a model was trained already, or there are not two such groups.
    """
    cells = project.splits.cells_by_group()
    if len(cells) < 2:
        raise ProjectError(
            "A test set is drawn by slide, so it needs at least 2 slides with annotated images."
        )
    ids = list(cells)
    drawn = balanced_draw(np.stack(list(cells.values())), project.classes.rare_labels(), fraction, seed)
    test = {ids[place] for place in drawn}
    with project.transaction():
        before = project.splits.test_groups() & cells.keys()
        project.splits.move(sorted(before - test), "work")
        project.splits.move(sorted(test - before), "test")
        project.splits.grow(0)


def undo_draw(project: Project, every: int) -> int:
    """Put a test set of which nothing came back to work, and return how many images that moves.

    It grows as it did before: each so many-th annotated image is a test image. Once a model was trained,
    the images stay where they are.
    """
    with project.transaction():
        project.splits.grow(every)
        if project.splits.is_frozen():
            return 0
        moved = sum(each.images for each in project.images.groups() if each.split == "test")
        project.splits.move(sorted(project.splits.test_groups()), "work")
    return moved


def balanced_draw(cells: Ints, rare: Sequence[int], fraction: float, seed: int) -> list[int]:
    """Return which groups become the test set: of many random draws the one that serves the classes best.

    Each class should have 20 test cells, or half of its cells if it has fewer than 40, and keep half of them
    to learn from. What is missing counts as a share of that; for a rare class three times.

    Parameters
    ----------
    cells : (G, C) int64
        Of each class in each group; G >= 2.
    rare : sequence of int
        Labels of the rare classes.
    fraction : float in (0, 1)
        Of the groups; at least one is drawn, and one is left.
    seed : int

    >>> balanced_draw(np.array([[9, 0], [9, 0], [8, 2], [8, 2]]), [1], 0.25, seed=0) in ([2], [3])
    True
    """
    n_groups = len(cells)
    n_test = min(max(round(fraction * n_groups), 1), n_groups - 1)
    total = cells.sum(axis=0)
    wanted = np.minimum(FEWEST_TEST_CELLS, total / 2).clip(1e-9)
    weight = np.where(np.isin(np.arange(cells.shape[1]), rare), _RARE, 1.0) * (total > 0)
    rng = np.random.default_rng([seed, *b"test set"])

    def shortage(drawn: Ints) -> float:
        test = cells[drawn].sum(axis=0)
        missing = (1 - test / wanted).clip(0) + (1 - (total - test) / (total / 2).clip(1e-9)).clip(0)
        return float(weight @ missing)

    draws = [rng.permutation(n_groups)[:n_test] for _ in range(_DRAWS)]
    return sorted(min(draws, key=shortage).tolist())
