"""How thick a red blood cell is at each pixel, subtype by subtype, from geometry.

A cell that loses volume goes from the biconcave discocyte through three stages of spikes to a small dense
ball; here that is one number, the stage, which runs from 0 (D) to 4 (E.F). One that gains volume becomes a
stomatocyte, a dome with one or more invaginations.

References
----------
Evans and Fung 1972, Microvasc. Res. 4, 335: the profile of the discocyte.
Bessis 1972, Nouv. Rev. Fr. Hematol. 12, 721: the stages of the echinocyte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbcal.types import Floats

Reals = NDArray[np.floating[Any]]

SUBTYPES = ("S.D", "S.N", "D", "E.1", "E.2", "E.3", "E.F")
_STAGE = {"D": 0, "E.1": 1, "E.2": 2, "E.3": 3, "E.F": 4}
_STAGES = np.array(  # a column a stage: D, E.1, E.2, E.3, E.F
    [
        (3.9, 3.75, 3.4, 3.0, 2.55),  # radius, micrometres
        (1.0, 1.02, 1.08, 1.22, 1.5),  # density of haemoglobin: what is lost is water
        (1.0, 0.72, 0.34, 0.06, 0.0),  # dimple; 1: biconcave as Evans and Fung have it, 0: a dome
        (8, 14, 24, 36, 60),  # spikes on the whole surface
        (0.0, 0.075, 0.15, 0.21, 0.10),  # length of a spike, in radii
        (0.30, 0.26, 0.19, 0.14, 0.10),  # width of a spike, radians
        (2.0, 2.0, 1.8, 1.5, 1.3),  # exponent of its flank; 2: rounded
    ]
)
_SPREAD = (0.05, 0.04, 0.08, 0.12, 0.12, 0.1, 0.0)  # of each among cells of one stage, relative

_BICONCAVE = (0.81, 7.83, -4.39)  # micrometres; Evans and Fung, at 300 mOsm
_DOME = (3.1, 0.0, 0.0)  # about the same volume
_ANGLES = np.linspace(0, 2 * np.pi, 256, endpoint=False)
_GOLDEN = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell at the origin: its outline, and how thick it is inside; lengths in micrometres.

    Parameters
    ----------
    radii : (256,) float
        Of the outline, before it is stretched, at angles from 0 to 2 pi.
    stretch : float
        Ratio of the axes of the ellipse that a circle becomes, >= 1.
    turn : float
        Of the long axis, radians.
    density : float
        Of haemoglobin, against that of a discocyte.
    dimple : float
        1 is biconcave, 0 a dome.
    pits : (P, 6) float
        Invaginations in radii and radians: centre x, y, half length, half width, direction, bend.
    pit_depth : float
        Share of the thickness that is missing in their middle.
    bumps : (B, 4) float
        Spikes seen from above: x, y, width, height, before the cell is stretched.
    """

    radii: Reals
    stretch: float
    turn: float
    density: float
    dimple: float
    pits: Reals
    pit_depth: float
    bumps: Reals

    def outline(self) -> Reals:
        """Return the points (256, 2) of the outline, x and y."""
        x = self.radii * np.cos(_ANGLES) * np.sqrt(self.stretch)
        y = self.radii * np.sin(_ANGLES) / np.sqrt(self.stretch)
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)

    def thickness(self, x: Floats, y: Floats) -> Floats:
        """Return how much light there is to absorb at x (W,) and y (H,): (H, W), micrometres x density.

        0 outside of the outline.
        """
        cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        u = (x[None] * cos + y[:, None] * sin) / np.float32(np.sqrt(self.stretch))
        v = (y[:, None] * cos - x[None] * sin) * np.float32(np.sqrt(self.stretch))
        angle = (np.arctan2(v, u) * np.float32(len(_ANGLES) / (2 * np.pi))).astype(np.int32)
        radius = self.radii.astype(np.float32)[angle % len(_ANGLES)]
        rho = (u * u + v * v) / (radius * radius)
        c0, c1, c2 = (
            np.float32(self.dimple * disc + (1 - self.dimple) * dome)
            for disc, dome in zip(_BICONCAVE, _DOME, strict=True)
        )
        thick = np.sqrt(np.maximum(1 - rho, 0)) * (c0 + rho * (c1 + rho * c2))
        mean = np.float32(self.radii.mean())
        for px, py, length, width, direction, bend in self.pits.tolist():
            du, dv = u / mean - np.float32(px), v / mean - np.float32(py)
            cos, sin = np.float32(np.cos(direction)), np.float32(np.sin(direction))
            along, across = (du * cos + dv * sin) / length, (dv * cos - du * sin) / width
            along *= along
            across += np.float32(bend) * along
            thick *= 1 - np.float32(self.pit_depth) * np.exp(-(np.sqrt(along) * along + across * across))
        if len(self.bumps):
            thick += self._bumps(x, y) * (rho < 1)
        return thick * np.float32(self.density)

    def _bumps(self, x: Floats, y: Floats) -> Floats:
        """Return the height of the spikes on the faces, (H, W): round ones, so rows times columns."""
        bx, by, width, height = self.bumps.astype(np.float32).T
        cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        mx, my = bx * cos - by * sin, bx * sin + by * cos
        across = np.exp(-0.5 * ((x[None] - mx[:, None]) / width[:, None]) ** 2)
        down = np.exp(-0.5 * ((y[None] - my[:, None]) / width[:, None]) ** 2)
        return (down * height[:, None]).T @ across


