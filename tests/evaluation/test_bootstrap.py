from __future__ import annotations

import numpy as np
import pytest

from rbcal.errors import ShapeError
from rbcal.evaluation.average_precision import evaluate
from rbcal.evaluation.bootstrap import compare, few_cells_intervals
from rbcal.evaluation.intervals import wilson
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


def cells_in_a_row(labels: list[int], named: list[int]) -> tuple[Annotations, Detections]:
    """Cells of these classes side by side, each found at its place and named with certainty."""
    boxes = np.array([[30 * k, 0, 30 * k + 20, 20] for k in range(len(labels))], np.float32).reshape(-1, 4)
    probs = np.zeros((len(labels), 4), np.float32)
    probs[np.arange(len(labels)), np.array(named, int) + 1] = 1
    return Annotations(boxes, np.array(labels, np.int64)), Detections(boxes, probs)


def test_only_a_class_with_few_test_cells_has_intervals_and_they_hold_its_figures() -> None:
    detections = predicted(0.4)
    figures = evaluate(zip(TRUTHS, detections, strict=True), 3, [])
    intervals = few_cells_intervals(TRUTHS, detections, 4, fewest=85)
    assert figures.n_cells == (75, 71, 94)
    assert [each is not None for each in intervals] == [True, True, False, False]  # of the last there is none
    for label in (0, 1):
        for name in ("ap_50", "recall", "precision", "f1"):
            low, high = getattr(intervals[label], name)
            assert 0 <= low < getattr(figures, name)[label] < high <= 1


def test_three_right_cells_on_one_image_are_as_sure_as_three_cells_can_be() -> None:
    pairs = [cells_in_a_row([0, 0, 0], [0, 0, 0]), *[cells_in_a_row([1], [1])] * 5]
    [few, *_] = few_cells_intervals(*zip(*pairs, strict=True), 3)
    assert few.recall == few.precision == few.f1 == few.ap_50 == pytest.approx(wilson(3, 3))
    assert few.recall[0] == pytest.approx(0.438, abs=1e-3)  # 1 / (1 + z^2 / 3)


def test_cells_that_are_right_or_wrong_together_say_less_than_as_many_that_are_not() -> None:
    right, wrong = cells_in_a_row([0] * 8, [0] * 8), cells_in_a_row([0] * 8, [1] * 8)
    [together, *_] = few_cells_intervals(*zip(right, wrong, strict=True), 3)
    mixed = [cells_in_a_row([0], [k % 2]) for k in range(16)]
    [apart, *_] = few_cells_intervals(*zip(*mixed, strict=True), 3)
    assert together.recall == (0, 1)
    assert wilson(8, 16)[0] == pytest.approx(apart.recall[0], abs=0.05)
    assert apart.recall[0] > 0.2


def test_a_class_that_no_box_is_named_has_no_interval_of_precision() -> None:
    pairs = [cells_in_a_row([0, 0], [1, 1])]
    [few, *_] = few_cells_intervals(*zip(*pairs, strict=True), 3)
    assert few.precision is None
    assert few.recall == pytest.approx(wilson(0, 2))


def test_intervals_of_predictions_of_other_images_are_refused() -> None:
    with pytest.raises(ShapeError, match="its own images, but got 20 and 1"):
        few_cells_intervals(TRUTHS, predicted(0)[:1], 3)
