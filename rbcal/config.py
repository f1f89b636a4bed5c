"""Settings of training and scoring: frozen, JSON-serialisable, stored beside every result they produced."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rbcal.errors import ScoringError, TrainingError

Backbone = Literal["efficientnet_lite0", "vgg16"]
Initialisation = Literal["auto", "serving", "imagenet", "random"]
BACKBONES: tuple[Backbone, ...] = get_args(Backbone)


@dataclass(frozen=True)
class TrainConfig:
    """How a detector is built and trained."""

    backbone: Backbone = "efficientnet_lite0"  # ImageNet weights come with the installation
    second_look: bool = True  # cells are named from crops of their own as well; vgg16 without: the paper's
    init: Initialisation = "auto"  # on from the serving model if its backbone is this one, else ImageNet
    weights: str | None = None  # a file with the backbone's ImageNet weights, for vgg16 offline
    steps: int = 0  # 0: as many as :func:`suggested_steps` says
    batch_size: int = (
        2  # two pictures of 640 x 640 fit any machine; more steps teach more than larger batches
    )
    processes: int = 1  # that train together, each with a batch of its own; set by torchrun
    learning_rate: float = 3e-4  # AdamW at its peak; a tenth of it for the pretrained backbone
    weight_decay: float = 0.05  # AdamW's usual value for fine-tuning
    warmup: float = 0.1  # share of the steps with a rising rate, while the new layers are still noise
    crop: int = 640  # pixels at working scale: a step on a large image costs what one on a small image costs
    crops: int = 48  # of cells in each of the two steps that the second look takes in one
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
        if self.steps < 0 or self.batch_size < 1 or self.crops < 1:
            raise TrainingError("Training needs at least 1 step and a batch of at least 1 image and 1 crop.")
        if not 0 < self.learning_rate <= 1:
            raise TrainingError(f"A learning rate is above 0 and at most 1, but got {self.learning_rate}.")
        if self.seed < 0:
            raise TrainingError(f"A seed is 0 or larger, but got {self.seed}.")
        if not (0 <= self.rare_repeat <= 1 and 0 <= self.validation <= 0.5):
            raise TrainingError("rare_repeat is a share from 0 to 1, validation one from 0 to 0.5.")


def suggested_steps(
    n_images: int, init: Initialisation, *, second_look: bool = TrainConfig.second_look
) -> int:
    """Return how many steps n annotated images warrant; measured in docs/benchmarks/learner.md.

    With a second look the detector has the boxes to find alone, and that takes fewer.

    >>> [suggested_steps(n, "imagenet") for n in (1, 12, 48, 300)], suggested_steps(300, "serving")
    ([200, 200, 400, 800], 150)
    >>> [suggested_steps(n, "imagenet", second_look=False) for n in (12, 300)]
    [300, 1200]
    """
    if init == "serving":  # earlier rounds have done the others
        return 150 if second_look else 300
    least = 200 if second_look else 300
    return int(np.clip(round(least * math.sqrt(n_images / 12), -1), least, 4 * least))


@dataclass(frozen=True)
class ScoringConfig:
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


Unit = Literal["cells", "images"]
CONTROL = "none"  # an arm that annotates nothing: part of what looks like a gain is training alone


@dataclass(frozen=True)
class SimulationConfig:
    """An experiment: strategies x repeats x rounds on images whose annotations play the expert.

    Names of strategies are checked where one begins: :func:`rbcal.acquisition.strategies.check_strategy`.
    """

    strategies: tuple[str, ...] = ("random", "relevance", "relevance_per_cell", "balanced")
    repeats: int = 5  # fewer hardly ever tell two strategies apart
    rounds: int = 5
    seed_images: int = 12  # annotated before round 1
    query: int = 200  # of these units, in each round
    unit: Unit = "cells"  # not images: a strategy that takes crowded images would seem better
    pool_sample: int = 50  # images drawn from the pool in each round, that are ordered; the paper's number
    steps: int = 150  # of training in each round, on from the model of the round before
    seed_steps: int = 300  # of training on the seed images, the same model for every strategy of a repeat
    views: int = 4  # of each annotated image: how often the trunk looks at it, turned and recoloured
    crop: int = 448  # pixels at working scale, of a view; ten cells wide
    passes: int = 20
    backbone: Backbone = "efficientnet_lite0"
    weights: str | None = None  # a file with the backbone's ImageNet weights
    trunk: Literal["tuned", "imagenet"] = "tuned"  # on the seed images, then frozen; or never trained
    cost_model: tuple[float, float, float] = (5.0, 1.0, 4.0)  # seconds: an image, a cell, a change
    cell_costs: tuple[float, float, float] = (3.0, 1.0, 4.0)  # seconds: a cell alone, side by side, a change
    second_look: bool = False  # trained on the seed images; its last layer is fitted anew to all answers
    live_every: int = 50  # answers of an arm over cells, then names and order follow; a screen of cells
    error_rate: float = 0.0  # of the oracle: the share of its answers in the pool that are given at random
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategies", tuple(dict.fromkeys(self.strategies)))
        object.__setattr__(self, "cost_model", tuple(self.cost_model))
        object.__setattr__(self, "cell_costs", tuple(self.cell_costs))
        least = {"repeats": 1, "rounds": 1, "seed_images": 1, "query": 1, "pool_sample": 1, "views": 1}
        for name, low in {**least, "live_every": 1, "steps": 1, "seed_steps": 1, "seed": 0}.items():
            if getattr(self, name) < low:
                raise ScoringError(f"{name} is at least {low}, but got {getattr(self, name)}.")
        if not 0 <= self.error_rate <= 1:
            raise ScoringError(f"An error rate is from 0 to 1, but got {self.error_rate}.")
        if min(*self.cost_model, *self.cell_costs) < 0:
            raise ScoringError("No act of the expert takes less than 0 seconds.")
        if not self.strategies or self.unit not in get_args(Unit):
            raise ScoringError("A simulation needs at least 1 strategy, and counts 'cells' or 'images'.")
