"""The cells of a folder of pictures, found by an exported model, as tables; no project is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rbcal.acquisition.relevance import flags, score_cells
from rbcal.errors import FormatError, ImageError
from rbcal.formats.files import located
from rbcal.formats.names import cell_text
from rbcal.formats.pictures import SUFFIXES, Pixels, decode
from rbcal.formats.stacks import Layer
from rbcal.formats.tables import BOX_SIDES, csv_table, side_columns
from rbcal.interchange.exported_model import ExportedModel
from rbcal.outputs import new_folder
from rbcal.types import Detections

_NAMED = ("image", "folder")
_CELL = (*BOX_SIDES, "class", "probability")
_UNCERTAINTY = ("U_d", "U_c", "U_r", "flagged")
_IMAGE = ("width", "height", "cells")
Row = dict[str, Any]


@dataclass(frozen=True)
class Predicted:
    """What came of it: how many pictures and cells, and the pictures that could not be read, with why."""

    n_images: int
    n_cells: int
    unreadable: Mapping[str, str]


def predict_folder(
    model: ExportedModel,
    pictures: Path,
    dest: Path,
    *,
    with_passes: bool = False,
    layer: str = "",
    overwrite: bool = False,
    track: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> Predicted:
    """Write `cells.csv`, a row for each cell, and `images.csv`, the number of cells of each class.

    Parameters
    ----------
    model : ExportedModel
    pictures : path
        A folder, a zip archive, or one picture; a picture's folder is that of its slide.
    dest : path
        A new folder.
    with_passes : bool
        Whether cells get U^d, U^c and U^r, from the passes with dropout that `model.scoring` asks for;
        without them one pass finds the cells.
    layer : str
        Which page or channel of each file is meant, in the words of :class:`rbcal.formats.stacks.Layer`.
    overwrite : bool
        Whether `dest` may be there; what is in it is kept beside it.
    track : function
        Wraps the names of the pictures, to show how far it is.

    Raises
    ------
    FormatError
        If there is no picture. One that cannot be read is named in the result.
    ImageError
        If `layer` is none.
    ExistsError
        If `dest` is there.
    """
    Layer.parse(layer)
    readers = {
        name: read for name, read in located(pictures).items() if name.lower().endswith(tuple(SUFFIXES))
    }
    if not readers:
        raise FormatError(f"{pictures} holds no picture. Give a folder with {', '.join(SUFFIXES)} files.")
    labels = [k for k in range(len(model.class_names)) if model.merges.target(k) == k]
    chances = {k: f"p({model.class_names[k]})" for k in labels}
    counts = {k: f"n({model.class_names[k]})" for k in labels}
    columns = (*_NAMED, *_CELL, *(_UNCERTAINTY if with_passes else ()), *chances.values())
    n_images, n_cells, unreadable = 0, 0, dict[str, str]()
    with (
        new_folder(dest, overwrite=overwrite) as folder,
        csv_table(folder / "cells.csv", columns) as add_cell,
        csv_table(folder / "images.csv", (*_NAMED, *_IMAGE, *counts.values())) as add_image,
    ):
        for name in track(sorted(readers)):
            try:
                pixels = decode(readers[name](), layer)
            except (ImageError, FormatError) as err:
                unreadable[name] = str(err)
                continue
            except OSError as err:
                unreadable[name] = f"it cannot be read ({err.strerror or err})"
                continue
            named = {"image": cell_text(name), "folder": cell_text(name.rpartition("/")[0])}
            cells, uncertainty = _cells(model, pixels, with_passes=with_passes)
            for k, row in enumerate(_rows(model, cells, chances)):
                add_cell({**named, **row, **uncertainty[k]})
            per_class = np.bincount(cells.labels, minlength=len(model.class_names))
            size = {"height": pixels.shape[0], "width": pixels.shape[1], "cells": len(cells)}
            add_image({**named, **size, **{counts[k]: int(per_class[k]) for k in labels}})
            n_images, n_cells = n_images + 1, n_cells + len(cells)
    return Predicted(n_images, n_cells, unreadable)


def _cells(model: ExportedModel, pixels: Pixels, *, with_passes: bool) -> tuple[Detections, list[Row]]:
    """Return what is more probably a cell than not, and how uncertain each is."""
    if not with_passes:
        detections = model.detect(pixels)
        shown = 1 - detections.probs[:, 0] >= model.scoring.cell_threshold
        cells = Detections(detections.boxes[shown], detections.probs[shown])
        return cells, [{}] * len(cells)
    prediction = model.predict(pixels)
    scores = score_cells(prediction.detections, prediction.passes, model.rare, model.scoring)
    flagged = flags(scores, model.scoring).any
    columns = (scores.u_d.tolist(), scores.u_c.tolist(), scores.u_r.tolist(), flagged.astype(int).tolist())
    return prediction.detections, [
        dict(zip(_UNCERTAINTY, each, strict=True)) for each in zip(*columns, strict=True)
    ]


def _rows(model: ExportedModel, cells: Detections, chances: Mapping[int, str]) -> Iterable[Row]:
    """Yield each cell as a row of the table."""
    for box, label, probs in zip(
        cells.boxes.tolist(), cells.labels.tolist(), cells.probs[:, 1:], strict=True
    ):
        named = {"class": cell_text(model.class_names[label]), "probability": float(probs[label])}
        yield {**side_columns(box), **named, **{column: float(probs[k]) for k, column in chances.items()}}
