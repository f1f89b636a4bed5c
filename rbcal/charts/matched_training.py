"""Trainings on the same annotated cells: what longer training brought is not what cells brought."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.evaluation.learning_curves import METRICS, Metric
from rbcal.store.evaluations import CurvePoint

NEW_CELLS = "new cells"
HOLLOW_WORDS = "Hollow mark: trained on the same cells as the model before it, so the line leaves it out."
_MAIN = "Precision_all"


def trainings(curve: Sequence[CurvePoint]) -> list[str]:
    """Return what is new in each point of the curve, beside the point before: cells, or the training alone.

    >>> from rbcal.evaluation.metrics import Evaluation
    >>> first = CurvePoint(1, 2, 90, "", Evaluation(0.4, 0, 0, None, (0.4,), (9,), 1), n_steps=100)
    >>> trainings([first, CurvePoint(2, 2, 90, "", first.evaluation, 1, (1,), 200)])
    ['new cells', 'same cells, trained longer']
    """
    steps = {point.model_id: point.n_steps for point in curve}
    words = []
    for point in curve:
        if point.same_cells_as is None:
            words.append(NEW_CELLS)
        elif point.n_steps > steps[point.same_cells_as]:
            words.append("same cells, trained longer")
        else:
            words.append("same cells, trained again")
    return words


def on_new_cells(curve: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Return the points that rest on other cells than the point before: the line of the curve."""
    return [point for point in curve if point.same_cells_as is None]


def without_longer_training(curve: Sequence[CurvePoint], metric: Metric) -> list[tuple[int, float]]:
    """Return cells and metric of each point on new cells, less what trainings on the same cells had brought.

    Parameters
    ----------
    curve : sequence of CurvePoint
        Of all trainings, the oldest first.
    metric : callable
        One of :data:`rbcal.evaluation.learning_curves.METRICS`.

    Returns
    -------
    list of (int, float)
        The last one has its metric as measured; the others are moved so that the differences between them are
        those of the cells. Points without the metric are left out.

    Notes
    -----
    A model that went on from one that was trained longer on the same cells has its gain, too. That gain was
    measured, as the difference of the two on the same cells; it is taken off.
    """
    groups = _same_cells(curve)
    pairs = []
    for point in on_new_cells(curve):
        value = metric(point.evaluation)
        if value is not None:
            gained = sum(_inherited(point, group, metric) for group in groups)
            pairs.append((point.n_cells, value, value - gained))
    if not pairs:
        return []
    _, measured, last = pairs[-1]
    return [(n, cells_alone + measured - last) for n, _, cells_alone in pairs]


def same_cells_words(curve: Sequence[CurvePoint], shown: CurvePoint) -> str:
    """Return in a sentence what of a model's gain does not come from new cells; empty where none is measured.

    Parameters
    ----------
    curve : sequence of CurvePoint
        Of all trainings, the oldest first.
    shown : CurvePoint
        One of them.
    """
    metric = METRICS[_MAIN]
    place = [point.model_id for point in curve].index(shown.model_id)
    if shown.same_cells_as is not None:
        longer = trainings(curve)[place].removeprefix("same cells, ")
        return (
            f"Model {shown.model_id} was {longer} on the same cells as model {shown.same_cells_as}: what "
            "changed between them does not come from cells."
        )
    groups = _same_cells(curve[:place])
    if not groups:
        return ""
    before = groups[-1]
    base, gained = before[0], _inherited(shown, before, metric)
    whole = _difference(base, shown, metric)
    if gained <= 0 or whole <= 0:
        return ""
    longest = next(point for point in reversed(before) if point.model_id in shown.ancestors)
    part = "Part of the gain" if gained < whole else "The gain"
    return (
        f"{part} since model {base.model_id} comes from training on: model {longest.model_id} had "
        f"{gained:+.3f} {_MAIN} more with the same cells."
    )


def _same_cells(curve: Sequence[CurvePoint]) -> list[list[CurvePoint]]:
    """Return the points in groups that rest on the same cells, each in the order of the curve."""
    groups: list[list[CurvePoint]] = []
    for point in curve:
        if point.same_cells_as is None or not groups:
            groups.append([])
        groups[-1].append(point)
    return groups


def _inherited(point: CurvePoint, group: Sequence[CurvePoint], metric: Metric) -> float:
    """Return what a point has from models that were trained longer on the cells of one group."""
    latest = next((each for each in reversed(group) if each.model_id in point.ancestors), group[0])
    return _difference(group[0], latest, metric)


def _difference(old: CurvePoint, new: CurvePoint, metric: Metric) -> float:
    """Return what a metric gained; 0 where either has none."""
    then, now = metric(old.evaluation), metric(new.evaluation)
    return 0.0 if then is None or now is None else now - then
