"""How fast scoring and training are: ratios, measured in one run on pictures drawn for it."""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn, fasterrcnn_resnet50_fpn

from rbcal import __version__, synth
from rbcal.benchmarks.memory import used_mib
from rbcal.config import Backbone, ScoringConfig, TrainConfig
from rbcal.detector.devices import inference_precision, resolve_device, training_precision
from rbcal.detector.faster_rcnn import Detector, build
from rbcal.detector.mc_dropout import McDropout, detect, dropout_masks
from rbcal.detector.trainer import Training, train
from rbcal.evaluation.average_precision import evaluate
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations, Detections

_WIDTH, _HEIGHT, _RADIUS = 640, 480, 20.0  # pixels; a common field of a microscope camera
_N_CLASSES = 3
_WARM_UP_STEPS = 60  # of the default backbone, until it finds the cells: the passes run over what it finds
_TIMED_STEPS = 8
_POOLS = (50, 150)  # images: memory after 50 of them, and after 200
_STOCK: dict[str, Callable[..., nn.Module]] = {
    "fasterrcnn_mobilenet_v3_large_fpn": fasterrcnn_mobilenet_v3_large_fpn,
    "fasterrcnn_resnet50_fpn": fasterrcnn_resnet50_fpn,
}
Say = Callable[[str], None]
_Sample = tuple[Pixels, Annotations]


