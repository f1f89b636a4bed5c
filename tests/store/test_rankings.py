"""Rankings: the predicted cells of the pool, and which ranking counts."""

from __future__ import annotations

import numpy as np

from rbcal.config import ScoringConfig
from tests.store.conftest import ONE_CELL, cell, score, train_on


def test_the_boxes_of_the_passes_come_back_to_a_fraction_of_a_pixel(ranked):
    project, (first, *_), _ = ranked
    passes = np.float32([[1000.25, 2, 1030, 44], [999.5, 2.5, 1031, 40]])
    with_passes = cell()._replace(box=np.float32([1000, 2, 1030, 40]), passes=passes)
    ranking_id = project.rankings.begin(project.models.serving().id, ScoringConfig())
    project.rankings.add(ranking_id, first, score(1), [with_passes, cell()])
    back, without = project.rankings.cells(ranking_id, first)
    np.testing.assert_allclose(back.passes, passes, atol=0.02)
    assert without.passes is None


def test_a_ranking_is_stale_when_a_newer_model_serves(ranked):
    project, _, ranking_id = ranked
    project.rankings.finish(ranking_id)
    assert not project.rankings.current().stale
    train_on(project, project.images.annotated()[0].id)
    assert project.rankings.current().stale


def test_cells_come_back_with_their_scores(ranked):
    project, (first, *_), ranking_id = ranked
    [back] = project.rankings.cells(ranking_id, first)
    assert (back.u_d, back.u_c, back.u_r, back.label) == (0.5, 0.8, 1.0, 1)
    assert back.box.tolist() == [1, 2, 3, 4]
    assert np.array_equal(back.probs, cell().probs)


def test_a_class_younger_than_the_model_has_no_chance(ranked):
    project, (first, *_), ranking_id = ranked
    project.classes.add(["fourth"])
    [back] = project.rankings.cells(ranking_id, first)
    assert back.probs.tolist() == [*cell().probs.tolist(), 0]


def test_a_new_ranking_keeps_the_cells_that_a_review_started_from(ranked):
    project, (first, second, _), old = ranked
    project.rankings.finish(old)
    [source] = project.rankings.cells(old, second)
    project.reviews.save(
        second,
        ONE_CELL,
        origin="expert",
        base_revision=0,
        detection_ids=[source.detection_id],
        ranking_id=old,
    )
    new = project.rankings.begin(project.models.serving().id, ScoringConfig())
    project.rankings.add(new, first, score(5), [cell(0.9)])
    project.rankings.finish(new)
    assert project.rankings.cells(old, first) == []
    assert len(project.rankings.cells(old, second)) == len(project.rankings.cells(new, first)) == 1
    assert [state.n_flagged for state in project.rankings.history()] == [33, 0]
