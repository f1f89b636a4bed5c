"""How fast training is beside torchvision's own detectors: seconds a step, and AP@0.5 a minute."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn, fasterrcnn_resnet50_fpn

from rbcal.benchmarks.drawn import N_CLASSES, Sample, Say, box_sides, draw, wait_for_gpu
from rbcal.config import TrainConfig
from rbcal.detector.devices import training_precision
from rbcal.detector.faster_rcnn import build
from rbcal.detector.mc_dropout import detect
from rbcal.detector.trainer import Training
from rbcal.evaluation.average_precision import evaluate
from rbcal.formats.pictures import Pixels
from rbcal.types import Detections

_TIMED_STEPS = 8
_STOCK: dict[str, Callable[..., nn.Module]] = {
    model.__name__: partial(model, weights=None, weights_backbone=None, min_size=480, max_size=640)
    for model in (fasterrcnn_mobilenet_v3_large_fpn, fasterrcnn_resnet50_fpn)
}


def race_training(
    device: torch.device, pictures: Sequence[Sample], train_seconds: float, say: Say
) -> dict[str, Any]:
    """Return seconds per step and AP@0.5 per minute of the default detector and of two stock ones."""
    unseen = [draw(10_000 + seed) for seed in range(len(pictures))]
    config = TrainConfig(device=str(device), steps=10**6, warmup=1e-5, init="imagenet")
    results: dict[str, Any] = {}
    say("Training with efficientnet_lite0")
    ours = build(config, N_CLASSES, box_sides=box_sides(pictures))
    with Training(ours, pictures, config) as run:
        results["efficientnet_lite0"] = _race(run.advance, train_seconds, device)
    results["efficientnet_lite0"] |= {
        "weights": "imagenet",
        "ap_50": _ap(unseen, lambda image: detect(ours, image)),
    }
    for name, model in _STOCK.items():
        say(f"Training with {name}")
        stock = model(num_classes=N_CLASSES + 1, box_detections_per_img=300).to(device)
        results[name] = _race(_StockStep(stock, pictures, config, device), train_seconds, device)
        stock.eval()
        results[name] |= {
            "weights": "random: ImageNet's need a download",
            "ap_50": _ap(unseen, lambda image, stock=stock: _stock_detect(stock, image, device)),  # type: ignore[misc]
        }
    for each in results.values():
        each["ap_50_per_minute"] = each["ap_50"] / (each["seconds"] / 60)
    own, slow = results["efficientnet_lite0"]["seconds_per_step"], results["fasterrcnn_resnet50_fpn"]
    return {
        "batch_size": config.batch_size,
        "ratio_to_resnet50_fpn": own / slow["seconds_per_step"],
        "detectors": results,
    }


class _StockStep:
    """One training step of a detector of torchvision, with the same optimiser and the same pictures."""

    def __init__(
        self, model: nn.Module, pictures: Sequence[Sample], config: TrainConfig, device: torch.device
    ) -> None:
        self._model, self._pictures, self._config, self._device = model.train(), pictures, config, device
        self._rng = np.random.default_rng(config.seed)
        self._optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def __call__(self) -> None:
        chosen = [
            self._pictures[i] for i in self._rng.integers(len(self._pictures), size=self._config.batch_size)
        ]
        images = [_tensor(image, self._device) for image, _ in chosen]
        targets = [
            {
                "boxes": torch.from_numpy(truth.boxes.copy()).to(self._device),
                "labels": torch.from_numpy(truth.labels + 1).to(self._device),
            }
            for _, truth in chosen
        ]
        precision = training_precision(self._device)
        with torch.autocast(self._device.type, precision, enabled=precision != torch.float32):
            losses = self._model(images, targets)
        self._optimizer.zero_grad()
        torch.autograd.backward(torch.stack([loss.float() for loss in losses.values()]).sum())
        nn.utils.clip_grad_norm_(self._model.parameters(), 10.0)
        self._optimizer.step()


def _race(step: Callable[[], object], seconds: float, device: torch.device) -> dict[str, Any]:
    """Repeat a step for so long; the first two are not timed."""
    step(), step()
    wait_for_gpu()
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(times) < _TIMED_STEPS:
        begun = time.perf_counter()
        step()
        wait_for_gpu()
        times.append(time.perf_counter() - begun)
    return {
        "seconds_per_step": statistics.median(times),
        "steps": len(times),
        "seconds": time.perf_counter() - started,
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None,
    }


def _ap(pictures: Sequence[Sample], predict: Callable[[Pixels], Detections]) -> float:
    return evaluate([(truth, predict(image)) for image, truth in pictures], N_CLASSES, []).map_50


@torch.inference_mode()
def _stock_detect(model: nn.Module, image: Pixels, device: torch.device) -> Detections:
    detections = model([_tensor(image, device)])[0]
    boxes, scores = detections["boxes"].float().cpu().numpy(), detections["scores"].float().cpu().numpy()
    probs = np.zeros((len(boxes), N_CLASSES + 1), np.float32)
    probs[:, 0] = 1 - scores
    probs[np.arange(len(boxes)), detections["labels"].cpu().numpy()] = scores
    return Detections(boxes, probs)


def _tensor(image: Pixels, device: torch.device) -> Tensor:
    return torch.from_numpy(image.copy()).to(device).permute(2, 0, 1).float() / 255
