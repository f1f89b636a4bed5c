"""Labelled pictures of cells, drawn from a seed: a small first version that serves the tests.

Everything made from it is synthetic and must say so.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations

_GLASS = (214, 206, 210)
_CELL = (176, 118, 128)
_RIM = (128, 74, 92)
_SUPERSAMPLING = 2


def draw(
    seed: int,
    *,
    n_cells: int = 12,
    width: int = 320,
    height: int = 240,
    n_classes: int = 3,
    radius: float = 13.0,
) -> tuple[Pixels, Annotations]:
    """Return a picture (H, W, 3) uint8 of cells and their exact boxes; the same seed gives the same picture.

    Parameters
    ----------
    n_cells : int
        How many cells are tried; one that would hide another is left out.
    n_classes : int
        Label 0 is a disc with a pale centre, label 1 has a slit, and label k from 2 on has 3 k spikes.
    radius : float
        Of a typical cell, in pixels.
    """
    rng = np.random.default_rng(seed)
    scale = _SUPERSAMPLING
    canvas = Image.new("RGB", (width * scale, height * scale), _GLASS)
    pen = ImageDraw.Draw(canvas)
    boxes: list[tuple[float, float, float, float]] = []
    labels: list[int] = []
    centres: list[tuple[float, float, float]] = []
    for _ in range(n_cells):
        label = int(rng.integers(n_classes))
        r = radius * rng.uniform(0.85, 1.15)
        x, y = rng.uniform(r, width - r), rng.uniform(r, height - r)
        if any((x - cx) ** 2 + (y - cy) ** 2 < (1.1 * (r + cr)) ** 2 for cx, cy, cr in centres):
            continue
        centres.append((x, y, r))
        labels.append(label)
        boxes.append(_draw_cell(pen, label, x * scale, y * scale, r * scale, rng.uniform(0, 2 * np.pi)))
    small = canvas.resize((width, height), Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(0.6))
    light = 1 + 0.06 * np.sin(np.linspace(rng.uniform(0, 3), rng.uniform(3, 6), width))[None, :, None]
    noise = rng.normal(0, 3, (height, width, 1))
    pixels = np.clip(np.asarray(small) * light + noise, 0, 255).astype(np.uint8)
    corners = np.array(boxes, np.float32).reshape(-1, 4) / np.float32(scale)
    border = np.array([width, height, width, height], np.float32)
    return pixels, Annotations(np.clip(corners, 0, border), np.array(labels, np.int64))


def encode(pixels: Pixels, suffix: str = "PNG") -> bytes:
    """Return a picture file with these pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, suffix)
    return file.getvalue()


def _draw_cell(
    pen: ImageDraw.ImageDraw, label: int, x: float, y: float, r: float, turn: float
) -> tuple[float, float, float, float]:
    """Draw one cell and return its box."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    reach = r * (1 + 0.16 * np.cos(3 * label * angle)) if label >= 2 else np.full_like(angle, r)
    xs, ys = x + reach * np.cos(angle + turn), y + reach * np.sin(angle + turn)
    pen.polygon(list(zip(xs, ys, strict=True)), fill=_CELL, outline=_RIM, width=max(1, int(r / 6)))
    if label == 0:
        pen.ellipse([x - r * 0.45, y - r * 0.45, x + r * 0.45, y + r * 0.45], fill=_GLASS)
    elif label == 1:
        dx, dy = 0.55 * r * np.cos(turn), 0.55 * r * np.sin(turn)
        pen.line([x - dx, y - dy, x + dx, y + dy], fill=_GLASS, width=max(1, int(r / 3)))
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())
