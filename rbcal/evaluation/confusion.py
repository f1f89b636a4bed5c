"""Which class was predicted for which annotated class: the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Self

import numpy as np

from rbcal.evaluation.matching import CELL, match, named
from rbcal.types import Annotations, Detections, Floats, Ints


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each annotated class was predicted as each class; correct cells are on the diagonal.

    Parameters
    ----------
    counts : (C + 1, C + 1) int64
        A row is an annotated class, the last one "nothing annotated"; a column is a predicted class, the last
        one "missed".
    """

    counts: Ints

    @classmethod
    def of(cls, pairs: Iterable[tuple[Annotations, Detections]], n_classes: int) -> Self:
        """Count the cells of a test set.

        Parameters
        ----------
        pairs : iterable of (Annotations, Detections)
            One pair per image; detections that are probably background take no part, nor do cells that nobody
            named.
        n_classes : int
            C; also of classes that are younger than the detector.
        """
        counts = np.zeros((n_classes + 1, n_classes + 1), np.int64)
        for truth, detections in starmap(named, pairs):
            matched = match(truth, detections, cell_threshold=CELL)
            labels = np.append(detections.labels, n_classes)  # the last stands for the index -1: missed
            np.add.at(counts, (truth.labels, labels[matched.annotation]), 1)
            np.add.at(counts[-1], detections.labels[matched.false], 1)
        return cls(counts)

    def among(self, labels: Sequence[int]) -> Self:
        """Return the matrix of some classes, in their order."""
        places = [*labels, len(self.counts) - 1]
        return type(self)(self.counts[np.ix_(places, places)])

    @property
    def shares(self) -> Floats:
        """Each count as a part of its row."""
        return self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)

    @property
    def cells(self) -> tuple[int, ...]:
        """Annotated cells of each class."""
        return tuple(self.counts[:-1].sum(axis=1).tolist())

    @property
    def named(self) -> tuple[int, ...]:
        """Detections that are named as each class, also doubles and those where nothing is annotated."""
        return tuple(self.counts[:, :-1].sum(axis=0).tolist())

    @property
    def correct(self) -> tuple[int, ...]:
        """Annotated cells of each class that are named so."""
        return tuple(self.counts[:-1, :-1].diagonal().tolist())

    @property
    def n_annotated(self) -> int:
        """Annotated cells."""
        return int(self.counts[:-1].sum())

    @property
    def n_missed(self) -> int:
        """Annotated cells that no detection is of."""
        return int(self.counts[:-1, -1].sum())

    @property
    def n_correct(self) -> int:
        """Annotated cells whose class was predicted."""
        return int(self.counts[:-1, :-1].trace())

    @property
    def n_confused(self) -> int:
        """Annotated cells that were predicted as another class."""
        return self.n_annotated - self.n_missed - self.n_correct

    @property
    def n_false(self) -> int:
        """Detections where nothing is annotated."""
        return int(self.counts[-1].sum())
