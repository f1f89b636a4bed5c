"""Settings of training and scoring: frozen, JSON-serialisable, stored beside every result they produced."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from rbcal.errors import ProjectError, ScoringError, TrainingError

Backbone = Literal["efficientnet_lite0", "vgg16"]
Initialisation = Literal["imagenet", "random"]
BACKBONES: tuple[str, ...] = get_args(Backbone)


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
    init: Initialisation = "imagenet"  # "random" only when asked for by name
    weights: str | None = None  # a file with the backbone's ImageNet weights, for vgg16 offline
    steps: int = 300
    batch_size: int = (
        2  # two pictures of 640 x 640 fit any machine; more steps teach more than larger batches
    )
    learning_rate: float = 3e-4  # AdamW at its peak; a tenth of it for the pretrained backbone
    weight_decay: float = 0.05  # AdamW's usual value for fine-tuning
    warmup: float = 0.1  # share of the steps with a rising rate, while the new layers are still noise
    crop: int = 640  # pixels at working scale: a step on a large image costs what one on a small image costs
    jitter: float = 0.2  # of light and contrast, a third of it of tint: slides differ in stain and lamp
    seed: int = 0
    device: str = "auto"  # "auto": a GPU if there is one, else the CPU

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise TrainingError(f"There is no backbone {self.backbone!r}; choose {' or '.join(BACKBONES)}.")
        if self.init not in get_args(Initialisation):
            raise TrainingError(f"Weights start from 'imagenet' or 'random', but got {self.init!r}.")
        if self.steps < 1 or self.batch_size < 1:
            raise TrainingError("Training needs at least 1 step and a batch of at least 1 image.")


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
