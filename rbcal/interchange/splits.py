"""Which groups become the frozen test set, and which images keep their boxes: draws at an import."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from rbcal.errors import ProjectError, SplitError
from rbcal.interchange.import_items import ImportItem
from rbcal.store.images import Split
from rbcal.wording import count


def draw_test_groups(
    items: Sequence[ImportItem],
    splits: Mapping[str, Split],
    fraction: float,
    seed: int,
    complaints: list[str],
) -> set[str]:
    """Return the frozen test groups: those of before, those that the files name, else a draw."""
    if not 0 <= fraction < 1:
        raise ProjectError(f"The test fraction F must lie in 0 <= F < 1, but got {fraction:g}.")
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