def draw_cell(subtype: str, rng: np.random.Generator) -> Cell:
    """Return a cell of a subtype, no two alike; neighbouring stages of the echinocyte overlap."""
    if subtype in _STAGE:
        return _on_the_way(np.clip(_STAGE[subtype] + rng.uniform(-0.5, 0.5), 0, 4), rng)
    return _stomatocyte(rng, dehydrated=subtype == "S.D")


def _on_the_way(stage: float, rng: np.random.Generator) -> Cell:
    """Return a discocyte (0) that has come so far on its way to the final echinocyte (4)."""
    left = min(int(stage), 3)
    typical = _STAGES[:, left] + (stage - left) * (_STAGES[:, left + 1] - _STAGES[:, left])
    radius, density, dimple, n_spikes, length, width, pointed = typical * rng.normal(1, _SPREAD)
    tips = _on_a_sphere(max(4, round(n_spikes)), rng)
    outline = 1 + _limb(tips, length, width, pointed)
    faces = tips[np.abs(tips[:, 2]) > 0.3]
    bumps = np.column_stack(
        [radius * faces[:, :2], np.full(len(faces), 0.62 * radius * width), 7 * length * np.abs(faces[:, 2])]
    )
    return Cell(
        radii=radius * outline * _wobble(rng, 0.02),
        stretch=1 + abs(rng.normal(0, 0.08)),
        turn=rng.uniform(0, 2 * np.pi),
        density=density,
        dimple=min(dimple, 1.1),
        pits=np.empty((0, 6)),
        pit_depth=0.0,
        bumps=bumps if length > 0.01 else np.empty((0, 4)),
    )


def _stomatocyte(rng: np.random.Generator, *, dehydrated: bool) -> Cell:
    """Return a cell with one slit-like mouth, sometimes two or three; without water it is small and dense."""
    n = rng.choice([1, 2, 3], p=[0.85, 0.12, 0.03] if dehydrated else [0.72, 0.2, 0.08])
    direction = rng.uniform(0, np.pi)
    aside = np.linspace(-0.28, 0.28, n) if n > 1 else rng.normal(0, 0.06, 1)
    pits = np.column_stack(
        [
            -aside * np.sin(direction) + rng.normal(0, 0.05, n),
            aside * np.cos(direction) + rng.normal(0, 0.05, n),
            rng.uniform(0.32, 0.5, n) if dehydrated else rng.uniform(0.45, 0.68, n),
            rng.uniform(0.11, 0.17, n) if dehydrated else rng.uniform(0.17, 0.27, n) / np.sqrt(n),
            direction + rng.normal(0, 0.25, n),
            rng.normal(0, 0.5, n),
        ]
    )
    return Cell(
        radii=(rng.normal(3.0, 0.15) if dehydrated else rng.normal(3.75, 0.2)) * _wobble(rng, 0.02),
        stretch=1 + abs(rng.normal(0.1 if dehydrated else 0.05, 0.06)),
        turn=rng.uniform(0, 2 * np.pi),
        density=rng.normal(1.4, 0.06) if dehydrated else rng.normal(0.95, 0.05),
        dimple=rng.uniform(0.0, 0.15),
        pits=pits,
        pit_depth=rng.uniform(0.6, 0.8) if dehydrated else rng.uniform(0.78, 0.95),
        bumps=np.empty((0, 4)),
    )


def _on_a_sphere(n: int, rng: np.random.Generator) -> Reals:
    """Return n points (n, 3) that are spread over the unit sphere, evenly but for a jitter."""
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = _GOLDEN * np.arange(n)
    points = np.column_stack([np.sqrt(1 - z * z) * np.cos(angle), np.sqrt(1 - z * z) * np.sin(angle), z])
    points += rng.normal(0, 0.5 / np.sqrt(n), points.shape)
    points /= np.sqrt((points * points).sum(axis=1, keepdims=True))
    return points @ _rotation(*rng.normal(size=4))


def _rotation(w: float, x: float, y: float, z: float) -> Reals:
    """Return the rotation (3, 3) of a quaternion; of four normal numbers, any rotation is as likely."""
    n = 2 / (w * w + x * x + y * y + z * z)
    return np.array(
        [
            [1 - n * (y * y + z * z), n * (x * y - z * w), n * (x * z + y * w)],
            [n * (x * y + z * w), 1 - n * (x * x + z * z), n * (y * z - x * w)],
            [n * (x * z - y * w), n * (y * z + x * w), 1 - n * (x * x + y * y)],
        ]
    )


def _limb(tips: Reals, length: float, width: float, pointed: float) -> Reals:
    """Return by how much spikes stick out of the outline at each angle, (256,), in radii."""
    out = (1 + length) * np.hypot(tips[:, 0], tips[:, 1]) - 1
    seen = out > 0
    apart = _ANGLES - np.arctan2(tips[seen, 1], tips[seen, 0])[:, None]
    apart = np.abs((apart + np.pi) % (2 * np.pi) - np.pi) / width
    flanks = out[seen, None] * np.exp(-(apart**pointed))
    return flanks.max(axis=0, initial=0.0)


def _wobble(rng: np.random.Generator, size: float) -> Reals:
    """Return factors (256,) near 1 that make an outline less than perfect."""
    orders = np.arange(2, 6)[:, None]
    phases, sizes = rng.uniform(0, 2 * np.pi, (4, 1)), rng.normal(0, size, (4, 1)) / (orders - 1)
    return 1 + (sizes * np.cos(orders * _ANGLES + phases)).sum(axis=0)
