"""Models as tables: which there are, and how a new one compares to the one that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from rbcal.evaluation.metrics import Comparison, Difference, Evaluation
from rbcal.store.classes import CellClass
from rbcal.store.models import Model
from rbcal.wording import duration

PRUNING_RULE = (
    "The model in use, the best one and the last two are kept whole; of the others, only the figures."
)


def models_table(
    models: Sequence[Model], measured: Mapping[int, Evaluation], serving_id: int | None
) -> pd.DataFrame:
    """Return one row for each model, the newest first."""
    newest_first = models[::-1]
    figures = [measured.get(model.id) for model in newest_first]
    return pd.DataFrame(
        {
            "Model": [model.id for model in newest_first],
            "State": [_state(model, serving_id) for model in newest_first],
            "Trained": [datetime.fromisoformat(model.created_at).astimezone() for model in newest_first],
            "Backbone": [model.config.backbone for model in newest_first],
            "Started from": [origin(model) for model in newest_first],
            "Images": [model.n_images for model in newest_first],
            "Cells": [model.n_cells for model in newest_first],
            "Precision_all": [each and each.precision_all for each in figures],
            "mAP@0.5": [each and each.map_50 for each in figures],
            "Took": [duration(model.seconds) for model in newest_first],
        }
    )


def _state(model: Model, serving_id: int | None) -> str:
    if model.id == serving_id:
        return "in use"
    return "kept" if model.has_weights else "figures only"


def origin(model: Model) -> str:
    """Return what a model's training started from, in words."""
    if model.parent_id is not None:
        return f"model {model.parent_id}"
    return "random" if model.config.init == "random" else "ImageNet"


def comparison_table(
    comparison: Comparison, classes: Sequence[CellClass], old_id: int, new_id: int
) -> pd.DataFrame:
    """Return AP@0.5 of both models for each class of the test set, the greatest loss first."""
    tested = [
        (each.name, difference)
        for each, difference in zip(classes, comparison.classes, strict=False)
        if difference is not None
    ]
    tested.sort(key=lambda pair: pair[1].new - pair[1].old)
    rows = [("Precision_all", comparison.precision_all), *tested]
    return pd.DataFrame(
        [
            (name, each.old, each.new, each.new - each.old, interval(each), verdict(each))
            for name, each in rows
        ],
        columns=[
            "AP@0.5",
            f"Model {old_id}",
            f"Model {new_id}",
            "Difference",
            "95 % within",
            "More than chance",
        ],
    )


def interval(difference: Difference) -> str:
    """Return the interval of a difference as people read it.

    >>> interval(Difference(0.5, 0.4, -0.151, 0.02))
    '-0.15 to +0.02'
    """
    return f"{difference.low:+.2f} to {difference.high:+.2f}"


def verdict(difference: Difference) -> str:
    """Return whether a difference is more than noise."""
    if difference.worse:
        return "worse"
    return "better" if difference.low > 0 else "no"
