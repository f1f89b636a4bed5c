"""Evaluations: the figures of a model, and its detections in annotated images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbcal.types import Detections
from tests.conftest import add_image
from tests.store.conftest import FIGURES, train_on


def test_detections_of_the_test_set_come_back(project):
    result, _ = add_image(project, 3, annotated=True)
    image_id, _ = add_image(project, 1, group="test", split="test", annotated=True)
    other, _ = add_image(project, 2, group="test", split="test", annotated=True)
    model_id = train_on(project, result)
    project.evaluations.save_detections(model_id, result, Detections(np.empty((0, 4)), np.empty((0, 3))))
    detections = Detections([[0, 1, 2, 3], [4, 5, 6, 7]], [[0.5, 0.25, 0.25], [0, 1, 0]])
    project.evaluations.save_detections(model_id, image_id, detections)
    project.evaluations.save_detections(model_id, other, Detections(np.empty((0, 4)), np.empty((0, 3))))
    back = project.evaluations.detections(model_id)
    assert np.array_equal(back[image_id].boxes, detections.boxes)
    assert np.array_equal(back[image_id].probs, detections.probs)
    assert len(back[other]) == 0
    assert list(back) == [image_id, other]
    assert list(project.evaluations.detections(model_id, "work")) == [result]


def test_figures_come_back_and_a_second_measurement_replaces_the_first(project):
    image_id, cells = add_image(project, 1, annotated=True)
    model_id = train_on(project, image_id)
    project.evaluations.save(model_id, replace(FIGURES, map_50=0.1))
    project.evaluations.save(model_id, FIGURES)
    [point] = project.evaluations.curve()
    assert point.evaluation == FIGURES == project.evaluations.of(model_id)
    assert point.n_cells == len(cells)
