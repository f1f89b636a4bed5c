"""What a brightfield microscope makes of a map of thickness: absorption, defocus, light, camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from rbcal.formats.pictures import Pixels
from rbcal.types import Floats

_OWN = (0.4, 0.25, 0.5)  # noise of a colour of its own, against that of all: blue has the least light
_COARSE = (8, 10)  # rows and columns
_APART = 37  # rows


@dataclass(frozen=True)
class ImagingConditions:
    """What all pictures of a slide have in common.

    Parameters
    ----------
    scale : float
        Pixels per micrometre.
    light : (3,) float
        Red, green and blue of the empty field, 0 to 1.
    absorbance : (3,) float
        Per micrometre of a normal cell, natural logarithm.
    defocus : float
        Contrast of the bright halo around a cell; negative: the halo is dark.
    blur : float
        Standard deviation of the point spread function, micrometres.
    shading : (5,) float
        Of the illumination, along x, y, x^2, y^2, xy of the field from -1 to 1.
    noise : float
        Standard deviation at full light, of 1.
    mottle : float
        Of the background, large soft patches.
    """

    scale: float
    light: tuple[float, ...]
    absorbance: tuple[float, ...]
    defocus: float
    blur: float
    shading: tuple[float, ...]
    noise: float
    mottle: float


def photograph(thickness: Floats, conditions: ImagingConditions, rng: np.random.Generator) -> Pixels:
    """Return the picture (H, W, 3) uint8 of a map of thickness (H, W), micrometres x density.

    Notes
    -----
    Beer-Lambert for each colour, times what defocus adds. A thin object shifts the phase in proportion to its
    thickness h, and out of focus the intensity changes by a multiple of the Laplacian of h (transport of
    intensity); a difference of Gaussians stands for the Laplacian, which has no value at a sharp rim.

    References
    ----------
    Teague 1983, J. Opt. Soc. Am. 73, 1434.
    """
    sigma = conditions.blur * conditions.scale
    sharp = gaussian_filter(thickness, sigma, truncate=3)
    halo = gaussian_filter(sharp, 2.0 * sigma, truncate=2.5)
    halo -= sharp
    halo *= np.float32(conditions.defocus)
    halo += 1
    halo *= _illumination(sharp.shape, conditions, rng)
    grain = rng.standard_normal(sharp.shape, dtype=np.float32) * np.float32(conditions.noise)
    picture = np.empty((*sharp.shape, 3), np.uint8)
    for channel, (light, absorbance) in enumerate(zip(conditions.light, conditions.absorbance, strict=True)):
        plane = np.exp(sharp * np.float32(-absorbance))  # colour by colour: three times as fast as together
        plane *= halo
        plane *= np.float32(light)
        plane += _grain(grain, channel) * np.sqrt(plane)
        plane *= 255
        plane += 0.5
        picture[..., channel] = np.clip(plane, 0, 255, out=plane)
    return picture


def _illumination(shape: tuple[int, ...], conditions: ImagingConditions, rng: np.random.Generator) -> Floats:
    """Return the light on the field (H, W), near 1: smooth, so a coarse grid of it will do."""
    height, width = shape
    y, x = np.linspace(-1, 1, _COARSE[0])[:, None], np.linspace(-1, 1, _COARSE[1])
    a, b, c, d, e = conditions.shading
    light = 1 + a * x + b * y + c * x * x + d * y * y + e * x * y + rng.normal(0, conditions.mottle, _COARSE)
    grid = Image.fromarray(light.astype(np.float32))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))


def _grain(grain: Floats, channel: int) -> Floats:
    """Return the noise of one colour (H, W), for full light; photon noise grows with the root of the light.

    After a camera's demosaicing most of it is common to the colours; the rest is taken from elsewhere in the
    same noise, where it is independent.
    """
    shifted = np.roll(grain, (_APART * (channel + 1)), axis=0)
    shifted *= np.float32(_OWN[channel])
    shifted += grain
    return shifted
