"""How sure the detector is of one cell: equations (5), (6) and (7) and other measures, a function each.

U^d and U^c are *certainties*: high means that the stochastic passes agree. A detection claims that there
is a cell, so background is never the class of a cell. In a pass whose most probable column is background,
d_i is the box of the most probable cell class (background has no box), and c_i agrees with no class: a
cell that half of the passes take for background has U^c <= 0.5, and the expert gets to see it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rbcal.errors import ScoringError
from rbcal.types import Floats, Passes, iou


def detection_certainty(passes: Passes) -> Floats:
    """Return U^d: how well the boxes of all passes overlap that of the first; high means certain.

    Parameters
    ----------
    passes : Passes
        T >= 2 stochastic passes over N cells.

    Returns
    -------
    (N,) float32 in [0, 1]

    Raises
    ------
    ScoringError
        With fewer than 2 passes, where (5) divides by zero.

    References
    ----------
    Sadafi et al. 2019, equation (5): U^d = 1/(N-1) * sum_{i=2..N} IoU(d_1, d_i).

    >>> boxes = np.float32([[[0, 0, 2, 2]], [[0, 0, 2, 2]], [[0, 0, 2, 1]]])  # same box; half of it
    >>> detection_certainty(Passes(boxes, np.full((3, 1, 2), 0.5)))
    array([0.75], dtype=float32)
    """
    _check_passes(passes)
    d_1, d_i = passes.boxes[0], passes.boxes[1:]
    u_d: Floats = iou(d_1, d_i).astype(np.float64).mean(axis=0).astype(np.float32)
    return u_d


def class_certainty(passes: Passes) -> Floats:
    """Return U^c: the share of passes that name the most frequent class; high means certain.

    Parameters
    ----------
    passes : Passes
        T >= 2 stochastic passes over N cells.

    Returns
    -------
    (N,) float32 in [0, 1]
        0 only where every pass sees background.

    Raises
    ------
    ScoringError
        With fewer than 2 passes, where agreement means nothing.

    Notes
    -----
    The mode c_m runs over the cell classes; a tie goes to the class with the higher mean probability.

    References
    ----------
    Sadafi et al. 2019, equation (6): U^c = 1/N * sum_{i=1..N} [c_i = c_m].

    >>> probs = np.float32([[[0, 0.9, 0.1]], [[0, 0.8, 0.2]], [[0, 0.4, 0.6]], [[0, 0.7, 0.3]]])
    >>> class_certainty(Passes(np.ones((4, 1, 4)), probs))  # one of four passes says class 1
    array([0.75], dtype=float32)
    """
    _check_passes(passes)
    c_i, c_m = passes.probs.argmax(axis=-1), modal_class(passes)
    return (c_i == c_m).mean(axis=0).astype(np.float32)


def renamed_certainty(u_c: Floats, probs: Floats, live: Floats) -> Floats:
    """Return U^c (N,) of cells that another last layer names by now; high means sure.

    The passes were of the model's own layer. Where the live name is another one, at most 1 - U^c of them have
    named it; so that is its U^c.

    Parameters
    ----------
    u_c : (N,) float32
        Equation (6), of the passes.
    probs, live : (N, C + 1) float32
        Class distributions by the model's own layer, and by the other.

    >>> u_c, probs = np.float32([0.9, 0.9]), np.float32([[0, 0.8, 0.2], [0, 0.8, 0.2]])
    >>> renamed_certainty(u_c, probs, np.float32([[0, 0.6, 0.4], [0, 0.4, 0.6]])).round(2)
    array([0.9, 0.1], dtype=float32)
    """
    is_renamed = live[:, 1:].argmax(axis=1) != probs[:, 1:].argmax(axis=1)
    certainty: Floats = np.where(is_renamed, np.minimum(u_c, 1 - u_c), u_c)
    return certainty


def modal_class(passes: Passes) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return c_m, the column of ``probs`` that most passes find most probable, background left out.

    Returns
    -------
    (N,) int in 1..C
        A tie goes to the class with the higher mean probability.
    """
    n_columns = passes.probs.shape[-1]
    c_i = passes.probs.argmax(axis=-1)
    votes = (c_i[..., None] == np.arange(n_columns)).sum(axis=0)  # (N, C + 1)
    mean = passes.probs.mean(axis=0, dtype=np.float64)
    leading = votes[:, 1:] == votes[:, 1:].max(axis=1, keepdims=True)
    return np.where(leading, mean[:, 1:], -1).argmax(axis=1) + 1


