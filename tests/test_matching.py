"""Detections beside annotated cells, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.boxes import Annotations, Detections
from rbcal.matching import confusion, is_cell, match

A, B, FAR = [0, 0, 10, 10], [20, 0, 30, 10], [60, 60, 70, 70]
NEAR_A = [0, 0, 10, 8]  # IoU 0.8 with A


def truth(*cells):
    boxes = np.array([box for box, _ in cells], np.float32).reshape(-1, 4)
    return Annotations(boxes, np.array([label for _, label in cells], np.int64))


def guess(*cells):
    """Detections of two classes: a box, its class, and the probability that it is a cell."""
    probs = np.zeros((len(cells), 3), np.float32)
    for row, (_, label, p) in zip(probs, cells, strict=True):
        row[0], row[1 + label] = 1 - p, p
    return Detections(np.array([box for box, _, _ in cells], np.float32).reshape(-1, 4), probs)


def test_partners_find_each_other_whatever_their_classes():
    found = match(truth((A, 0), (B, 1)), guess((B, 0, 0.9), (A, 0, 0.8)))
    assert found.annotation.tolist() == [1, 0]
    assert found.detection.tolist() == [1, 0]


def test_the_surer_detection_takes_the_cell_and_the_other_is_false():
    found = match(truth((A, 0)), guess((A, 0, 0.6), (NEAR_A, 0, 0.9)))
    assert found.annotation.tolist() == [1]
    assert found.detection.tolist() == [-1, 0]


def test_a_detection_below_the_threshold_takes_no_part():
    detections = guess((A, 0, 0.4), (FAR, 1, 0.4))
    assert match(truth((A, 0)), detections).annotation.tolist() == [-1]
    assert not is_cell(detections).any()
    assert confusion([(truth((A, 0)), detections)], 2).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_partners_overlap_at_least_by_the_threshold():
    assert match(truth((A, 0)), guess((NEAR_A, 0, 0.9)), threshold=0.8).annotation.tolist() == [0]
    assert match(truth((A, 0)), guess((NEAR_A, 0, 0.9)), threshold=0.81).annotation.tolist() == [-1]


def test_the_confusion_matrix_counts_every_cell_once():
    pairs = [
        (truth((A, 0), (B, 1)), guess((A, 0, 0.9), (B, 0, 0.9), (FAR, 1, 0.7))),
        (truth((A, 1)), guess()),
        (truth(), guess((A, 1, 0.6))),
    ]
    assert confusion(pairs, 2).tolist() == [[1, 0, 0], [1, 0, 1], [0, 2, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_boxes_decides_nothing(seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (12, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(15, 25, (12, 2))], axis=1)
    annotations = Annotations(boxes, rng.integers(0, 2, 12))
    near = boxes + rng.normal(0, 2, boxes.shape)
    probs = rng.dirichlet(np.ones(3), 12)
    found = match(annotations, Detections(near, probs)).annotation
    rows, cells = rng.permutation(12), rng.permutation(12)
    turned = match(
        Annotations(boxes[cells], annotations.labels[cells]), Detections(near[rows], probs[rows])
    ).annotation
    assert [-1 if n < 0 else rows[n] for n in turned] == found[cells].tolist()
    assert (found >= 0).any()


def test_images_without_cells_match_nothing():
    found = match(Annotations.empty(), guess())
    assert (len(found.annotation), len(found.detection)) == (0, 0)
    assert confusion([(Annotations.empty(), Detections(np.empty((0, 4)), np.empty((0, 1))))], 2).sum() == 0
