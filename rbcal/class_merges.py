"""Merged classes: a label that counts as another one, in annotations and in what models find.

Nothing that is stored is rewritten. The targets are applied where labels and probabilities are read, so that
a merge can be taken back, and a model that was trained before it is read as if it knew of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rbcal.errors import RESTORE, DamagedError
from rbcal.types import Floats, Ints, Prediction


@dataclass(frozen=True)
class Merges:
    """Which labels count as which: `targets` are labels that count for themselves.

    >>> merges = Merges({2: 0})
    >>> [merges.target(label) for label in (0, 1, 2)]
    [0, 1, 0]
    """

    targets: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def following(cls, steps: Mapping[int, int]) -> Merges:
        """Return the merges that some steps come to: 2 into 1 and 1 into 0 is 2 into 0.

        >>> Merges.following({2: 1, 1: 0}).targets
        {2: 0, 1: 0}

        Raises
        ------
        DamagedError
            When they go in a circle, which no merge of ours does.
        """
        ends = dict(steps)
        for _ in steps:  # the longest way has that many steps
            ends = {label: steps.get(end, end) for label, end in ends.items()}
        if ends.keys() & ends.values():
            raise DamagedError(f"The project file is damaged: classes are merged in a circle. {RESTORE}")
        return cls(ends)

    def __bool__(self) -> bool:
        """Whether any class is merged."""
        return bool(self.targets)

    def target(self, label: int) -> int:
        """Return the label that one counts as."""
        return self.targets.get(label, label)

    def members(self, label: int) -> list[int]:
        """Return the labels that count as one, itself included where it counts for itself."""
        own = [] if label in self.targets else [label]
        return own + sorted(each for each, target in self.targets.items() if target == label)

    def labels(self, labels: Ints) -> Ints:
        """Return the labels (N,) that some count as."""
        counted = labels.copy()
        for label, target in self.targets.items():
            counted[labels == label] = target
        return counted

    def probs(self, probs: Floats) -> Floats:
        """Return distributions in which merged classes have given their share to their targets.

        Parameters
        ----------
        probs : (..., C + 1) float32
            Background first; each row sums to 1.

        Returns
        -------
        (..., C' + 1) float32
            C' is C, or more where a target is younger than the model.
        """
        within = {label: target for label, target in self.targets.items() if label + 1 < probs.shape[-1]}
        if not within:
            return probs
        missing = max(max(within.values()) + 2 - probs.shape[-1], 0)
        folded = np.pad(probs, [(0, 0)] * (probs.ndim - 1) + [(0, missing)])
        for label, target in within.items():
            folded[..., target + 1] += folded[..., label + 1]
        folded[..., [label + 1 for label in within]] = 0
        return folded

    def prediction(self, prediction: Prediction) -> Prediction:
        """Return a prediction in which merged classes count as their targets."""
        detections, passes = prediction.detections, prediction.passes
        return replace(
            prediction,
            detections=replace(detections, probs=self.probs(detections.probs)),
            passes=replace(passes, probs=self.probs(passes.probs)),
        )


NOTHING_MERGED = Merges()
