"""Settings of training and scoring: frozen, JSON-serialisable, stored beside every result they produced."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np

from rbcal.errors import ProjectError, ScoringError, TrainingError

Backbone = Literal["efficientnet_lite0", "vgg16"]
Initialisation = Literal["auto", "serving", "imagenet", "random"]
BACKBONES: tuple[Backbone, ...] = get_args(Backbone)


class _Config:
    """JSON in, JSON out; unknown keys are an error, since a typing slip must not train something else."""

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON-serialisable values."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Self:
        """Return the settings that :meth:`to_json` wrote."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        if unknown := settings.keys() - known:
            raise ProjectError(f"{cls.__name__} has no setting {sorted(unknown)[0]!r}.")
        return cls(**settings)


@dataclass(frozen=True)
class TrainConfig(_Config):
    """How a detector is built and trained."""

    backbone: Backbone = "efficientnet_lite0"  # ImageNet weights come with the installation
    init: Initialisation = "auto"  # on from the serving model if its backbone is this one, else ImageNet
    weights: str | None = None  # a file with the backbone's ImageNet weights, for vgg16 offline
    steps: int = 0  # 0: as many as :func:`suggested_steps` says
    batch_size: int = (
        2  # two pictures of 640 x 640 fit any machine; more steps teach more than larger batches
    )
    learning_rate: float = 3e-4  # AdamW at its peak; a tenth of it for the pretrained backbone
    weight_decay: float = 0.05  # AdamW's usual value for fine-tuning
    warmup: float = 0.1  # share of the steps with a rising rate, while the new layers are still noise
    crop: int = 640  # pixels at working scale: a step on a large image costs what one on a small image costs
    jitter: float = 0.2  # of light and contrast, a third of it of tint: slides differ in stain and lamp
    scale_jitter: float = 0.1  # cells of one slide differ that much, slides of one lab hardly more
    rare_repeat: float = 0.0  # images with a class that fewer images have are seen more often; 0: off
    validation: float = 0.15  # share of the annotated images that picks the weights instead of teaching
    seed: int = 0
    device: str = "auto"  # "auto": a GPU if there is one, else the CPU

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise TrainingError(f"There is no backbone {self.backbone!r}; choose {' or '.join(BACKBONES)}.")
        if self.init not in get_args(Initialisation):
            raise TrainingError(
                f"Weights start from 'auto', 'serving', 'imagenet' or 'random', but got {self.init!r}."
            )
        if self.steps < 0 or self.batch_size < 1:
            raise TrainingError("Training needs at least 1 step and a batch of at least 1 image.")
        if not 0 < self.learning_rate <= 1:
            raise TrainingError(f"A learning rate is above 0 and at most 1, but got {self.learning_rate}.")
        if self.seed < 0:
            raise TrainingError(f"A seed is 0 or larger, but got {self.seed}.")
        if not (0 <= self.rare_repeat <= 1 and 0 <= self.validation <= 0.5):
            raise TrainingError("rare_repeat is a share from 0 to 1, validation one from 0 to 0.5.")


def suggested_steps(n_images: int, init: Initialisation) -> int:
    """Return how many steps n annotated images warrant; measured in docs/benchmarks.md.

    >>> [suggested_steps(n, "imagenet") for n in (1, 12, 48, 300)], suggested_steps(300, "serving")
    ([300, 300, 600, 1200], 300)
    """
    if init == "serving":
        return 300  # earlier rounds have done the others
    return int(np.clip(round(300 * math.sqrt(n_images / 12), -1), 300, 1200))


@dataclass(frozen=True)
class ScoringConfig(_Config):
    """How the cells of an image are scored; the thresholds of equations (7) and (8)."""

    passes: int = 20  # N; (6) is noisy with fewer: sd 0.14 at N = 10 for a true top probability of 0.7
    alpha: float = 0.80  # the paper's, on U^c
    beta: float = 0.90  # the paper's, on U^d
    gamma: float = 10.0  # the paper's, weight of U^r
    rare_threshold: float = 0.2  # the paper's, equation (7)
    cell_threshold: float = 0.5  # shown to the expert when more probably a cell than background
    seed: int = 0

    def __post_init__(self) -> None:
        if self.passes < 2:
            raise ScoringError(f"U^d (5) compares passes, so it needs at least 2; got {self.passes}.")
