"""How good a detector is on a test set, and how much better than another one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluation:
    """Average precision of one model on one test set, each in [0, 1]; higher is better.

    Parameters
    ----------
    precision_all : float
        Equation (9): the mean of AP at IoU 0.5 over the classes, weighted by their number of cells.
    map_50, map_50_95 : float
        Plain means over the classes that the test set has, at IoU 0.5 and over IoU 0.5 to 0.95.
    rare_ap_50 : float or None
        Mean AP at IoU 0.5 of the rare classes; None where the test set has no rare cell.
    ap_50 : C values
        AP at IoU 0.5 of each class; None where the test set has no such cell.
    n_cells : C values
        N_k, counted on the ground truth of the test set.
    n_images : int
        Images of the test set.
    """

    precision_all: float
    map_50: float
    map_50_95: float
    rare_ap_50: float | None
    ap_50: tuple[float | None, ...]
    n_cells: tuple[int, ...]
    n_images: int


@dataclass(frozen=True)
class Difference:
    """A figure of a new model less that of the old one, and the interval that holds 95 % of its resamples."""

    old: float
    new: float
    low: float
    high: float

    @property
    def worse(self) -> bool:
        """Whether the new model is worse beyond noise: the whole interval lies below 0."""
        return self.high < 0


@dataclass(frozen=True)
class Comparison:
    """A new model beside an old one on the same test images.

    Parameters
    ----------
    precision_all : Difference
        Of equation (9).
    classes : C values
        Of AP at IoU 0.5 of each class; None where the test set has no such cell.
    n_images : int
        Images of the test set, which are what is resampled.
    """

    precision_all: Difference
    classes: tuple[Difference | None, ...]
    n_images: int

    @property
    def worse(self) -> bool:
        """Whether the new model is worse beyond noise by Precision_all."""
        return self.precision_all.worse
