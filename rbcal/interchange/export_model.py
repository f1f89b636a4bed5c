"""A model outside its project: a folder that needs neither the project file nor its store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rbcal.errors import ProjectError
from rbcal.outputs import new_folder
from rbcal.store.classes import CellClass
from rbcal.store.models import Model
from rbcal.store.project import Project

FORMAT = "rbcal model 1"
WEIGHTS, DESCRIPTION, GRAPH = "model.safetensors", "model.json", "model.onnx"


def export_model(
    project: Project,
    folder: Path,
    model_id: int | None = None,
    *,
    onnx: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a model, the serving one by default, into a folder; return its description.

    ``model.safetensors`` holds weights and architecture, ``model.json`` what they mean: classes, what the
    model was trained on and how good it is. ``docs/use_model.py`` shows how to find cells with it. With
    `onnx` there is also ``model.onnx``, for pictures of the size that most images of the project have, and
    the description says how they must come. `overwrite` is that of :func:`rbcal.outputs.new_folder`.

    Raises
    ------
    ExistsError
        If the folder has things in it already.
    ProjectError
        If there is no such model, or its checkpoint was pruned.
    """
    model = project.models.serving() if model_id is None else project.models.get(model_id)
    if model is None:
        raise ProjectError(f"{project.path.name} has no model yet. Train one first.")
    weights = project.models.checkpoint(model.id)
    description = _description(project, model, weights)
    files = {WEIGHTS: weights}
    if onnx:
        files[GRAPH], description["onnx"] = _graph(project, weights)
    files[DESCRIPTION] = json.dumps(description, indent=2).encode()
    with new_folder(folder, overwrite=overwrite) as part:
        for name, content in files.items():
            (part / name).write_bytes(content)
    return description


def _description(project: Project, model: Model, weights: bytes) -> dict[str, Any]:
    figures, names = project.evaluations.of(model.id), project.classes.names()
    return {
        "format": FORMAT,
        "project": project.name,
        "model": model.id,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "code_version": model.code_version,
        "created_at": model.created_at,
        "classes": [_class(each, names) for each in project.classes.all()],
        "annotated_images": model.n_images,
        "annotated_cells": model.n_cells,
        "config": asdict(model.config),
        "precision_all": figures and figures.precision_all,
        "map_50": figures and figures.map_50,
        "test_images": figures and figures.n_images,
    }


def _class(each: CellClass, names: Sequence[str]) -> dict[str, Any]:
    """Return what a column of the model's probabilities means."""
    row = {"name": each.name, "rare": each.rare}
    return row if each.merged_into is None else {**row, "counts_as": names[each.merged_into]}


def _graph(project: Project, weights: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return an ONNX graph, and how its input and outputs are to be read."""
    from rbcal.detector.checkpoint import load  # late: they load torch, which takes seconds
    from rbcal.detector.onnx import to_onnx

    detector = load(weights)
    height, width = project.images.usual_size() or (480, 640)
    window = detector.tiles(height, width)[0].window
    scale = detector.blueprint.scale
    working = [max(1, round((window[end] - window[start]) * scale)) for start, end in ((1, 3), (0, 2))]
    size = window[3] - window[1], window[2] - window[0]
    description = {
        "picture": f"float32 (3, {working[0]}, {working[1]}), RGB in [0, 1]: the image times {scale:g}",
        "boxes": "float32 (N, 4), x1 y1 x2 y2 in pixels of the picture",
        "probs": "float32 (N, classes + 1), background first",
        "height": working[0],
        "width": working[1],
        "scale": scale,
    }
    if detector.second_look is not None:
        description["image"] = f"float32 (3, {size[0]}, {size[1]}), RGB in [0, 1]: the same, not scaled"
    return to_onnx(detector, working[0], working[1], size), description
