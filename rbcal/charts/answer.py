"""Did it help? The answer of the Progress page: a sentence, the score's curve, and a table of the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from rbcal.charts.learning_curve import metrics_table
from rbcal.charts.model_tables import interval
from rbcal.evaluation.metrics import Interval
from rbcal.store.evaluations import CurvePoint
from rbcal.store.models import StoredComparison
from rbcal.wording import count

GAIN = "Gain (95 %)"
IN_USE = "in use"
SCORE_WORDS = (
    "The score is Precision_all, equation (9) of the paper: the average precision (AP at IoU 0.5) of each "
    "class on the test images, weighted by its test cells. 1 is perfect. No model learns from test images."
)
_WORTH_TRAINING_ON = 0.01  # gain of the score; runs that differ by chance alone differ by as much
_TRAINED_OUT = "What helps now is new cells."
_NOT_TRAINED_OUT = "The model before was not trained out: train once more, now or with new cells."
_FEWEST_IMAGES = 5  # as the bootstrap has it: of fewer, the interval is all that is possible


def answer_words(
    curve: Sequence[CurvePoint], shown: CurvePoint, comparisons: Mapping[int, StoredComparison]
) -> str:
    """Return :func:`answer` as Markdown."""
    verdict, sentence = answer(curve, shown, comparisons)
    return f"**{verdict}** {sentence}" if verdict else sentence


def answer(
    curve: Sequence[CurvePoint], shown: CurvePoint, comparisons: Mapping[int, StoredComparison]
) -> tuple[str, str]:
    """Return whether a model is better than the one before: a verdict, empty for the first, and a sentence.

    Parameters
    ----------
    curve : sequence of CurvePoint
        Of all trainings, the oldest first.
    shown : CurvePoint
        One of them: that of the model in use.
    comparisons : mapping of model to StoredComparison
        As :meth:`rbcal.store.models.Models.comparisons` returns them.
    """
    images = count(shown.evaluation.n_images, "test image")
    base = _base(curve, shown, comparisons)
    if base is None:
        return "", (
            f"Model {shown.model_id} ({count(shown.n_cells, 'annotated cell')}) scores "
            f"{shown.evaluation.precision_all:.3f} on {images}. {_what_comes(curve, shown)}"
        )
    verdict, reason = _judged(shown, base, comparisons)
    return verdict, (
        f"Model {shown.model_id} ({count(shown.n_cells, 'annotated cell')}) scores "
        f"{shown.evaluation.precision_all:.3f} on {images}, model {base.model_id} ({base.n_cells:,}) "
        f"{base.evaluation.precision_all:.3f}: {reason}"
    )


def _base(
    curve: Sequence[CurvePoint], shown: CurvePoint, comparisons: Mapping[int, StoredComparison]
) -> CurvePoint | None:
    """Return the model that another is held against: the one it was compared to, else the one before it."""
    before = [point for point in curve if point.model_id < shown.model_id]
    stored = comparisons.get(shown.model_id)
    compared = [point for point in before if stored and point.model_id == stored.serving_id]
    earlier = compared or before
    return earlier[-1] if earlier else None


def _what_comes(curve: Sequence[CurvePoint], shown: CurvePoint) -> str:
    if shown.model_id == curve[-1].model_id:
        return "Whether more cells help is seen after the next training."
    return "It was the first; no later model has taken its place."


def _judged(
    shown: CurvePoint, base: CurvePoint, comparisons: Mapping[int, StoredComparison]
) -> tuple[str, str]:
    """Return a verdict and what it rests on, in words."""
    stored = comparisons.get(shown.model_id)
    if stored is None or stored.serving_id != base.model_id:
        return "Not sure yet.", "whether the difference is chance was not measured."
    if not _is_of_now(shown, stored):
        return "Not sure yet.", "the test set has changed since the two were compared."
    if stored.comparison.n_images < _FEWEST_IMAGES:
        return "Not sure yet.", "these are too few images to tell a gain from chance."
    gain = stored.comparison.precision_all
    within = f"(95 % interval: {interval(gain)})."
    if gain.worse:
        return "No.", f"the loss is more than chance explains {within}"
    is_chance, is_on_same_cells = gain.low <= 0, shown.same_cells_as is not None
    if is_chance and is_on_same_cells and gain.new - gain.old < _WORTH_TRAINING_ON:
        return "Trained out.", f"longer training on the same cells brought nothing {within} {_TRAINED_OUT}"
    if is_chance:
        return "Not sure yet.", f"the difference may be chance {within}"
    reason = f"the gain is more than chance explains {within}"
    if is_on_same_cells:
        return "Better, but not through new cells.", f"{reason} {_NOT_TRAINED_OUT}"
    return "Yes.", reason


def _is_of_now(point: CurvePoint, stored: StoredComparison) -> bool:
    """Return whether a model was compared on as many test images as its figures are of now."""
    return stored.comparison.n_images == point.evaluation.n_images


def score_intervals(
    curve: Sequence[CurvePoint], comparisons: Mapping[int, StoredComparison]
) -> dict[int, Interval]:
    """Return where the score of each model that was compared lies, with 95 %, by its number.

    It is the interval of the difference to the model that was in use before, laid around the score: what is
    hard for both models on the same images is not in it.
    """
    intervals = {}
    for point in curve:
        stored = comparisons.get(point.model_id)
        if stored is None or not _is_of_now(point, stored) or stored.comparison.n_images < _FEWEST_IMAGES:
            continue
        gain, score = stored.comparison.precision_all, point.evaluation.precision_all
        low, high = (score + side - (gain.new - gain.old) for side in (gain.low, gain.high))
        intervals[point.model_id] = (max(0.0, low), min(1.0, high))
    return intervals


def answer_table(
    curve: Sequence[CurvePoint], comparisons: Mapping[int, StoredComparison], serving_id: int | None
) -> pd.DataFrame:
    """Return one row for each model, the newest first: its cells, its score, and what it gained."""
    table = metrics_table(curve)
    table.insert(1, "State", [IN_USE if point.model_id == serving_id else "" for point in curve])
    gains = [_gain(comparisons.get(point.model_id)) for point in curve]
    table.insert(list(table).index("Precision_all") + 1, GAIN, gains)
    return table[::-1].reset_index(drop=True)


def _gain(stored: StoredComparison | None) -> str:
    if stored is None:
        return ""
    gain = stored.comparison.precision_all
    words = f"{gain.new - gain.old:+.3f} on model {stored.serving_id}"
    return words if stored.comparison.n_images < _FEWEST_IMAGES else f"{words} ({interval(gain)})"
