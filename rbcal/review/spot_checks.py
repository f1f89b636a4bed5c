"""Spot checks: green boxes, drawn at random, that come back after a bulk accept; and what they said."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from rbcal.review.boxes import EditedBox

SPOT_SHARE = 0.05  # of the green boxes


def is_spot_check(ranking_id: int, detection_id: int) -> bool:
    """Return whether a green box comes back to be checked: a random 5 % do, the same ones each time."""
    return random.Random(f"{ranking_id}:{detection_id}").random() < SPOT_SHARE


def check_outcomes(
    boxes: Sequence[EditedBox], start: Sequence[EditedBox], spots: Collection[int]
) -> dict[int, bool]:
    """Return for each spot check of an image, by its detection, whether the box was wrong.

    A box that is elsewhere, of another class or gone was wrong. An image counts whole or not at all: only
    once the expert has vouched for every green box and answered every check. Else the wrong ones, which are
    mended where they are seen, would count more often than the right ones. One that was left unsure
    says nothing.

    Parameters
    ----------
    boxes : sequence of EditedBox
        As the expert left them.
    start : sequence of EditedBox
        As the model left them.
    spots : collection of int
        The detections drawn for a check.
    """
    unanswered = any(each.waits for each in boxes if each.detection_id in spots)
    if unanswered or any(each.review_status == "open" and not each.flagged for each in boxes):
        return {}
    now = {each.detection_id: (each.box, each.label) for each in boxes}
    was = {each.detection_id: (each.box, each.label) for each in start}
    unsure = {each.detection_id for each in boxes if each.review_status == "unsure"}
    return {
        detection: now.get(detection) != was.get(detection) for detection in spots if detection not in unsure
    }
