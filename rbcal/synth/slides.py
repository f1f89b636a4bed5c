"""Slides: cells laid out in fields of view, each slide imaged in its own way, all from a seed.

Everything made from it is synthetic, and says so.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from rbcal.errors import FormatError
from rbcal.formats.pictures import Pixels
from rbcal.synth.optics import ImagingConditions, photograph
from rbcal.synth.shapes import SUBTYPES, Cell, Reals, draw_cell
from rbcal.types import Annotations, Floats

GROUP = "synthetic slide"  # begins the name of every group: so a project knows what it holds
# Of SUBTYPES: D and E.1 frequent, S.D and E.F rare.
FREQUENCIES = (0.025, 0.12, 0.36, 0.26, 0.14, 0.075, 0.02)
WIDTH, HEIGHT = 640, 480  # pixels
PER_SLIDE = 10  # images
_NAME = re.compile(r"synthetic_(\d+)_(\d+)\.jpg", re.ASCII)
_VISIBLE = 0.25  # of a cell's box, at least: less of it at the border is not annotated
_TRIES = 12  # to find a place
_MARGIN = 4.5  # micrometres outside of the field, where cells lie that the border cuts


@dataclass(frozen=True, eq=False)
class Field:
    """A field of view: a picture, the slide it is of, and the exact boxes of its cells."""

    name: str
    group: str
    pixels: Pixels
    annotations: Annotations

    def encode(self) -> bytes:
        """Return the picture as a JPEG file, whose comment says that it is synthetic."""
        file = io.BytesIO()
        Image.fromarray(self.pixels).save(
            file, "JPEG", quality=92, comment=f"{self.name}: drawn, no photograph"
        )
        return file.getvalue()


@dataclass(frozen=True)
class Slide:
    """How the cells of one slide look and how often each subtype is among them."""

    conditions: ImagingConditions
    frequencies: tuple[float, ...]
    n_cells: float  # in a field, on average
    crowding: float  # how near two cells may come, as a share of their radii; below 1 they overlap
    dirt: float  # specks and platelets in a field, on average


def draw_fields(n_images: int, *, seed: int = 0, n_cells: float = 45.0) -> Iterator[Field]:
    """Yield synthetic fields of view, ten of each slide; the same seed gives the same ones.

    Parameters
    ----------
    n_images : int
    seed : int
    n_cells : float
        In a field, on average; slides differ.
    """
    for number in range(1, n_images + 1):
        yield draw_one(seed, number, n_cells)


def draw_one(seed: int, number: int, n_cells: float = 45.0) -> Field:
    """Return one of the fields of view of :func:`draw_fields`, counted from 1, without the others."""
    slide_number = (number - 1) // PER_SLIDE + 1
    slide = draw_slide(np.random.default_rng([seed, slide_number, *b"slide"]), n_cells)
    pixels, annotations = draw_field(slide, np.random.default_rng([seed, number, *b"field"]))
    return Field(f"synthetic_{seed}_{number:04}.jpg", f"{GROUP} {seed}-{slide_number}", pixels, annotations)


def redraw(name: str) -> Field:
    """Return the field of view of that name: the truth about a synthetic picture.

    Raises
    ------
    FormatError
        If it is not the name of one.
    """
    named = _NAME.fullmatch(name)
    if named is None:
        raise FormatError(f"{name} is not a synthetic picture: those are called synthetic_SEED_NUMBER.jpg.")
    return draw_one(int(named[1]), int(named[2]))


def draw_slide(rng: np.random.Generator, n_cells: float) -> Slide:
    """Return a slide: its stain, lamp, focus, magnification, dirt, and how ill the patient is."""
    stained = rng.random() < 0.7  # else as it is, where haemoglobin is a pale yellow
    tint = np.array([0.055, 0.20, 0.135]) if stained else np.array([0.075, 0.115, 0.165])
    white = np.array([0.86, 0.84, 0.86]) if stained else np.array([0.80, 0.82, 0.80])
    share = rng.dirichlet(60 * np.array(FREQUENCIES) + 0.4)
    conditions = ImagingConditions(
        scale=rng.uniform(4.6, 5.8),
        light=_numbers(white * rng.uniform(0.62, 1.05) * rng.normal(1, 0.035, 3)),
        absorbance=_numbers(tint * rng.uniform(0.7, 1.25) * rng.normal(1, 0.12, 3)),
        defocus=rng.uniform(0.12, 0.42),
        blur=rng.uniform(0.17, 0.30),
        shading=tuple(float(x) for x in rng.normal(0, (0.04, 0.04, 0.04, 0.04, 0.02))),
        noise=rng.uniform(0.006, 0.016),
        mottle=rng.uniform(0.004, 0.014),
    )
    return Slide(
        conditions, _numbers(share), n_cells * rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.0), rng.uniform(1, 5)
    )


def draw_field(
    slide: Slide, rng: np.random.Generator, *, width: int = WIDTH, height: int = HEIGHT
) -> tuple[Pixels, Annotations]:
    """Return a picture (H, W, 3) uint8 of a slide, and the exact boxes of its cells, in pixels."""
    scale = slide.conditions.scale
    size = np.array([width, height]) / scale
    thickness = np.zeros((height, width), np.float32)
    boxes, labels = [], []
    n_cells = rng.poisson(slide.n_cells * (1 + 2 * _MARGIN / size).prod())
    for label, cell, centre in _lay_out(n_cells, size, slide, rng):
        outline = (cell.outline() + centre) * scale
        if _add(thickness, cell, centre, outline, scale):
            boxes.append(np.concatenate([outline.min(axis=0), outline.max(axis=0)]))
            labels.append(label)
    pixels = photograph(thickness, _refocused(slide.conditions, rng), rng)
    for _ in range(rng.poisson(slide.dirt)):
        _soil(pixels, scale, rng)
    return pixels, _annotated(np.array(boxes).reshape(-1, 4), np.array(labels, np.int64), width, height)


def _lay_out(
    n_cells: int, size: Reals, slide: Slide, rng: np.random.Generator
) -> Iterator[tuple[int, Cell, Reals]]:
    """Yield label, cell and centre, (2,) micrometres; a cell for which there is no room is left out."""
    centres, radii = np.empty((n_cells, 2)), np.empty(n_cells)
    placed = 0
    for label in rng.choice(len(SUBTYPES), n_cells, p=slide.frequencies):
        cell = draw_cell(SUBTYPES[label], rng)
        radius = cell.radii.mean()
        tries = rng.uniform(-_MARGIN, size + _MARGIN, (_TRIES, 2))
        apart = np.linalg.norm(tries[:, None] - centres[None, :placed], axis=2)
        nearest = (apart / (radius + radii[:placed])).min(axis=1, initial=np.inf)
        free = np.flatnonzero(nearest > slide.crowding)
        if len(free):
            centres[placed], radii[placed] = tries[free[0]], radius
            placed += 1
            yield int(label), cell, tries[free[0]]


def _add(thickness: Floats, cell: Cell, centre: Reals, outline: Reals, scale: float) -> bool:
    """Add a cell to the map of thickness; return whether any of it lies in the field."""
    height, width = thickness.shape
    x1, y1 = np.maximum(np.floor(outline.min(axis=0)).astype(int), 0)
    x2, y2 = np.minimum(np.ceil(outline.max(axis=0)).astype(int), (width, height))
    if x1 >= x2 or y1 >= y2:
        return False
    x = ((np.arange(x1, x2) + 0.5) / scale - centre[0]).astype(np.float32)
    y = ((np.arange(y1, y2) + 0.5) / scale - centre[1]).astype(np.float32)
    thickness[y1:y2, x1:x2] += cell.thickness(x, y)
    return True


def _soil(pixels: Pixels, scale: float, rng: np.random.Generator) -> None:
    """Put a platelet or a speck of dust into a picture, in place; neither is a red blood cell."""
    height, width, _ = pixels.shape
    platelet = rng.random() < 0.6
    radius = scale * (rng.uniform(0.7, 1.3) if platelet else rng.uniform(0.3, 0.9))
    x0, y0 = rng.uniform(0, (width, height))
    x1, y1 = max(0, int(x0 - 4 * radius)), max(0, int(y0 - 4 * radius))
    patch = pixels[y1 : int(y0 + 4 * radius) + 1, x1 : int(x0 + 4 * radius) + 1]
    y, x = np.mgrid[y1 : y1 + patch.shape[0], x1 : x1 + patch.shape[1]]
    angle = np.arctan2(y - y0, x - x0)
    ragged = radius * (1 + 0.12 * np.sin(2 * angle + x0) + 0.08 * np.sin(3 * angle + y0))
    there = 1 / (1 + np.exp((np.hypot(x - x0, y - y0) / ragged - 1) * (6 if platelet else 4)))
    let_through = np.array([0.62, 0.45, 0.72]) if platelet else np.full(3, rng.uniform(0.15, 0.5))
    patch[:] = patch * (1 - there[..., None] * (1 - let_through))


def _annotated(boxes: Reals, labels: np.ndarray, width: int, height: int) -> Annotations:
    """Return the boxes cut by the border, without those of which hardly anything is seen."""
    inside = np.clip(boxes, 0, (width, height, width, height))
    seen = (inside[:, 2:] - inside[:, :2]).prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept = seen >= _VISIBLE
    return Annotations(inside[kept].astype(np.float32), labels[kept])


def _refocused(conditions: ImagingConditions, rng: np.random.Generator) -> ImagingConditions:
    """Return the imaging conditions of one field: the focus is set anew for each."""
    return replace(
        conditions,
        defocus=conditions.defocus * rng.uniform(0.6, 1.4),
        blur=conditions.blur * rng.uniform(0.9, 1.15),
    )


def _numbers(values: Reals) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
