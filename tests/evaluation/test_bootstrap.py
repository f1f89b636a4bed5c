from __future__ import annotations

import numpy as np
import pytest

from rbcal.errors import ShapeError
from rbcal.evaluation.average_precision import evaluate
from rbcal.evaluation.bootstrap import compare
from rbcal.types import Annotations, Detections


def truth(seed: int, n_cells: int = 12, n_classes: int = 3) -> Annotations:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 200, (n_cells, 2))
    return Annotations(
        np.hstack([corner, corner + rng.uniform(15, 25, (n_cells, 2))]), rng.integers(0, n_classes, n_cells)
    )


def guess(cells: Annotations, seed: int, *, noise: float, n_classes: int = 3) -> Detections:
    """What a model sees: the true cells, moved and doubted with more noise, and some that are not there."""
    rng = np.random.default_rng(seed)
    boxes = np.vstack([cells.boxes, truth(seed + 999, 4).boxes])
    boxes = boxes + rng.normal(0, 6 * noise, boxes.shape)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    logits = rng.normal(0, 1 + noise, (len(boxes), n_classes + 1))
    logits[np.arange(len(cells)), cells.labels + 1] += 3 * (1 - noise)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Detections(boxes, probs)


TRUTHS = [truth(seed) for seed in range(20)]


def predicted(noise: float, seed: int = 0) -> list[Detections]:
    return [guess(cells, 1000 * seed + index, noise=noise) for index, cells in enumerate(TRUTHS)]


@pytest.mark.parametrize("noise", [0.0, 0.4, 0.9])
def test_the_figures_are_those_of_the_evaluation(noise: float) -> None:
    detections = predicted(noise)
    result = compare(TRUTHS, detections, detections, 3)
    expected = evaluate(zip(TRUTHS, detections, strict=True), 3, [])
    assert result.precision_all.new == pytest.approx(expected.precision_all, abs=1e-6)
    assert [each and each.new for each in result.classes] == pytest.approx(expected.ap_50, abs=1e-6)


def test_a_model_is_not_worse_than_itself() -> None:
    result = compare(TRUTHS, predicted(0.5), predicted(0.5), 3)
    assert (result.precision_all.low, result.precision_all.high) == (0, 0)
    assert not result.worse


def test_a_model_that_is_much_worse_is_called_worse_and_the_other_way_round_is_not() -> None:
    good, bad = predicted(0.2), predicted(0.8)
    assert compare(TRUTHS, good, bad, 3).worse
    assert not compare(TRUTHS, bad, good, 3).worse


def test_two_draws_of_the_same_noise_differ_by_noise_alone() -> None:
    result = compare(TRUTHS, predicted(0.5, seed=1), predicted(0.5, seed=2), 3)
    assert result.precision_all.low < 0 < result.precision_all.high


def test_a_few_images_never_call_a_model_worse() -> None:
    result = compare(TRUTHS[:4], predicted(0.1)[:4], predicted(0.9)[:4], 3)
    assert (result.precision_all.low, result.precision_all.high) == (-1, 1)
    assert not result.worse


def test_the_same_seed_gives_the_same_interval() -> None:
    one, same, other = (compare(TRUTHS, predicted(0.3), predicted(0.5), 3, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one.precision_all != other.precision_all
    assert one.precision_all.new == other.precision_all.new


def test_a_class_that_the_test_set_or_the_old_model_lacks_is_defined() -> None:
    newer = [Detections(d.boxes, np.hstack([d.probs, np.zeros((len(d), 1))])) for d in predicted(0.3)]
    result = compare(TRUTHS, predicted(0.3), newer, 4)
    assert result.classes[3] is None
    cells = [Annotations(t.boxes, np.full(len(t), 3)) for t in TRUTHS]
    assert compare(cells, predicted(0.3), newer, 4).classes[3].old == 0


def test_a_test_set_without_cells_or_of_another_length_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least 1 annotated cell"):
        compare([Annotations.empty()], predicted(0)[:1], predicted(0)[:1], 3)
    with pytest.raises(ShapeError, match="same images, but got 20, 20 and 1"):
        compare(TRUTHS, predicted(0), predicted(0)[:1], 3)
