"""The error gallery: what a detector got wrong, as crops with words; values in, pictures out."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from rbcal.evaluation.matching import Mistake, confusion, mistakes
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations, Detections

NOTHING, MISSED = "nothing there", "not found"  # the last row and the last column of the matrix
_SIDE = 256  # pixels of a crop: a column of the page at 1920 pixels
_CONTEXT = 2.4  # of the cell's longer side
_ANNOTATED, _FOUND = "#0072B2", "#E69F00"  # Okabe and Ito: told apart by colour-blind eyes; and dashed
_DASH = 9  # pixels


@dataclass(frozen=True)
class Shown:
    """A mistake, and the image that it is in."""

    image_id: int
    mistake: Mistake


def all_mistakes(truths: Mapping[int, Annotations], found: Mapping[int, Detections]) -> list[Shown]:
    """Return the mistakes in all images that both know, the strongest contradiction first."""
    shown = [
        Shown(image_id, each)
        for image_id in truths.keys() & found.keys()
        for each in mistakes(truths[image_id], found[image_id])
    ]
    return sorted(shown, key=lambda each: (-each.mistake.uncertainty, each.image_id))


def confusion_table(
    truths: Mapping[int, Annotations], found: Mapping[int, Detections], names: Sequence[str]
) -> pd.DataFrame:
    """Return the confusion matrix as one row a cell of it: annotated, found, cells, share of the row.

    The last row is :data:`NOTHING`, the last column :data:`MISSED`; where they would meet there is no cell.
    Classes that are neither annotated nor found are left out.
    """
    pairs = [(truths[image_id], found[image_id]) for image_id in sorted(truths.keys() & found.keys())]
    counts = confusion(pairs, len(names))
    rows_of, columns = [*names, NOTHING], [*names, MISSED]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [
        (rows_of[i], columns[j], int(counts[i, j]), float(share[i, j]))
        for i in range(len(rows_of))
        for j in range(len(columns))
        if (i, j) != (len(names), len(names)) and counts[i].any() and (counts[j].any() or counts[:, j].any())
    ]
    return pd.DataFrame(rows, columns=["Annotated", "Found", "Cells", "Share"])


def confusion_chart(table: pd.DataFrame, names: Sequence[str]) -> alt.LayerChart:
    """Return the confusion matrix as a chart; a click on a cell selects it, as "cell"."""
    rows, columns = [*names, NOTHING], [*names, MISSED]
    chosen = alt.selection_point(name="cell", fields=["Annotated", "Found"], toggle=False)
    base = alt.Chart(table).encode(
        x=alt.X(
            "Found:N",
            sort=columns,
            title="Found by the model",
            axis=alt.Axis(labelAngle=-45, orient="top", labelOverlap=False),
        ),
        y=alt.Y("Annotated:N", sort=rows, title="Annotated"),
        tooltip=["Annotated", "Found", "Cells", alt.Tooltip("Share", format=".0%", title="Of its row")],
    )
    boxes = base.mark_rect(cursor="pointer").encode(
        color=alt.Color("Share:Q", scale=alt.Scale(scheme="blues", domain=[0, 1]), title="Of its row"),
        opacity=alt.when("datum.Cells > 0").then(alt.value(1)).otherwise(alt.value(0)),  # the page shows
        stroke=alt.when(chosen, empty=False).then(alt.value(_FOUND)).otherwise(alt.value("#8886")),
        strokeWidth=alt.when(chosen, empty=False).then(alt.value(3)).otherwise(alt.value(0.5)),
    )
    numbers = (
        base.transform_filter("datum.Cells > 0")
        .mark_text(fontSize=12)
        .encode(
            text=alt.Text("Cells:Q", format=",d"),
            color=alt.when("datum.Share > 0.55").then(alt.value("white")).otherwise(alt.value("black")),
        )
    )
    side = 34 * table["Annotated"].nunique() + 110
    return (boxes.add_params(chosen) + numbers).properties(height=side)


def of_cell(shown: Sequence[Shown], annotated: str, found: str, names: Sequence[str]) -> list[Shown]:
    """Return the mistakes of one cell of the confusion matrix."""
    labels: list[int | None] = [*range(len(names)), None]
    wanted = [labels[[*names, NOTHING].index(annotated)], labels[[*names, MISSED].index(found)]]
    return [each for each in shown if [each.mistake.annotated, each.mistake.predicted] == wanted]


def caption(mistake: Mistake, names: Sequence[str]) -> str:
    """Return in words what is annotated and what the model says."""
    annotated = NOTHING if mistake.annotated is None else names[mistake.annotated]
    if mistake.kind == "missed":
        return f"annotated: {annotated}; the model sees no cell"
    predicted = names[mistake.predicted] if mistake.predicted is not None else NOTHING
    if mistake.kind == "false":
        return f"model: {predicted}, {mistake.uncertainty:.0%} sure that it is a cell; nothing is annotated"
    return f"annotated: {annotated}; model: {predicted}, and {1 - mistake.uncertainty:.0%} for {annotated}"


def crop(pixels: Pixels, mistake: Mistake) -> bytes:
    """Return a PNG of a mistake with what is around it: solid what is annotated, dashed what the model found.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        Of the whole image.
    """
    boxes = np.array([box for box in (mistake.box, mistake.found) if box is not None])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    centre, side = (low + high) / 2, float((high - low).max()) * _CONTEXT
    corner = centre - side / 2
    window = Image.fromarray(pixels).transform(
        (_SIDE, _SIDE),
        Image.Transform.EXTENT,
        (*corner, *(corner + side)),
        Image.Resampling.BICUBIC,
        fillcolor=(136, 136, 136),
    )
    pen = ImageDraw.Draw(window)
    if mistake.box is not None:
        _outline(pen, (np.reshape(mistake.box, (2, 2)) - corner) * _SIDE / side, _ANNOTATED, dashed=False)
    if mistake.found is not None:
        _outline(pen, (np.reshape(mistake.found, (2, 2)) - corner) * _SIDE / side, _FOUND, dashed=True)
    file = io.BytesIO()
    window.save(file, "PNG")
    return file.getvalue()


def _outline(pen: ImageDraw.ImageDraw, corners: np.ndarray, colour: str, *, dashed: bool) -> None:
    """Draw a box with a pale halo, so that it is seen on any stain."""
    (x1, y1), (x2, y2) = corners.tolist()
    around = [((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))]
    strokes = []
    for start, end in around:
        length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
        n = max(1, round(length / (2 * _DASH))) if dashed else 1
        for k in range(n):
            a, b = k / n, (k + 0.55) / n if dashed else (k + 1) / n
            strokes.append([tuple(s + t * (e - s) for s, e in zip(start, end, strict=True)) for t in (a, b)])
    for fill, width in (("white", 5), (colour, 3)):
        for stroke in strokes:
            pen.line(stroke, fill=fill, width=width)
