"""What an expert who knows the truth does with the detections of an image, and what is saved."""

from __future__ import annotations

import numpy as np

from rbcal.acquisition.context import f1_of_classes
from rbcal.simulation import oracle
from rbcal.simulation.oracle import OracleReview
from rbcal.types import Annotations, Detections

DETECTED = Detections(
    np.float32([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]]),
    np.float32([[0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]),
)
TRUE = Annotations(  # right; of another class; its box is off; missed; nothing is at 60
    np.float32([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 6], [80, 0, 90, 10]]), np.array([0, 1, 1, 1])
)


def test_the_oracle_changes_what_is_wrong_and_draws_what_is_missing():
    review = oracle.review(DETECTED, TRUE, np.zeros((4, 4)))
    assert review.truth.tolist() == [0, 1, 1, -1]
    assert review.changed.tolist() == [False, True, True, True]
    assert review.missed.tolist() == [1]
    assert review.n_changes == 4


def test_a_cell_is_matched_once():
    twice = Detections(np.float32([[0, 0, 10, 9], [0, 0, 10, 10]]), np.float32([[0, 1, 0]] * 2))
    review = oracle.review(twice, Annotations(np.float32([[0, 0, 10, 10]]), np.array([0])), np.zeros((2, 4)))
    assert review.truth.tolist() == [-1, 0]
    empty = oracle.review(Detections(np.empty((0, 4)), np.empty((0, 3))), TRUE, np.empty((0, 4)))
    assert empty.n_changes == 4


def test_reviews_add_up_and_f1_counts_missed_and_false_cells():
    reviews = OracleReview.none() + oracle.review(DETECTED, TRUE, np.zeros((4, 4)))
    assert reviews.uncertainty.shape == (4, 4)
    f1 = f1_of_classes(reviews.predicted, reviews.truth, 3, reviews.missed)
    assert f1[0] == 2 * 1 / (2 + 1)  # one right of two predicted; one is there
    assert f1[1] == 2 * 1 / (2 + 3)
    assert np.isnan(f1[2])
    none = OracleReview.none()
    assert np.isnan(f1_of_classes(none.predicted, none.truth, 2, none.missed)).all()


def test_the_oracle_keeps_what_is_right_and_corrects_the_rest():
    corrected = oracle.correct(DETECTED, TRUE)
    assert corrected.sources == (0, 1, 2, None)
    assert corrected.review_status == ("kept", "changed", "changed", "drawn")
    assert np.array_equal(corrected.annotations.boxes[1], DETECTED.boxes[1])  # only its class was wrong
    assert np.array_equal(corrected.annotations.boxes[2], TRUE.boxes[2])  # it was off
    assert np.array_equal(corrected.annotations.labels, TRUE.labels)


def test_a_box_that_is_nearly_right_stays_as_the_model_drew_it():
    nearly = Detections(np.float32([[0, 0, 10, 9]]), np.float32([[0, 1]]))
    corrected = oracle.correct(nearly, Annotations(np.float32([[0, 0, 10, 10]]), np.array([0])))
    assert corrected.annotations.boxes.tolist() == [[0, 0, 10, 9]]


def test_an_image_without_detections_is_drawn_by_hand():
    corrected = oracle.correct(Detections(np.empty((0, 4)), np.empty((0, 3))), TRUE)
    assert corrected.review_status == ("drawn",) * 4
    assert np.array_equal(corrected.annotations.boxes, TRUE.boxes)


def test_of_cells_asked_one_by_one_the_oracle_names_moves_or_refuses_each():
    answers = oracle.answer_cells(DETECTED, TRUE)
    assert answers.labels.tolist() == [0, 1, 1, -1]
    assert answers.is_off.tolist() == [False, False, True, False]
    assert np.array_equal(answers.boxes[[0, 1, 3]], DETECTED.boxes[[0, 1, 3]])
    assert np.array_equal(answers.boxes[2], TRUE.boxes[2])


def test_an_oracle_that_errs_does_so_at_its_rate_and_the_same_each_time():
    truth = Annotations(np.tile(np.float32([0, 0, 9, 9]), (4000, 1)), np.zeros(4000, np.int64))
    said, again = (oracle.erring(truth, 4, 0.2, np.random.default_rng(1)) for _ in range(2))
    assert np.mean(said.labels != 0) == np.mean(again.labels != 0)
    assert abs(np.mean(said.labels != 0) - 0.2 * 3 / 4) < 0.02  # a quarter of the random ones are right
    assert set(said.labels.tolist()) == {0, 1, 2, 3}
    never = oracle.erring(truth, 4, 0.0, np.random.default_rng(1))
    assert np.array_equal(never.labels, truth.labels)
