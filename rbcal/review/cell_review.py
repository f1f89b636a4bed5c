"""The cell walk: which cells come one after another, and what their spot checks said."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from rbcal.review.history import Shape

SPOT_SHARE = 0.05  # of the green boxes
SHEET = 12  # cells side by side


def is_spot_check(ranking_id: int, detection_id: int) -> bool:
    """Return whether a green box comes back to be checked: a random 5 % do, the same ones at every look."""
    return random.Random(f"{ranking_id}:{detection_id}").random() < SPOT_SHARE


def walk(shapes: Sequence[Shape], reds: Sequence[int], spots: Collection[int]) -> list[Shape]:
    """Return the cells of the walk: the flagged ones in the order of `reds`, then the spot checks.

    Parameters
    ----------
    shapes : sequence of Shape
        The boxes as they are; one that was deleted is not among them.
    reds : sequence of int
        The detections that are flagged, the most uncertain first.
    spots : collection of int
        The green detections drawn for a check. Each comes only after the green boxes were accepted at once:
        before that it is one that the expert has not vouched for.
    """
    found = {each.detection_id: each for each in shapes}
    asked = [
        detection for detection in spots if detection in found and found[detection].review_status != "open"
    ]
    return [found[detection] for detection in [*reds, *asked] if detection in found]


def waiting(cells: Sequence[Shape]) -> list[Shape]:
    """Return the cells of a walk that wait for the expert; a box accepted in bulk has not been seen."""
    return [each for each in cells if each.review_status in ("open", "accepted_in_bulk")]


def sheet(cells: Sequence[Shape]) -> list[Shape]:
    """Return the cells of the next sheet: of those that wait, the first ones of one class.

    Look-alikes side by side: the odd one stands out.
    """
    left = waiting(cells)
    return [each for each in left if each.label == left[0].label][:SHEET]


def spot_checks(shapes: Sequence[Shape], start: Sequence[Shape], spots: Collection[int]) -> dict[int, bool]:
    """Return for each spot check of an image, by its detection, whether the box was wrong.

    A box that is elsewhere, of another class or gone was wrong. An image counts whole or not at all: only
    once the expert has vouched for every green box and answered every check. Else the wrong ones, which are
    mended where they are seen, would count more often than the right ones.

    Parameters
    ----------
    start : sequence of Shape
        The boxes as the model left them.
    """
    unanswered = any(
        each.review_status in ("open", "accepted_in_bulk") for each in shapes if each.detection_id in spots
    )
    if unanswered or any(each.review_status == "open" and not each.flagged for each in shapes):
        return {}
    now = {each.detection_id: (each.box, each.label) for each in shapes}
    was = {each.detection_id: (each.box, each.label) for each in start}
    return {detection: now.get(detection) != was.get(detection) for detection in spots}
