"""Reference cells: what shows a class."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.types import Annotations
from tests.conftest import add_image

BOXES = [[0, 0, 30, 30], [10, 10, 14, 14], [20, 20, 40, 40], [50, 50, 58, 58]]


def save(project, image_id, boxes, label, revision=0):
    annotations = Annotations(np.float32(boxes), np.full(len(boxes), label, np.int64))
    project.reviews.save(image_id, annotations, origin="import", base_revision=revision)


@pytest.fixture
def image_id(project):
    """An image with four cells of class 0, one of them at the border."""
    image_id, _ = add_image(project, 1)
    save(project, image_id, BOXES, 0)
    return image_id


def sides(project, label, n):
    return [box[2] - box[0] for _, box in project.references.of_class(label, n)]


def test_a_reference_cell_is_whole_of_middling_size_and_not_of_the_test_set(project, image_id):
    test_id, _ = add_image(project, 2, group="other", split="test")
    save(project, test_id, [[10, 10, 20, 20]], 1)
    assert project.references.of_class(0) == [(image_id, (50, 50, 58, 58))]
    assert sides(project, 0, 3) == [4, 8, 20]  # of four cells the one at the border is left out
    assert len(project.references.of_class(0, 9)) == 3
    assert project.references.of_class(1, 3) == []
    project.classes.merge(0, 2)
    assert project.references.of_class(2) == [(image_id, (50, 50, 58, 58))]


def test_a_pinned_cell_comes_first_until_it_is_let_go(project, image_id):
    references = project.references
    assert references.toggle(image_id, (0, 0, 30, 30))
    assert sides(project, 0, 1) == [30]
    assert references.toggle(image_id, (20, 20, 40, 40))
    assert sides(project, 0, 3) == [20, 30, 8]  # the newest pin first, then one by size
    assert references.is_pinned(image_id, (0, 0, 30, 31))  # a pixel does not matter
    assert not references.toggle(image_id, (0, 0, 30, 31))
    assert references.pinned() == [(image_id, (20, 20, 40, 40))]


def test_a_pinned_cell_follows_its_reviews(project, image_id):
    project.references.toggle(image_id, (0, 0, 30, 30))
    save(project, image_id, [[1, 1, 31, 31]], 1, revision=1)  # moved, and of another class
    assert project.references.of_class(0) == []
    assert project.references.of_class(1) == [(image_id, (1, 1, 31, 31))]
    save(project, image_id, [[60, 60, 90, 90]], 1, revision=2)  # it is no cell after all
    assert project.references.of_class(1) == [(image_id, (60, 60, 90, 90))]