def bench(
    *,
    backbones: Sequence[Backbone] = get_args(Backbone),
    device: str = "auto",
    passes: int = ScoringConfig.passes,
    n_pictures: int = 8,
    train_seconds: float = 60.0,
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Return a document with what was measured, JSON-serialisable.

    Parameters
    ----------
    backbones : sequence of str
        Whose scoring is measured.
    passes : int
        N.
    n_pictures : int
        Of 640 x 480, with about 50 cells; each is seen by all that is compared, one after the other.
    train_seconds : float
        How long each of three detectors is trained for AP per minute; 0 leaves training out.
    """
    where = resolve_device(device)
    pictures = [_picture(seed) for seed in range(n_pictures)]
    lite = _able(where, pictures, say)
    n_proposals = round(statistics.median(len(_roi_features(lite, image).proposals) for image, _ in pictures))
    document: dict[str, Any] = {"machine": _machine(where), "scoring": {}}
    document["memory"] = _memory(lite, passes, say)
    for backbone in backbones:
        say(f"Scoring with {backbone}")
        detector = lite if backbone == "efficientnet_lite0" else _unable(backbone, where, n_proposals)
        document["scoring"][backbone] = _scoring(detector, [image for image, _ in pictures], passes)
    if train_seconds > 0:
        document["training"] = _training(where, pictures, train_seconds, say)
    return document


def _picture(seed: int) -> _Sample:
    return synth.draw(seed, n_cells=70, width=_WIDTH, height=_HEIGHT, n_classes=_N_CLASSES, radius=_RADIUS)


def _scoring(detector: Detector, images: Sequence[Pixels], passes: int) -> dict[str, Any]:
    config = ScoringConfig(passes=passes)
    sampler = McDropout(detector, config)
    masks = dropout_masks(config, detector)
    sampler(images[0]), detect(detector, images[0])  # what is compiled or cached is not measured
    plain, scored = [], []
    for image in images:
        plain.append(_seconds(partial(detect, detector, image)))
        scored.append(_seconds(partial(sampler, image)))
    full = _seconds(lambda: [_full_pass(detector, images[0], mask) for mask in masks])
    once = statistics.median(_seconds(lambda: sampler(images[0])) for _ in range(5))
    return {
        "precision": str(detector.precision).removeprefix("torch."),
        "passes": passes,
        "cells": statistics.median(len(sampler(image)[0]) for image in images),
        "plain_s": statistics.median(plain),
        "scoring_s": statistics.median(scored),
        "ratio_to_plain": statistics.median(b / a for a, b in zip(plain, scored, strict=True)),
        "full_passes_s": full,
        "speedup_over_full_passes": full / once,
        "images_per_second": 1 / statistics.median(scored),
        "stages_s": _stages(detector, sampler, images),
    }


@torch.inference_mode()
def _full_pass(detector: Detector, image: Pixels, mask: Tensor) -> Tensor:
    """Do what a cached pass saves: everything from the pixels on, for one pass."""
    head = detector.roi_heads.box_head
    boost = 1 / (1 - head.dropout)
    hidden = head.second(detector.roi_features(image).first * mask[0] * boost) * mask[1] * boost
    logits, deltas = detector.roi_heads.box_predictor(hidden)
    return torch.cat([logits.softmax(-1), deltas], 1).cpu()


def _stages(detector: Detector, sampler: McDropout, images: Sequence[Pixels]) -> dict[str, float]:
    """Return the median seconds of an image in each part of scoring."""
    parts = {
        "backbone": detector.backbone,
        "rpn": detector.rpn,
        "roi_pooling": detector.roi_heads.box_roi_pool,
        "first_layer": detector.roi_heads.box_head.fc6,
    }
    spent: dict[str, list[float]] = defaultdict(list)
    for image in images:
        with _stopwatch(parts) as seconds:
            whole = _seconds(partial(sampler, image))
        for name, value in seconds.items():
            spent[name].append(value)
        spent["passes_and_choice_of_cells"].append(whole - sum(seconds.values()))
    return {name: statistics.median(values) for name, values in spent.items()}


@contextmanager
def _stopwatch(parts: dict[str, nn.Module]) -> Iterator[dict[str, float]]:
    """Yield the seconds that each module takes while the context lasts."""
    seconds, begun = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0.0)
    hooks = []
    for name, part in parts.items():

        def begin(*_: object, name: str = name) -> None:
            _wait()
            begun[name] = time.perf_counter()

        def end(*_: object, name: str = name) -> None:
            _wait()
            seconds[name] += time.perf_counter() - begun[name]

        hooks += [part.register_forward_pre_hook(begin), part.register_forward_hook(end)]
    try:
        yield seconds
    finally:
        for hook in hooks:
            hook.remove()


def _memory(detector: Detector, passes: int, say: Say) -> dict[str, float | None]:
    """Return the memory in use after a small pool and after one four times as large, and the peak."""
    say("Memory of scoring")
    sampler = McDropout(detector, ScoringConfig(passes=passes))
    used = []
    for pool in _POOLS:
        for seed in range(pool):
            sampler(_picture(seed)[0])
        used.append(_used_mib(detector.device))
    return {
        "mib_after_50_images": used[0],
        "mib_after_200_images": used[1],
        "peak_mib_with_training": _peak_mib(detector.device),
    }


def _training(
    device: torch.device, pictures: Sequence[_Sample], train_seconds: float, say: Say
) -> dict[str, Any]:
    """Return seconds per step and AP@0.5 per minute of the default detector and of two stock ones."""
    unseen = [_picture(10_000 + seed) for seed in range(len(pictures))]
    config = TrainConfig(device=str(device), steps=10**6, warmup=1e-5, init="imagenet")
    results: dict[str, Any] = {}
    say("Training with efficientnet_lite0")
    ours = build(config, _N_CLASSES, box_sides=_sides(pictures))
    with Training(ours, pictures, config) as run:
        results["efficientnet_lite0"] = _race(run.advance, train_seconds, device)
    results["efficientnet_lite0"] |= {
        "weights": "imagenet",
        "ap_50": _ap(unseen, lambda image: detect(ours, image)),
    }
    for name, model in _STOCK.items():
        say(f"Training with {name}")
        stock = model(
            weights=None, weights_backbone=None, num_classes=_N_CLASSES + 1, min_size=480, max_size=640,
            box_detections_per_img=300,
        ).to(device)  # fmt: skip
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
        self, model: nn.Module, pictures: Sequence[_Sample], config: TrainConfig, device: torch.device
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
    _wait()
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(times) < _TIMED_STEPS:
        begun = time.perf_counter()
        step()
        _wait()
        times.append(time.perf_counter() - begun)
    return {
        "seconds_per_step": statistics.median(times),
        "steps": len(times),
        "seconds": time.perf_counter() - started,
        "peak_mib": _peak_mib(device) if device.type == "cuda" else None,
    }


def _ap(pictures: Sequence[_Sample], predict: Callable[[Pixels], Detections]) -> float:
    return evaluate([(truth, predict(image)) for image, truth in pictures], _N_CLASSES, []).map_50


@torch.inference_mode()
def _stock_detect(model: nn.Module, image: Pixels, device: torch.device) -> Detections:
    found = model([_tensor(image, device)])[0]
    boxes, scores = found["boxes"].float().cpu().numpy(), found["scores"].float().cpu().numpy()
    probs = np.zeros((len(boxes), _N_CLASSES + 1), np.float32)
    probs[:, 0] = 1 - scores
    probs[np.arange(len(boxes)), found["labels"].cpu().numpy()] = scores
    return Detections(boxes, probs)


def _able(device: torch.device, pictures: Sequence[_Sample], say: Say) -> Detector:
    """Return the default detector, trained until it finds cells."""
    say(f"Training the detector that scores, {_WARM_UP_STEPS} steps")
    config = TrainConfig(device=str(device), steps=_WARM_UP_STEPS)
    detector = build(config, _N_CLASSES, box_sides=_sides(pictures))
    train(detector, pictures, config)
    return detector


def _unable(backbone: Backbone, device: torch.device, n_proposals: int) -> Detector:
    """Return an untrained detector that proposes as many boxes as a trained one."""
    config = replace(TrainConfig(), backbone=backbone, init="random", device=str(device))
    detector = build(config, _N_CLASSES, box_sides=np.full(1, 2 * _RADIUS, np.float32))
    detector.rpn._post_nms_top_n["testing"] = n_proposals
    return detector


@torch.inference_mode()
def _roi_features(detector: Detector, image: Pixels) -> Any:
    return detector.roi_features(image)


def _sides(pictures: Sequence[_Sample]) -> np.ndarray[Any, Any]:
    boxes = np.concatenate([truth.boxes for _, truth in pictures])
    return np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def _tensor(image: Pixels, device: torch.device) -> Tensor:
    return torch.from_numpy(image.copy()).to(device).permute(2, 0, 1).float() / 255


def _seconds(act: Callable[[], object]) -> float:
    _wait()
    begun = time.perf_counter()
    act()
    _wait()
    return time.perf_counter() - begun


def _wait() -> None:
    """Wait for the GPU, which works on while Python goes ahead, before a clock is read."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _used_mib(device: torch.device) -> float | None:
    """Return the memory that this process, or it on the GPU, uses now; None where nobody can tell."""
    if device.type == "cuda":
        return float(torch.cuda.memory_allocated() / 2**20)
    return used_mib()


def _peak_mib(device: torch.device) -> float | None:
    """Return the peak memory of this process so far, or that of the GPU; None where nobody can tell."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated() / 2**20)
    if sys.platform == "win32":
        return None
    import resource  # POSIX alone

    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _machine(device: torch.device) -> dict[str, Any]:
    return {
        "rbcal": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "inference": str(inference_precision(device)).removeprefix("torch."),
        "training": str(training_precision(device)).removeprefix("torch."),
        "picture": f"{_WIDTH} x {_HEIGHT}",
    }
