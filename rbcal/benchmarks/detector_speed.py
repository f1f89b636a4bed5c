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
import psutil
import torch
import torchvision
from torch import Tensor, nn

from rbcal import __version__
from rbcal.benchmarks.drawn import (
    HEIGHT,
    N_CLASSES,
    RADIUS,
    WIDTH,
    Sample,
    Say,
    box_sides,
    draw,
    wait_for_gpu,
)
from rbcal.benchmarks.training_speed import race_training
from rbcal.config import Backbone, ScoringConfig, TrainConfig
from rbcal.detector.devices import inference_precision, resolve_device, training_precision
from rbcal.detector.faster_rcnn import Detector, build, with_second_look
from rbcal.detector.mc_dropout import McDropout, detect, dropout_masks
from rbcal.detector.trainer import train
from rbcal.formats.pictures import Pixels

_WARM_UP_STEPS = 60  # of the default backbone, until it finds the cells: the passes run over what it finds
_POOLS = (50, 150)  # images: memory after 50 of them, and after 200


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
    pictures = [draw(seed) for seed in range(n_pictures)]
    lite = _trained(where, pictures, say)
    n_proposals = round(statistics.median(len(_roi_features(lite, image).proposals) for image, _ in pictures))
    document: dict[str, Any] = {"machine": _machine(where), "scoring": {}}
    document["memory"] = _memory(lite, passes, say)
    for backbone in backbones:
        say(f"Scoring with {backbone}")
        detector = lite if backbone == "efficientnet_lite0" else _untrained(backbone, where, n_proposals)
        document["scoring"][backbone] = _scoring(detector, [image for image, _ in pictures], passes)
    if train_seconds > 0:
        document["training"] = race_training(where, pictures, train_seconds, say)
    return document


def _scoring(detector: Detector, images: Sequence[Pixels], passes: int) -> dict[str, Any]:
    config = ScoringConfig(passes=passes)
    sampler = McDropout(detector, config)
    bare = with_second_look(detector, wanted=False, box_sides=np.ones(1, np.float32))
    bare_sampler = McDropout(bare, config)
    masks = dropout_masks(config, detector)
    sampler(images[0]), bare_sampler(images[0]), detect(bare, images[0])  # compiled, cached: not measured
    plain, scored = [], []
    for image in images:
        plain.append(_seconds(partial(detect, bare, image)))
        scored.append(_seconds(partial(sampler, image)))
    full = _seconds(lambda: [_full_pass(bare, images[0], mask) for mask in masks])
    once = statistics.median(_seconds(lambda: bare_sampler(images[0])) for _ in range(5))
    return {
        "second_look": detector.second_look is not None,
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
    parts: dict[str, nn.Module] = {
        "backbone": detector.backbone,
        "rpn": detector.rpn,
        "roi_pooling": detector.roi_heads.box_roi_pool,
        "first_layer": detector.roi_heads.box_head.fc6,
    }
    if detector.second_look is not None:
        parts["second_look"] = detector.second_look.body
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
            wait_for_gpu()
            begun[name] = time.perf_counter()

        def end(*_: object, name: str = name) -> None:
            wait_for_gpu()
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
            sampler(draw(seed)[0])
        used.append(_used_mib(detector.device))
    return {
        "mib_after_50_images": used[0],
        "mib_after_200_images": used[1],
        "peak_mib_with_training": _peak_mib(detector.device),
    }


def _trained(device: torch.device, pictures: Sequence[Sample], say: Say) -> Detector:
    """Return the default detector, trained until it finds cells."""
    say(f"Training the detector that scores, {_WARM_UP_STEPS} steps")
    config = TrainConfig(device=str(device), steps=_WARM_UP_STEPS)
    detector = build(config, N_CLASSES, box_sides=box_sides(pictures))
    train(detector, pictures, config)
    return detector


def _untrained(backbone: Backbone, device: torch.device, n_proposals: int) -> Detector:
    """Return the paper's detector, untrained, which proposes as many boxes as a trained one."""
    config = replace(TrainConfig(), backbone=backbone, second_look=False, init="random", device=str(device))
    detector = build(config, N_CLASSES, box_sides=np.full(1, 2 * RADIUS, np.float32))
    detector.rpn._post_nms_top_n["testing"] = n_proposals
    return detector


@torch.inference_mode()
def _roi_features(detector: Detector, image: Pixels) -> Any:
    return detector.roi_features(image)


def _seconds(act: Callable[[], object]) -> float:
    wait_for_gpu()
    begun = time.perf_counter()
    act()
    wait_for_gpu()
    return time.perf_counter() - begun


def _used_mib(device: torch.device) -> float:
    """Return the memory that this process, or it on the GPU, uses now."""
    if device.type == "cuda":
        return float(torch.cuda.memory_allocated() / 2**20)
    return float(psutil.Process().memory_info().rss / 2**20)


def _peak_mib(device: torch.device) -> float | None:
    """Return the peak memory of this process so far, or that of the GPU; None where nobody can tell."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated() / 2**20)
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset / 2**20)
    import resource  # POSIX alone; psutil knows no peak there

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
        "picture": f"{WIDTH} x {HEIGHT}",
    }
