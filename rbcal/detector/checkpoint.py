"""A detector as bytes: a safetensors file, which runs no code when it is opened."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

from rbcal.detector.backbones import folded
from rbcal.detector.devices import resolve_device
from rbcal.detector.faster_rcnn import Blueprint, Detector, settle
from rbcal.errors import DetectorError

_MOST_SCALED = 256  # cells of one pixel, or of thousands


def save(detector: Detector) -> bytes:
    """Return the detector as a safetensors file: its weights, and its blueprint as JSON metadata."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in detector.state_dict().items()}
    return safetensors.save(state, {"rbcal": json.dumps(asdict(detector.blueprint))})


def load(content: bytes, device: str = "cpu") -> Detector:
    """Return the detector that :func:`save` wrote; opening runs no code and needs no network.

    Raises
    ------
    DetectorError
        If the content is damaged or is not a detector.
    """
    where = resolve_device(device)
    try:
        state = safetensors.load(content)
        blueprint = _read_blueprint(content)
        with torch.device("meta"):  # shapes alone: the weights are adopted, not copied
            detector = Detector(blueprint)
        state = folded(state)
        for name in ("second_look.centre", "second_look.components"):  # rbcal 0.1 once had none
            if name in detector.state_dict() and "second_look.narrow.weight" in state:
                state.setdefault(name, torch.zeros(detector.state_dict()[name].shape))
        for name, blank in detector.state_dict().items():
            if name in state and state[name].dtype != blank.dtype:
                raise TypeError(f"{name} must be {blank.dtype}, but is {state[name].dtype}.")
        detector.load_state_dict(state, assign=True)
    except (
        SafetensorError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as err:
        raise DetectorError(
            "The model file is damaged, or is not a detector of rbcal. Choose another model, or train again."
        ) from err
    return settle(detector, where)


def _read_blueprint(content: bytes) -> Blueprint:
    """Read the metadata of a safetensors file: 8 bytes with the length of a JSON header, then the header."""
    length = int.from_bytes(content[:8], "little")
    settings: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["rbcal"])
    settings["anchor_sides"] = tuple(float(side) for side in settings["anchor_sides"])
    settings["scale"] = float(settings["scale"])
    blueprint = Blueprint(**settings)
    if not 0 <= blueprint.cell_side < math.inf:
        raise ValueError(f"A cell has no side of {blueprint.cell_side}.")
    numbers = (blueprint.n_classes, blueprint.head_width, *blueprint.anchor_sides)
    if not blueprint.anchor_sides or not all(0 < number < math.inf for number in numbers):
        raise ValueError(f"Sizes must be positive and finite, but got {blueprint}.")
    if not 1 / _MOST_SCALED < blueprint.scale < _MOST_SCALED:  # a picture would fill the memory
        raise ValueError(f"A picture is not scaled by {blueprint.scale}.")
    return blueprint
