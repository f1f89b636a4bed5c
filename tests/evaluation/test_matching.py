"""Detections beside annotated cells: matched one to one, counted, and the mistakes named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.matching import match, mistakes, named
from rbcal.types import Annotations, Detections

CELLS = Annotations([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], [0, 1, 1])


def detections(*cells):
    """Return detections of (x, label, p of the label); the rest is background."""
    probs = np.zeros((len(cells), 3))
    for row, (_, label, p) in zip(probs, cells, strict=True):
        row[label + 1], row[0] = p, 1 - p
    boxes = np.array([[x, 0, x + 10, 10] for x, *_ in cells], np.float32).reshape(-1, 4)
    return Detections(boxes, probs.astype(np.float32))


def test_each_cell_has_the_detection_that_overlaps_it_most():
    matched = match(CELLS, detections((1, 0, 0.9), (0, 1, 0.9), (20, 1, 0.9), (70, 0, 0.9)))
    assert matched.annotation.tolist() == [1, 2, -1]
    assert matched.detection.tolist() == [-1, 0, 1, -1]
    assert matched.missed.tolist() == [2]
    assert matched.false.tolist() == [0, 3]
    assert matched.overlap.tolist() == [0, 1, 1, 0]


def test_a_cell_that_nobody_named_is_not_judged_nor_what_is_found_there():
    read = replace(CELLS, read=[True, False, True])
    twice = ((20, 0, 0.9), (21, 1, 0.8))  # two boxes on the one that is not
    truth, found = named(read, detections((0, 0, 0.9), *twice, (70, 1, 0.9)))
    assert truth.boxes[:, 0].tolist() == [0, 40]
    assert found.boxes[:, 0].tolist() == [0, 70]
    assert truth.read.all()


def test_half_an_overlap_is_the_same_cell_and_less_is_not():
    third = detections((5, 0, 0.9))  # 50 of 150 square pixels
    assert match(CELLS, third).annotation.tolist() == [-1, -1, -1]
    assert match(CELLS, third, least=1 / 3).annotation.tolist() == [0, -1, -1]


def test_what_is_probably_background_takes_no_part():
    faint = detections((0, 0, 0.4), (60, 0, 0.4))
    assert match(CELLS, faint).annotation.tolist() == [0, -1, -1]
    matched = match(CELLS, faint, cell_threshold=0.5)
    assert matched.annotation.tolist() == [-1, -1, -1]
    assert matched.false.tolist() == []


def test_confusions_are_counted_by_hand():
    predicted = detections((0, 1, 0.9), (20, 1, 0.9), (70, 0, 0.9), (90, 0, 0.3))
    # class 0 called 1; class 1 right once, missed once; one box of class 0 where nothing is
    matrix = Confusion.of([(CELLS, predicted)], 2)
    assert matrix.counts.tolist() == [[0, 1, 0], [0, 1, 1], [1, 0, 0]]
    sums = matrix.n_annotated, matrix.n_correct, matrix.n_confused, matrix.n_missed, matrix.n_false
    assert sums == (3, 1, 1, 1, 1)
    assert (matrix.cells, matrix.named, matrix.correct) == ((1, 2), (1, 2), (0, 1))
    assert matrix.among([1]).counts.tolist() == [[1, 1], [0, 0]]
    assert matrix.shares.tolist() == [[0, 1, 0], [0, 0.5, 0.5], [1, 0, 0]]


def test_a_perfect_detector_is_on_the_diagonal():
    perfect = detections((0, 0, 1.0), (20, 1, 1.0), (40, 1, 1.0))
    assert Confusion.of([(CELLS, perfect)] * 2, 2).counts.tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 0]]
    assert mistakes(CELLS, perfect) == []


def test_a_class_that_the_detector_does_not_know_yet_is_counted():
    cells = Annotations([[0, 0, 10, 10]], [2])
    assert Confusion.of([(cells, detections((0, 1, 0.9)))], 3).counts[2, 1] == 1
    [mistake] = mistakes(cells, detections((0, 1, 0.9)))
    assert (mistake.kind, mistake.annotated, mistake.predicted, mistake.contradiction) == (
        "confused",
        2,
        1,
        1.0,
    )


def test_mistakes_come_with_the_strongest_contradiction_first():
    probs = np.array([[0.1, 0.2, 0.7], [0.02, 0.98, 0.0], [0.6, 0.0, 0.4]], np.float32)
    predicted = Detections([[0, 0, 10, 10], [70, 0, 80, 10], [20, 0, 30, 10]], probs)
    first, second, third, fourth = mistakes(CELLS, predicted)
    assert (first.kind, first.annotated, first.contradiction) == (
        "missed",
        1,
        1.0,
    )  # nothing at all at x = 40
    assert (second.kind, second.predicted, second.predicted_box) == ("false", 0, (70, 0, 80, 10))
    assert second.contradiction == pytest.approx(0.98)
    assert (third.kind, third.annotated, third.predicted) == ("confused", 0, 1)
    assert third.contradiction == pytest.approx(1 - 0.2 / 0.9)
    assert (fourth.kind, fourth.annotated_box) == (
        "missed",
        (20, 0, 30, 10),
    )  # a faint box is there: less of a contradiction
    assert fourth.contradiction == pytest.approx(0.6)


def test_empty_images_are_defined():
    assert mistakes(Annotations.empty(), detections()) == []
    assert Confusion.of([], 2).counts.sum() == 0
    assert match(Annotations.empty(), detections((0, 0, 0.9))).false.tolist() == [0]


BOXES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(2, 20)), max_size=6)


@given(BOXES, BOXES)
def test_every_cell_and_every_detection_is_counted_once(cells, predicted):
    truth = Annotations(
        np.array([[x, y, x + s, y + s] for x, y, s in cells]).reshape(-1, 4), [0] * len(cells)
    )
    probs = np.tile(np.float32([0.1, 0.9]), (len(predicted), 1))
    guess = Detections(np.array([[x, y, x + s, y + s] for x, y, s in predicted]).reshape(-1, 4), probs)
    matched = match(truth, guess)
    pairs = [(n, m) for n, m in enumerate(matched.detection.tolist()) if m >= 0]
    assert all(matched.annotation[m] == n for n, m in pairs)
    assert len(pairs) == len(truth) - len(matched.missed) == len(guess) - len(matched.false)
    counts = Confusion.of([(truth, guess)], 1).counts
    assert counts[0].sum() == len(truth)
    assert counts[:, 0].sum() == len(guess)


def test_an_image_without_a_detection_is_all_missed():
    nothing = Detections(np.empty((0, 4)), np.empty((0, 1)))  # as the store returns it
    assert [each.kind for each in mistakes(CELLS, nothing)] == ["missed"] * 3
    assert Confusion.of([(CELLS, nothing)], 2).counts.tolist() == [[0, 0, 1], [0, 0, 2], [0, 0, 0]]
