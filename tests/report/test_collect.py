"""What a report collects, from a project whose every box was put there by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal import synth
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.evaluation.average_precision import evaluate
from rbcal.formats.pictures import decode
from rbcal.report.collect import EXAMPLES, collect
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Score
from rbcal.types import Annotations, Detections

A, B, C, D = [5, 5, 25, 25], [40, 5, 60, 25], [5, 40, 25, 60], [70, 60, 90, 80]
TRUTH = Annotations(np.float32([A, B, C]), np.array([0, 1, 2]))


def guesses(*cells: tuple[list[int], int, float]) -> Detections:
    """Detections of three classes: a box, its class, and the probability of it; the rest is background."""
    probs = np.zeros((len(cells), 4), np.float32)
    for row, (_, label, p) in zip(probs, cells, strict=True):
        row[0], row[1 + label] = 1 - p, p
    return Detections(np.array([box for box, _, _ in cells], np.float32).reshape(-1, 4), probs)


PREDICTED = guesses(
    (A, 0, 0.9), (B, 2, 0.8), (D, 1, 0.7)
)  # right, taken for another, nothing there; C is missed


def add_test_image(project: Project, seed: int, truth: Annotations = TRUTH) -> int:
    pixels, _ = synth.draw(seed, width=100, height=90, n_cells=3)
    image_id = project.images.add(
        synth.encode(pixels), name=f"test {seed}.png", width=100, height=90, group="apart", split="test"
    )
    project.reviews.save(image_id, truth, origin="import", base_revision=0)
    return image_id


def add_work_image(project: Project, seed: int, *, annotated: bool = True) -> int:
    pixels, truth = synth.draw(seed, width=160, height=120, n_cells=8)
    image_id = project.images.add(
        synth.encode(pixels), name=f"work {seed}.png", width=160, height=120, group="slide", split="work"
    )
    if annotated:
        project.reviews.save(image_id, truth, origin="import", base_revision=0)
    return image_id


def measured(project: Project, predicted: Detections = PREDICTED) -> Project:
    """Give a project a model that predicted these cells in its test image, and a ranking of two cells."""
    add_work_image(project, 1)
    test_id, pool_id = add_test_image(project, 2), add_work_image(project, 3, annotated=False)
    model_id = project.models.add(TrainConfig(steps=9), b"weights", {"train": project.images.annotated()}, 60)
    project.models.promote(model_id, "gate")
    project.evaluations.save(model_id, evaluate([(TRUTH, predicted)], 3, project.classes.rare_labels()))
    project.evaluations.save_detections(model_id, test_id, predicted)
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    cells = [
        Cell(0, np.float32([10, 10, 30, 30]), 0.8, u_c, 0, np.float32([0.1, 0.4, 0.3, 0.2]))
        for u_c in (0.5, 0.25)
    ]
    project.rankings.add(ranking_id, pool_id, Score(2, 2, 2, 2, 0, 0), cells)
    project.rankings.finish(ranking_id)
    return project


def test_errors_are_what_the_boxes_say(project):
    errors = collect(measured(project)).errors
    assert errors.confusion.counts.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    [confused], [missed], [false] = (errors.examples[kind] for kind in ("confused", "missed", "false"))
    assert (confused.mistake.annotated, confused.mistake.predicted) == (1, 2)
    assert (confused.mistake.annotated_box, confused.mistake.predicted_box) == (tuple(B), tuple(B))
    assert (missed.mistake.annotated, missed.mistake.annotated_box) == (2, tuple(C))
    assert (false.mistake.predicted, false.mistake.predicted_box) == (1, tuple(D))
    assert {each.image for each in (confused, missed, false)} == {"test 2.png"}
    assert not errors.changed


def test_the_mean_of_a_curve_is_the_stored_average_precision(project):
    data = collect(measured(project))
    assert data.errors.precision.mean(axis=1) == pytest.approx(data.evaluation.ap_50)


def test_a_crop_is_a_picture_of_where_its_box_is(project):
    [missed] = collect(measured(project)).errors.examples["missed"]
    x1, y1, x2, y2 = missed.crop.window
    assert (x1 <= C[0], y1 <= C[1], C[2] <= x2, C[3] <= y2) == (True,) * 4
    assert decode(missed.crop.jpeg()).shape == (y2 - y1, x2 - x1, 3)


def test_the_least_certain_cell_of_the_pool_comes_first(project):
    first, second = collect(measured(project)).pool.uncertain
    assert (first.cell.u_c, second.cell.u_c, first.image) == (0.25, 0.5, "work 3.png")


def test_annotating_the_test_set_anew_is_noticed(project):
    measured(project)
    [image] = project.images.test()
    assert not collect(project).errors.changed
    moved = Annotations(TRUTH.boxes, np.array([0, 2, 2]))
    project.reviews.save(image.id, moved, origin="expert", base_revision=1)
    data = collect(project)
    assert data.errors.changed
    assert data.evaluation.n_cells == (1, 1, 1)  # of then, as stored


def test_many_errors_of_a_kind_give_way_to_others(project):
    boxes = np.float32([[10 * k, 10, 10 * k + 8, 20] for k in range(9)] + [[10, 40, 20, 50]])
    predicted = guesses(*[(box.tolist(), 1, 0.9) for box in boxes[:9]], (boxes[9].tolist(), 2, 0.6))
    many = Annotations(boxes, np.array([0] * 9 + [1]))
    ids = [add_test_image(project, seed, many) for seed in (11, 12)]
    measured(project)
    for image_id in ids:
        project.evaluations.save_detections(1, image_id, predicted)
    confused = collect(project).errors.examples["confused"]
    assert len(confused) == EXAMPLES
    assert [(each.mistake.annotated, each.mistake.predicted) for each in confused[:4]] == [
        (0, 1),
        (0, 1),
        (1, 2),
        (1, 2),
    ]
    contradictions = [each.mistake.contradiction for each in confused]
    assert contradictions[4:] == sorted(contradictions[4:], reverse=True)


def test_merged_classes_count_as_their_targets(project):
    measured(project)
    project.classes.merge(2, 1)
    data = collect(project)
    assert data.errors.confusion.counts.tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert data.errors.changed  # the stored figures are those of three classes
    assert data.annotation.test.cells == {0: 1, 1: 2}
    assert sum(each.n_cells for each in data.annotation.rounds) == data.annotation.counts.annotated_cells


def test_a_model_whose_detections_were_not_kept_has_no_errors_to_show(project):
    measured(project)
    project._database.write("DELETE FROM model_detection")
    data = collect(project)
    assert data.errors is None
    assert data.evaluation is not None


def test_a_class_that_is_younger_than_the_model_is_no_change(project):
    measured(project)
    project.classes.add(["burr"])
    errors = collect(project).errors
    assert errors.confusion.counts.shape == (5, 5)
    assert np.isnan(errors.precision[3]).all()
    assert not errors.changed


def test_an_empty_project_has_nothing_to_report(project):
    data = collect(project)
    assert (data.model, data.evaluation, data.errors, data.pool.ranking) == (None,) * 4
    assert (data.annotation.rounds, data.annotation.test) == ([], None)
    assert (data.pool.uncertain, data.curve, data.simulation) == ([], [], None)
