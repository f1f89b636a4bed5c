"""Annotated images, as a simulation gets them: some play the pool, the others are the test set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rbcal.formats.pictures import Pixels, decode
from rbcal.types import Annotations, Ints


@dataclass(frozen=True, eq=False)
class Corpus:
    """Annotated images: those to work with, and those of the test set."""

    ids: Sequence[int]  # in the project
    contents: Sequence[bytes]  # the files
    layers: Sequence[str]  # which layer of each file
    truths: Sequence[Annotations]
    is_test: Sequence[bool]
    n_classes: int
    rare: tuple[int, ...]

    @cached_property
    def trainable(self) -> list[int]:
        """Positions of the images to work with."""
        return [k for k, test in enumerate(self.is_test) if not test]

    @cached_property
    def test(self) -> list[int]:
        """Positions of the images of the test set."""
        return [k for k, test in enumerate(self.is_test) if test]

    def pixels(self, k: int) -> Pixels:
        """Return the pixels of an image."""
        return decode(self.contents[k], self.layers[k])

    def counts(self, positions: Sequence[int]) -> Ints:
        """Return the annotated cells of each class in some images, (C,)."""
        labels = np.concatenate([self.truths[k].labels for k in positions])
        return np.bincount(labels, minlength=self.n_classes)

    @cached_property
    def sha256(self) -> str:
        """What determines the outcome: images, annotations, test set, rare classes."""
        digest = hashlib.sha256(repr((self.n_classes, self.rare)).encode())
        images = zip(self.contents, self.layers, self.truths, self.is_test, strict=True)
        for content, layer, truth, test in images:
            digest.update(hashlib.sha256(content).digest())
            digest.update(repr((layer, test, truth.labels.tolist(), truth.boxes.tolist())).encode())
        return digest.hexdigest()
