"""Recall, precision and F1 of each class as named, by hand, and beside the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.errors import ShapeError
from rbcal.evaluation.average_precision import evaluate
from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.metrics import Evaluation
from rbcal.types import Annotations, Detections
from tests.evaluation.test_average_precision import random_pairs
from tests.evaluation.test_matching import CELLS, detections


def test_a_double_and_an_invention_cost_precision_and_a_miss_costs_recall():
    # class 0: its only cell twice; class 1: one of two cells, the other missed, and a box where nothing is
    predicted = detections((0, 0, 0.9), (1, 0, 0.8), (20, 1, 0.9), (70, 1, 0.9))
    figures = evaluate([(CELLS, predicted)], 2, [])
    assert (figures.n_named, figures.n_correct) == ((2, 2), (1, 1))
    assert figures.recall == (1, 0.5)
    assert figures.precision == (0.5, 0.5)
    assert figures.f1 == (pytest.approx(2 / 3), 0.5)
    assert figures.macro_f1 == pytest.approx((2 / 3 + 0.5) / 2)


def test_a_cell_that_is_called_another_class_costs_recall_of_the_one_and_precision_of_the_other():
    figures = evaluate([(CELLS, detections((0, 1, 0.9), (20, 1, 0.9), (40, 1, 0.9)))], 2, [])
    assert figures.recall == (0, 1)
    assert figures.precision == (None, pytest.approx(2 / 3))
    assert figures.f1 == (0, 0.8)
    assert figures.macro_f1 == 0.4


def test_a_class_may_have_the_highest_ap_and_never_be_named():
    cells = Annotations([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 1])
    probs = np.array([[0.0, 0.9, 0.1], [0.0, 0.6, 0.4]], np.float32)  # 1 where it is, and never the highest
    figures = evaluate([(cells, Detections(cells.boxes, probs))], 2, [])
    assert (figures.ap_50[1], figures.recall[1], figures.precision[1], figures.f1[1]) == (1, 0, None, 0)


def test_a_class_without_a_test_cell_has_no_recall_and_no_part_in_the_mean():
    cell = Annotations([[0, 0, 10, 10]], [0])
    figures = evaluate([(cell, detections((0, 0, 0.9), (70, 1, 0.9)))], 2, [])
    assert (figures.recall[1], figures.precision[1], figures.f1[1]) == (None, 0, None)
    assert figures.macro_f1 == 1


def test_what_is_probably_background_is_not_shown_so_it_is_not_named():
    figures = evaluate([(CELLS, detections((0, 0, 0.4), (70, 0, 0.4)))], 2, [])
    assert figures.ap_50[0] == 1
    assert (figures.recall[0], figures.precision[0]) == (0, None)


@pytest.mark.parametrize("seed", range(5))
def test_they_are_the_row_and_the_column_of_the_confusion_matrix(seed):
    pairs = random_pairs(seed)
    figures, counts = evaluate(pairs, 2, []), Confusion.of(pairs, 2).counts
    for k in range(2):
        assert figures.recall[k] == counts[k, k] / counts[k].sum()
        assert figures.precision[k] == counts[k, k] / counts[:, k].sum()
        assert figures.f1[k] == pytest.approx(
            2 / (1 / figures.recall[k] + 1 / figures.precision[k])  # the harmonic mean, as it is defined
        )


def test_a_model_that_was_measured_before_names_were_counted_has_none_of_them():
    older = Evaluation(0.5, 0.5, 0.4, None, (0.5, None), (9, 0), 3)
    assert not older.is_counted
    assert older.recall == older.precision == older.f1 == (None, None)
    assert older.macro_f1 is None


@pytest.mark.parametrize("counts", [(1,), (1, -1), (1, 2, 3)])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(ShapeError, match="n_correct must be a count for each of 2 classes"):
        Evaluation(0.5, 0.5, 0.4, None, (0.5, None), (9, 0), 3, n_named=(1, 1), n_correct=counts)
