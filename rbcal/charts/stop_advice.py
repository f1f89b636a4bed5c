"""When to stop, in words: what is wanted, what is reached, what more cells are likely to bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rbcal.charts.few_cells import few_rare_cells, rare_words
from rbcal.charts.matched_training import on_new_cells, without_longer_training
from rbcal.evaluation.forecast import FEWEST_TRAININGS, forecast
from rbcal.evaluation.learning_curves import METRICS
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint
from rbcal.store.targets import TARGETS
from rbcal.wording import count

MORE = 200  # cells; about what an expert annotates in a session


@dataclass(frozen=True)
class Standing:
    """Where one figure stands: its value and its target, None where there is none, and what is to come."""

    name: str
    value: float | None
    target: float | None
    outlook: str
    few_cells: int = 0  # test cells that it would rest on, where they are too few to tell it

    @property
    def reached(self) -> bool:
        """Whether there is a target, and the value is there."""
        return self.value is not None and self.target is not None and self.value >= self.target


def standings(
    curve: Sequence[CurvePoint],
    shown: Evaluation,
    targets: Mapping[str, float],
    classes: Sequence[CellClass] = (),
) -> dict[str, Standing]:
    """Return where each figure that can have a target stands.

    Parameters
    ----------
    curve : sequence of CurvePoint
        Of all trainings, the oldest first.
    shown : Evaluation
        Of the model that counts: the one that serves.
    targets : mapping
        As :meth:`rbcal.store.targets.Targets.all` returns them.
    classes : sequence of CellClass
        Of the project; where every rare one of them has few test cells, nothing is said of rare classes.
    """
    standings = {
        key: Standing(name, METRICS[name](shown), targets.get(key), outlook_words(curve, name))
        for key, name in TARGETS.items()
    }
    if few := few_rare_cells(shown, classes):
        standings["rare_ap_50"] = replace(
            standings["rare_ap_50"], value=None, outlook=rare_words(shown, classes), few_cells=few
        )
    return standings


def outlook_words(curve: Sequence[CurvePoint], name: str) -> str:
    """Return in words what the next cells are expected to bring, and how sure that is."""
    pairs = without_longer_training(curve, METRICS[name])
    if len(pairs) < FEWEST_TRAININGS:
        on_new = " on new cells" if len(on_new_cells(curve)) < len(curve) else ""
        return (
            f"Too few trainings to say what the next {MORE} cells bring: {len(pairs)} of at least "
            f"{FEWEST_TRAININGS}{on_new}."
        )
    n_cells, values = zip(*pairs, strict=True)
    outlook = forecast(n_cells, values, MORE)
    if outlook is None:
        return f"All trainings had {n_cells[-1]:,} cells, so nothing says what {MORE} more would bring."
    words = (
        f"The next {MORE} cells are expected to bring {outlook.gain:+.3f} (95 % interval {outlook.low:+.3f} "
        f"to {outlook.high:+.3f}), if the curve goes on as in the last {outlook.n_points} trainings."
    )
    last = n_cells[-outlook.n_points :]
    if max(last) - min(last) < MORE:
        words += f" They span fewer than {MORE} cells, so this is a guess beyond what was measured."
    if outlook.low > 0:
        return words
    if outlook.high - outlook.low > 0.2:
        return f"{words} That is too uncertain to decide on."
    return f"{words} It may also be nothing."


def flagged_words(n_flagged: int | None) -> str:
    """Return in words how much of the pool the model is still unsure about.

    >>> flagged_words(0)
    'No red cell is left in the images that wait.'
    """
    if n_flagged is None:
        return "The images that wait are not sorted yet, so their red cells are not counted."
    if n_flagged == 0:
        return "No red cell is left in the images that wait."
    cells = "cell is" if n_flagged == 1 else "cells are"
    return f"{n_flagged:,} red {cells} left in the images that wait."


def verdict_words(standings: Mapping[str, Standing], n_images: int) -> str:
    """Return in words which targets are reached and which are not; empty where none is set."""
    parts = [_compared(each, each.target) for each in standings.values() if each.target is not None]
    return f"{'; '.join(parts)} (on {count(n_images, 'test image')})." if parts else ""


def _compared(standing: Standing, target: float) -> str:
    if standing.few_cells:
        cells = count(standing.few_cells, "test cell")
        return f"{standing.name} cannot be told yet: it would rest on {cells}"
    if standing.value is None:
        return f"{standing.name} cannot be measured: the test set has no such cell"
    side = "at least" if standing.reached else "below"
    return f"{standing.name} is {standing.value:.3f}, {side} the wanted {target:.2f}"


def all_reached(standings: Mapping[str, Standing]) -> bool:
    """Return whether there is a target, and every target is reached."""
    wanted = [each for each in standings.values() if each.target is not None]
    return bool(wanted) and all(each.reached for each in wanted)
