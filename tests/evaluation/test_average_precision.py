from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from rbcal.errors import ShapeError
from rbcal.evaluation.average_precision import evaluate, precision_curves
from rbcal.types import Annotations, Detections

A, B, C = [10, 10, 30, 30], [50, 10, 70, 30], [10, 50, 30, 70]
Pair = tuple[Annotations, Detections]


def truth(*cells: tuple[list[int], int]) -> Annotations:
    return Annotations(np.array([box for box, _ in cells]).reshape(-1, 4), np.array([k for _, k in cells]))


def guess(*cells: tuple[list[int], int, float], n_classes: int = 2) -> Detections:
    """Detections with a label and its probability; the rest is background."""
    probs = np.zeros((len(cells), n_classes + 1))
    for row, (_, label, p) in zip(probs, cells, strict=True):
        row[[label + 1, 0]] = p, 1 - p
    return Detections(np.array([box for box, _, _ in cells]).reshape(-1, 4), probs)


def random_pairs(seed: int) -> list[Pair]:
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(6):
        corner = 40 * np.stack(np.divmod(np.arange(8), 4), axis=1)
        boxes = np.concatenate([corner, corner + rng.uniform(20, 30, (8, 2))], axis=1)
        near = boxes + rng.normal(0, 2, boxes.shape)
        pairs.append(
            (Annotations(boxes, rng.integers(0, 2, 8)), Detections(near, rng.dirichlet(np.ones(3), 8)))
        )
    return pairs


def test_a_perfect_prediction_has_ap_1() -> None:
    pairs = [(truth((A, 0), (B, 1)), guess((A, 0, 1.0), (B, 1, 1.0))), (truth((C, 1)), guess((C, 1, 1.0)))]
    result = evaluate(pairs, 2, rare=[1])
    assert result.ap_50 == (1, 1)
    assert result.n_cells == (1, 2)
    assert (result.precision_all, result.map_50, result.map_50_95, result.rare_ap_50) == (1, 1, 1, 1)
    assert result.n_images == 2


def test_a_doubtful_right_detection_is_as_good_as_a_certain_one() -> None:
    assert evaluate([(truth((A, 0)), guess((A, 0, 0.3)))], 2, []).ap_50 == (1, None)


def test_precision_all_weighs_classes_by_their_cells() -> None:
    # class 0: 3 cells, all found; class 1: 1 cell, missed: (3 * 1 + 1 * 0) / 4
    result = evaluate([(truth((A, 0), (B, 0), (C, 0), ([90, 90, 99, 99], 1)),
                        guess((A, 0, 1), (B, 0, 1), (C, 0, 1)))], 2, [])  # fmt: skip
    assert result.precision_all == 0.75
    assert result.map_50 == 0.5


def test_ap_follows_the_precision_recall_curve_by_hand() -> None:
    # hit, miss, hit of 2 cells: precision 1 up to recall 0.5, then 2/3, at 51 and 50 of COCO's 101 points
    pair = truth((A, 0), (B, 0)), guess((A, 0, 0.9), (C, 0, 0.8), (B, 0, 0.7))
    assert evaluate([pair], 2, []).ap_50[0] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_a_box_beside_the_cell_is_no_hit() -> None:
    assert evaluate([(truth((A, 0)), guess(([25, 10, 45, 30], 0, 1.0)))], 2, []).ap_50 == (0, None)


def test_a_class_that_the_test_set_lacks_has_no_ap() -> None:
    result = evaluate([(truth((A, 0)), guess((A, 0, 1.0), (B, 1, 1.0)))], 2, rare=[1])
    assert result.ap_50 == (1, None)
    assert result.n_cells == (1, 0)
    assert result.precision_all == 1
    assert result.rare_ap_50 is None


def test_rare_ap_is_the_mean_over_the_rare_classes_present() -> None:
    pairs = [(truth((A, 0), (B, 1)), guess((A, 0, 1), (C, 1, 1), n_classes=3))]
    assert evaluate(pairs, 3, rare=[0, 1, 2]).rare_ap_50 == 0.5


def test_a_detector_that_finds_nothing_has_ap_0() -> None:
    result = evaluate([(truth((A, 0)), guess())], 2, [])
    assert (result.precision_all, result.ap_50) == (0, (0, None))


def test_an_image_without_cells_counts_its_false_alarms() -> None:
    hit, alarm = (truth((A, 0)), guess((A, 0, 0.5))), (truth(), guess((A, 0, 0.9)))
    assert evaluate([hit, alarm], 2, []).ap_50[0] == pytest.approx(0.5)


def test_three_hundred_cells_in_one_image_all_count() -> None:
    corner = 30 * np.stack(np.divmod(np.arange(300), 20), axis=1)
    boxes = np.concatenate([corner, corner + 20], axis=1)
    probs = np.tile([0.1, 0.9], (300, 1))
    pair = Annotations(boxes, np.zeros(300, int)), Detections(boxes, probs)
    assert evaluate([pair], 1, []).ap_50 == (1,)


def test_the_order_of_images_and_boxes_changes_nothing() -> None:
    pairs = random_pairs(0)
    rng = np.random.default_rng(1)
    shuffled = []
    for index in rng.permutation(len(pairs)):
        (a, d), i, j = pairs[index], rng.permutation(8), rng.permutation(8)
        shuffled.append((Annotations(a.boxes[i], a.labels[i]), Detections(d.boxes[j], d.probs[j])))
    before, after = evaluate(pairs, 2, [1]), evaluate(shuffled, 2, [1])
    assert 0.1 < before.precision_all < 0.9
    assert after.ap_50 == pytest.approx(before.ap_50)
    assert after.map_50_95 == pytest.approx(before.map_50_95)


@pytest.mark.parametrize("pairs", [[], [(truth(), guess((A, 0, 1.0)))]])
def test_a_test_set_without_cells_is_refused(pairs: list[Pair]) -> None:
    with pytest.raises(ShapeError, match=f"the test set has {len(pairs)} images and 0 cells"):
        evaluate(pairs, 2, [])


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(ShapeError, match="must be below 2, but one is 2"):
        evaluate([(truth((A, 2)), guess((A, 0, 1.0)))], 2, [])


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    evaluate(random_pairs(0), 2, [])
    assert capfd.readouterr() == ("", "")


def test_the_mean_of_a_precision_curve_is_the_average_precision() -> None:
    pairs = random_pairs(3)
    curves = precision_curves(pairs, 3)
    assert curves.shape == (3, 101)
    assert curves[:2].mean(axis=1) == pytest.approx(evaluate(pairs, 3, []).ap_50[:2], abs=1e-12)
    assert (np.diff(curves[:2]) <= 0).all()
    assert np.isnan(curves[2]).all()  # no such cell


def test_a_curve_ends_at_the_recall_that_is_reached() -> None:
    pairs = [(truth((A, 0), (B, 0)), guess((A, 0, 0.9), (C, 0, 0.5)))]
    [curve] = precision_curves(pairs, 1)
    assert curve[:51].tolist() == [1.0] * 51  # one of two cells is found, and nothing false before it
    assert curve[51:].tolist() == [0.0] * 50


def test_measuring_needs_no_torch() -> None:
    program = "import sys, rbcal.evaluation.average_precision; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
