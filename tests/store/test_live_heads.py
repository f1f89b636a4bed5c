"""Live heads in the project file: names that follow the answers, and what stays as it was measured."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.live_head import LastLayer
from rbcal.store.verification import find_fault
from rbcal.types import CROP_EMBEDDING_SIZE, EMBEDDING_SIZE
from tests.store.conftest import cell, score

OWN = LastLayer(np.zeros((3, CROP_EMBEDDING_SIZE), np.float32), np.zeros(3, np.float32))
TO_THE_LAST = LastLayer(OWN.weight, np.float32([0, 0, 9]))  # which is rare


@pytest.fixture
def seen(ranked):
    """A ranking by a model with a second look, one cell of which has an embedding."""
    project, (image_id, *_), ranking_id = ranked
    embedding = np.linspace(0, 1, CROP_EMBEDDING_SIZE, dtype=np.float32)
    with_embedding = cell(0.9)._replace(u_r=0.0, bald=0.1, agreement=0.9, rate=1.0, embedding=embedding)
    for table in ("detection", "class_score", "score"):
        project._database.write(f"DELETE FROM {table}")
    project.rankings.add(ranking_id, image_id, score(1), [with_embedding])
    project.live_heads.begin(ranking_id, OWN)
    project.rankings.finish(ranking_id)
    return project, image_id, ranking_id


def test_names_are_the_models_until_a_layer_is_fitted_and_stored_ones_stay(seen):
    project, image_id, ranking_id = seen
    [stored], [live] = (project.rankings.cells(ranking_id, image_id, live=each) for each in (False, True))
    assert stored.probs.tolist() == live.probs.tolist()
    project.live_heads.save(ranking_id, TO_THE_LAST, 7)
    [after], [live] = (project.rankings.cells(ranking_id, image_id, live=each) for each in (False, True))
    assert after.probs.tolist() == stored.probs.tolist()
    assert (stored.label, live.label) == (1, 2)
    assert live.probs.sum() == pytest.approx(1)
    assert project.live_heads.get(ranking_id).n_cells == 7


def test_a_cell_with_another_name_than_the_models_is_unsure_and_a_rare_one_counts(seen):
    project, image_id, ranking_id = seen
    project.live_heads.save(ranking_id, TO_THE_LAST, 7)
    [live] = project.rankings.cells(ranking_id, image_id, live=True)
    assert (live.u_c, live.u_r, live.u_d) == (pytest.approx(0.2), 1.0, pytest.approx(0.9))


def test_the_filter_of_the_queue_goes_by_the_live_names_once_they_are_counted(seen):
    project, image_id, ranking_id = seen
    assert project.queue.entries([image_id])[0].likely_cells == {1: 1}
    project.live_heads.save(ranking_id, TO_THE_LAST, 7)
    project.rankings.recount_likely_classes(ranking_id, project.rankings.pool(ranking_id))
    [entry] = project.queue.entries([image_id])
    assert (entry.likely_cells, entry.rare_names, entry.score.n_rare) == ({2: 1}, ("spiky",), 1)
    assert [project.queue.order(label) for label in (1, 2)] == [[], [(image_id, False)]]


def test_strategies_go_by_the_live_names(seen):
    project, _, ranking_id = seen
    before = project.rankings.pool(ranking_id)
    project.live_heads.save(ranking_id, TO_THE_LAST, 7)
    after = project.rankings.pool(ranking_id)
    assert before.embeddings.shape == (1, EMBEDDING_SIZE)
    assert (before.probs[0].argmax(), after.probs[0].argmax()) == (2, 3)
    project.live_heads.save(ranking_id, None, 0)
    np.testing.assert_array_equal(project.rankings.pool(ranking_id).probs, before.probs)


def test_strategies_get_few_numbers_that_keep_what_looks_alike(seen):
    project, _, ranking_id = seen
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, CROP_EMBEDDING_SIZE)).astype(np.float32)
    project.rankings.save_annotated_embeddings(ranking_id, np.stack([one, one * 2, one + other / 5, other]))
    few = project.rankings.annotated_embeddings(ranking_id)
    few /= np.linalg.norm(few, axis=1, keepdims=True)
    assert few.shape == (4, EMBEDDING_SIZE)
    alike = few @ few[0]
    assert alike[1] == pytest.approx(1, abs=1e-3)
    assert alike[1] > alike[2] > 0.9 > 0.5 > abs(alike[3])


def test_what_the_ranking_has_of_annotated_images_comes_with_the_review_that_holds(seen):
    project, image_id, ranking_id = seen
    [trained] = project.images.annotated()
    project.live_heads.add_annotated(
        ranking_id, trained.review_id, np.ones((trained.n_cells, CROP_EMBEDDING_SIZE))
    )
    [cells] = project.live_heads.answered(ranking_id)
    assert (cells.review_id, cells.boxes, cells.is_new) == (trained.review_id, None, False)
    truth = project.reviews.annotations(trained.review_id)
    project.reviews.save(trained.id, truth, origin="expert", base_revision=1)
    project.reviews.save_boxes(image_id, {}, origin="expert", version=0, ranking_id=ranking_id)
    corrected, reviewed = project.live_heads.answered(ranking_id)
    assert corrected.review_id == project.images.get(trained.id).review_id
    np.testing.assert_array_equal(corrected.boxes, truth.boxes)
    assert corrected.is_new
    assert reviewed.is_new
    assert reviewed.boxes.tolist() == [[1, 2, 3, 4]]
    assert find_fault(project.path) is None


def test_verify_names_numbers_that_are_none(seen):
    project, _, _ = seen
    project._database.write("UPDATE live_head SET own = ?", (b"\xff" * 4 * 3 * (CROP_EMBEDDING_SIZE + 1),))
    assert "live_head.own of row 1 holds NaN" in find_fault(project.path)


def test_verify_names_embeddings_of_another_length(seen):
    project, _, _ = seen
    project._database.write("UPDATE detection SET embedding = ?", (bytes(64),))
    assert "embeddings of different lengths" in find_fault(project.path)
