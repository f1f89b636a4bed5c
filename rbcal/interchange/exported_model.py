"""An exported model, without its project: read its folder, and find the cells of a picture with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from rbcal.class_merges import Merges
from rbcal.config import ScoringConfig
from rbcal.detector import checkpoint, mc_dropout
from rbcal.detector.faster_rcnn import Detector
from rbcal.detector.mc_dropout import McDropout
from rbcal.errors import DamagedError, DetectorError
from rbcal.formats.pictures import Pixels, decode
from rbcal.interchange.export_model import DESCRIPTION, FORMAT, WEIGHTS
from rbcal.json_values import CONVERTER, reading
from rbcal.types import Detections, Floats, Prediction

_LARGEST_DESCRIPTION, _LARGEST_WEIGHTS = 10**7, 2 * 10**9  # bytes; VGG-16 takes 560 MB


@dataclass(frozen=True)
class _Class:
    """A class in the description of a model; cells of one that is merged count as those of another."""

    name: str
    rare: bool
    counts_as: str | None = None


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A detector, and what its classes mean.

    Parameters
    ----------
    detector : Detector
    class_names : sequence of str
        The names of the C classes; label k is the k-th.
    rare : sequence of int
        Labels of the rare classes.
    merges : Merges
        A merged class counts as its target in all that the model predicts.
    scoring : ScoringConfig
        How :meth:`predict` draws its passes; `score_cells` and `relevance` take the same.
    """

    detector: Detector
    class_names: Sequence[str]
    rare: Sequence[int] = ()
    merges: Merges = field(default_factory=Merges)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)

    def detect(self, pixels: Pixels) -> Detections:
        """Return the cells of an image (H, W, 3) uint8 from one pass without dropout, doubtful ones included.

        Returns
        -------
        Detections
            N cells: boxes (N, 4) in pixels, probs (N, C + 1), labels (N,), scores (N,).
        """
        detections = mc_dropout.detect(self.detector, pixels)
        return replace(detections, probs=self._probs(detections.probs))

    def predict(self, pixels: Pixels) -> Prediction:
        """Return the cells of an image (H, W, 3) uint8, and what T passes with dropout say of each.

        Returns
        -------
        Prediction
            detections: N cells, their probs the means over the passes; passes: boxes (T, N, 4) and probs
            (T, N, C + 1) of the same cells; embeddings: (N, D), what each cell looks like.
        """
        prediction = self._mc_dropout.predict(pixels)
        detections, passes = prediction.detections, prediction.passes
        return replace(
            prediction,
            detections=replace(detections, probs=self._probs(detections.probs)),
            passes=replace(passes, probs=self._probs(passes.probs)),
        )

    def _probs(self, probs: Floats) -> Floats:
        """Return distributions (..., C + 1) of classes as merged; one that came after the training has 0."""
        missing = max(len(self.class_names) + 1 - probs.shape[-1], 0)
        return self.merges.probs(np.pad(probs, [(0, 0)] * (probs.ndim - 1) + [(0, missing)]))

    @cached_property
    def _mc_dropout(self) -> McDropout:
        return McDropout(self.detector, self.scoring)


def load_model(
    folder: Path | str, *, scoring: ScoringConfig | None = None, device: str = "cpu"
) -> ExportedModel:
    """Return the model that `rbcal export` wrote into a folder; no code in it is run.

    Parameters
    ----------
    folder : path
        Holds model.safetensors and model.json.
    scoring : ScoringConfig, optional
        How many passes, and their thresholds; as in the app by default.
    device : str
        "cpu", "cuda", ... or "auto".

    Raises
    ------
    DetectorError
        If the folder holds no such model, or its files are damaged.
    """
    try:
        with reading(ExportedModel):
            description = json.loads(_read(Path(folder) / DESCRIPTION, _LARGEST_DESCRIPTION))
            weights = _read(Path(folder) / WEIGHTS, _LARGEST_WEIGHTS)
            written = description.get("format")
            classes = CONVERTER.structure(description["classes"], list[_Class]) if written == FORMAT else []
            names = [each.name for each in classes]
            steps = {k: names.index(each.counts_as) for k, each in enumerate(classes) if each.counts_as}
            merges = Merges.following(steps)
    except (OSError, DamagedError) as err:
        raise DetectorError(
            f"{folder} must hold {WEIGHTS} and {DESCRIPTION}, as they were written. Write them with: "
            f"rbcal export PROJECT {folder}"
        ) from err
    if written != FORMAT:
        raise DetectorError(f"{folder} must hold an {FORMAT!r}, but got {written!r:.80}.")
    detector = checkpoint.load(weights, device)
    if len(names) < detector.blueprint.n_classes:
        raise DetectorError(
            f"{folder} must name {detector.blueprint.n_classes} classes, but got {len(names)}."
        )
    rare = [label for label, each in enumerate(classes) if each.rare]
    return ExportedModel(detector, names, rare, merges, scoring or ScoringConfig())


def _read(path: Path, most: int) -> bytes:
    if path.stat().st_size > most:
        raise ValueError(f"{path.name} has more than {most:,} bytes.")
    return path.read_bytes()


def read_image(path: Path | str) -> Pixels:
    """Return the pixels (H, W, 3) uint8 of a picture file, as rbcal shows them to a model.

    Raises
    ------
    ImageError
        When it is damaged, too large, or of a kind that rbcal does not read.
    """
    return decode(Path(path).read_bytes())