def rare_candidate(probs: Floats, rare: Sequence[int], threshold: float) -> Floats:
    """Return U^r: 1 where some rare class is more probable than the threshold, else 0.

    Parameters
    ----------
    probs : (N, C + 1) float32
        Mean class probabilities over the passes; column 0 is background.
    rare : sequence of int, 0 <= label < C
        Labels of the rare classes; label k is column k + 1.
    threshold : float in [0, 1]
        0.2 in the paper.

    Returns
    -------
    (N,) float32, 0 or 1

    Raises
    ------
    ScoringError
        If a probability is NaN, or a rare label is not one of the C classes.

    Notes
    -----
    The printed equation has "p_j < 0.2 -> 1", a slip for ">".

    References
    ----------
    Sadafi et al. 2019, equation (7): U^r = 1 if p_j > 0.2 for any rare class j, else 0.

    >>> rare_candidate(np.float32([[0.1, 0.6, 0.3], [0.1, 0.8, 0.1]]), rare=[1], threshold=0.2)
    array([1., 0.], dtype=float32)
    """
    n_classes = probs.shape[1] - 1
    if outside := [label for label in rare if not 0 <= label < n_classes]:
        raise ScoringError(
            f"A rare class must be one of the {n_classes} labels from 0, but got {outside[0]}."
        )
    if np.isnan(probs).any():
        raise ScoringError("U^r (7) needs class probabilities, but got NaN.")
    p_j = probs[:, [label + 1 for label in rare]]
    return np.any(p_j > threshold, axis=1).astype(np.float32)


def entropy(probs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the entropy of class distributions; high means unsure, for whatever reason.

    Parameters
    ----------
    probs : (..., C + 1) float
        Background first. Of the mean over the passes this is the predictive entropy (Gal 2016, 3.3.1).

    Returns
    -------
    (...) float64 in [0, 1]
        In units of ln(C + 1), the entropy when background and all classes are equally probable.

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]]))
    array([1., 0.])
    """
    probs = probs.astype(np.float64)
    surprise = -np.log(probs, where=probs > 0, out=np.zeros_like(probs))
    return np.asarray((probs * surprise).sum(axis=-1) / np.log(probs.shape[-1]))


def mutual_information(passes: Passes) -> Floats:
    """Return BALD: how much the passes contradict each other; high means that a label would teach.

    A cell that every pass calls a coin toss has the highest entropy and no mutual information.

    Returns
    -------
    (N,) float32 in [0, 1]
        In units of ln(C + 1).

    References
    ----------
    Houlsby et al. 2011 (arXiv 1112.5745): H[mean_i p_i] - mean_i H[p_i].

    >>> agreeing, contradicting = [[0.5, 0.5]] * 2, [[1, 0], [0, 1]]
    >>> probs = np.float32([agreeing, contradicting]).swapaxes(0, 1)
    >>> mutual_information(Passes(np.ones((2, 2, 4)), probs))
    array([0., 1.], dtype=float32)
    """
    _check_passes(passes)
    whole, of_passes = entropy(passes.probs.mean(axis=0, dtype=np.float64)), entropy(passes.probs)
    return np.clip(whole - of_passes.mean(axis=0), 0, 1).astype(np.float32)


def box_agreement(passes: Passes) -> Floats:
    """Return the mean IoU of the boxes of all passes to their mean box; high means certain.

    Unlike (5) it does not hang on the first pass.

    Returns
    -------
    (N,) float32 in [0, 1]

    References
    ----------
    Blok et al. 2024 (BoxAL, arXiv 2410.04880): certainty of the box.
    """
    mean = passes.boxes.mean(axis=0, dtype=np.float64).astype(np.float32)
    overlap: Floats = iou(mean, passes.boxes).astype(np.float64).mean(axis=0).astype(np.float32)
    return overlap


def detection_rate(passes: Passes) -> Floats:
    """Return the share of passes that see a cell rather than background; high means certain.

    Returns
    -------
    (N,) float32 in [0, 1]

    References
    ----------
    Blok et al. 2024 (BoxAL, arXiv 2410.04880): certainty of occurrence.
    """
    return (passes.probs.argmax(axis=-1) > 0).mean(axis=0).astype(np.float32)


def uncertainty_features(probs: Floats, bald: Floats, agreement: Floats, rate: Floats) -> NDArray[np.float64]:
    """Return what the chance of a change is estimated from, (N, 4) in [0, 1]: high where the model is unsure.

    They are mutual information, predictive entropy, 1 - agreement of the boxes, and the entropy of the rate.
    """
    seen = np.clip(rate.astype(np.float64), 1e-12, 1 - 1e-12)
    unseen = 1 - seen
    coin = -(seen * np.log2(seen) + unseen * np.log2(unseen))  # entropy of "a cell or none"
    return np.stack([bald, entropy(probs), 1 - agreement, coin], axis=1).astype(np.float64)


def _check_passes(passes: Passes) -> None:
    if passes.n_passes < 2:
        raise ScoringError(
            f"U^d (5) and U^c (6) compare passes, so they need at least 2; got {passes.n_passes}."
        )
