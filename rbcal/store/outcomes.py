"""What became of predicted cells: whether the expert kept, changed or deleted them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rbcal.acquisition.uncertainty import uncertainty_features
from rbcal.store.classes import read_merges
from rbcal.store.database import Database
from rbcal.store.log import NOT_NAMED
from rbcal.types import Bools, Floats, Ints, Reals

# Of the model whose boxes the expert began with, and what holds of them now: answers come screen by screen,
# and some are taken back.
_OUTCOMES = """
SELECT review.image_id, model_id, detection.probs, bald, agreement, rate, class_id, review_status, wrong,
  propensity
FROM review JOIN image ON image.id = review.image_id AND split = 'work'
JOIN ranking ON ranking.id = review.ranking_id
JOIN current_review AS latest ON latest.image_id = review.image_id AND latest.origin = 'expert'
JOIN detection ON detection.ranking_id = review.ranking_id AND detection.image_id = review.image_id
LEFT JOIN annotation ON annotation.review_id = latest.id
  AND annotation.detection_id = detection.id
LEFT JOIN spot_check ON spot_check.review_id = review.id
  AND spot_check.detection_id = detection.id
LEFT JOIN score ON score.ranking_id = review.ranking_id AND score.image_id = review.image_id
WHERE review.origin = 'expert' AND review.revision = 1 AND bald IS NOT NULL
ORDER BY review.id, detection.id
"""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of N predicted cells, review after review.

    Parameters
    ----------
    image : (N,) int64
        The id of its image.
    model : (N,) int64
        The number of the model that predicted it.
    probs : (N, C + 1) float32
    bald, agreement, rate : (N,) float32
        What the model said of its uncertainty then.
    label : (N,) int64
        The class that the expert left it with; -1: it was deleted.
    changed : (N,) bool
        The expert gave it another class, moved its box or deleted it.
    read : (N,) bool
        The expert reviewed this very cell: it was kept, changed, deleted or a spot check. A cell that was
        accepted in bulk, saved while open, or left unsure, tells nothing about the model's uncertainty.
    answered : (N,) bool
        The same, or it was accepted in bulk: it was not left open or unsure.
    check : (N,) bool
        It was a spot check: drawn at random among the green cells of the image.
    audit : (N,) bool
        The image was drawn at random, not chosen.
    """

    image: Ints
    model: Ints
    probs: Floats
    bald: Floats
    agreement: Floats
    rate: Floats
    label: Ints
    changed: Bools
    read: Bools
    answered: Bools
    check: Bools
    audit: Bools

    @classmethod
    def none(cls) -> Outcomes:
        """Return the outcomes of no review."""
        numbers, flags, ids = np.empty(0, np.float32), np.empty(0, bool), np.empty(0, np.int64)
        matrix = np.empty((0, 2), np.float32)
        return cls(ids, ids, matrix, numbers, numbers, numbers, ids, flags, flags, flags, flags, flags)

    def __len__(self) -> int:
        return len(self.image)

    @property
    def uncertainty(self) -> Reals:
        """(N, 4) in [0, 1]: the features of each cell when it was predicted."""
        return uncertainty_features(self.probs, self.bald, self.agreement, self.rate)


def read_outcomes(database: Database) -> Outcomes:
    """Return what became by now of the model's cells that the expert began each image with, in order of time.

    Test images are left out: nothing that chooses what to annotate learns from them.
    """
    rows = database.tuples(_OUTCOMES)
    if not rows:
        return Outcomes.none()
    merges = read_merges(database)
    image, model, probs, bald, agreement, rate, label, status, wrong, propensity = zip(*rows, strict=True)
    widened = _widened([merges.probs(np.frombuffer(each, "<f4")) for each in probs])
    label = tuple(None if each is None else merges.target(each) for each in label)
    predicted = widened[:, 1:].argmax(axis=1)
    acts = list(zip(wrong, label, status, strict=True))
    return Outcomes(
        image=np.array(image, np.int64),
        model=np.array(model, np.int64),
        probs=widened,
        bald=np.array(bald, np.float32),
        agreement=np.array(agreement, np.float32),
        rate=np.array(rate, np.float32),
        label=np.array([-1 if each is None else each for each in label], np.int64),
        changed=np.array([_is_changed(*act, was) for act, was in zip(acts, predicted, strict=True)]),
        read=np.array([_is_read(*act) for act in acts]),
        answered=np.array([wrong is not None or status not in NOT_NAMED for wrong, _, status in acts]),
        check=np.array([each is not None for each in wrong]),
        audit=np.array([each is not None for each in propensity]),
    )


def _widened(probs: list[Floats]) -> Floats:
    """Return distributions (N, C + 1), padded with 0: a class may have joined meanwhile."""
    widened = np.zeros((len(probs), max(map(len, probs))), np.float32)
    for row, each in zip(widened, probs, strict=True):
        row[: len(each)] = each
    return widened


def _is_changed(wrong: int | None, label: int | None, status: str | None, predicted: int) -> bool:
    """Return whether the expert changed a cell; `wrong` is the answer where it was a spot check."""
    if wrong is not None:
        return bool(wrong)
    return label is None or status == "changed" or bool(label != predicted)


def _is_read(wrong: int | None, label: int | None, status: str | None) -> bool:
    return wrong is not None or label is None or status not in (*NOT_NAMED, "accepted_in_bulk")
