"""The order of the queue: what the store knows becomes the context, the strategy's ranking becomes places."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.cost_model import CostModel
from rbcal.acquisition.relevance import Score
from rbcal.errors import ProjectError, ScoringError
from rbcal.jobs import rank, score, train
from rbcal.jobs.rank import reorder, rerank
from rbcal.store.log import BoxState
from rbcal.store.rankings import RankedImage
from tests.conftest import add_image
from tests.jobs.conftest import EMBEDDINGS, cell
from tests.jobs.test_pipeline import PASSES, TINY, Silent


def order(project):
    return [image_id for image_id, _ in project.queue.order()]


def test_a_strategy_orders_the_queue_and_another_one_takes_its_place(ranked):
    project, (first, second, third), _ = ranked
    assert order(project) == [second, third, first]  # by relevance, while no strategy did
    rerank(project, "entropy")
    assert order(project)[0] == second
    assert project.rankings.current().strategy == "entropy"
    rerank(project, "random", seed=1)
    orders = {tuple(order(project))}
    for seed in range(8):
        rerank(project, "random", seed=seed)
        orders.add(tuple(order(project)))
    assert len(orders) > 2
    assert {frozenset(each) for each in orders} == {frozenset((first, second, third))}


def test_the_terms_of_each_image_are_stored(ranked):
    project, images, ranking_id = ranked
    rerank(project, "balanced")
    score = project.rankings.score(ranking_id, images[0])
    assert score.terms["new 0"] == pytest.approx(2.4, abs=1e-4)
    assert score.terms["new 1"] == pytest.approx(0.3, abs=1e-4)
    assert not {"change", "minutes"} & score.terms.keys()  # nobody knows how often this model errs
    assert score.value > 0
    assert score.propensity is None
    assert project.rankings.current().context["timed_reviews"] == 0


def test_the_pool_comes_back_as_it_was_stored(ranked):
    project, images, ranking_id = ranked
    pool = project.rankings.pool(ranking_id)
    assert pool.image_ids == sorted(images)
    assert pool.image.tolist() == [0, 0, 0, 1, 2, 2]
    assert pool.probs.shape == (6, 4)
    assert pool.bald == pytest.approx(0.1)
    np.testing.assert_array_equal(pool.embeddings, np.repeat(EMBEDDINGS[:1], 6, axis=0))
    np.testing.assert_array_equal(project.rankings.annotated_embeddings(ranking_id), EMBEDDINGS[:5])


def test_a_reviewed_image_leaves_the_choice(ranked):
    project, images, ranking_id = ranked
    project.reviews.save_boxes(images[1], {}, origin="expert", version=0, ranking_id=ranking_id)
    assert project.rankings.pool(ranking_id).image_ids == [images[0], images[2]]
    rerank(project, "boxal")
    assert set(order(project)) == {images[0], images[2]}


def test_what_the_expert_did_is_the_outcome_of_each_cell(ranked):
    project, images, ranking_id = ranked
    kept, moved, deleted = project.rankings.cells(ranking_id, images[0])
    boxes = {
        0: BoxState(tuple(kept.box.tolist()), 0, "kept", kept.detection_id),
        1: BoxState((1, 1, 9, 9), 0, "changed", moved.detection_id),
        2: BoxState((50, 50, 60, 60), 2, "drawn", None),
    }
    project.reviews.save_boxes(
        images[0], boxes, origin="expert", version=0, ranking_id=ranking_id, seconds=30
    )
    green = project.rankings.cells(ranking_id, images[2])
    boxes = {
        k: BoxState(tuple(each.box.tolist()), 0, "accepted_in_bulk", each.detection_id)
        for k, each in enumerate(green)
    }
    project.reviews.save_boxes(
        images[2],
        boxes,
        origin="expert",
        version=0,
        ranking_id=ranking_id,
        spot_checks={green[0].detection_id: False},
    )
    outcomes = project.reviews.outcomes()
    assert outcomes.image.tolist() == [images[0]] * 3 + [images[2]] * 2
    assert outcomes.changed.tolist() == [False, True, True, False, False]
    assert outcomes.label.tolist() == [0, 0, -1, 0, 0]
    assert outcomes.read.tolist() == [True, True, True, True, False]  # accepted in bulk: nobody looked
    assert not outcomes.audit.any()
    assert project.reviews.times() == ([30.0, 0.0], [3, 2], [3, 0])  # moved, drawn, deleted
    f1 = rank.acquisition_context(project, project.rankings.current(), seed=0).f1
    assert f1[0] == pytest.approx(2 * 4 / (5 + 4))
    assert np.isnan(f1[1:]).all()
    assert deleted.detection_id


def test_only_the_first_review_of_an_image_tells_what_the_model_was_worth(ranked):
    project, images, ranking_id = ranked
    for version in (0, 2):  # beginning and saving are two acts
        version = project.log.version(images[1])
        project.reviews.save_boxes(images[1], {}, origin="expert", version=version, ranking_id=ranking_id)
    assert len(project.reviews.outcomes()) == 1


def test_an_audited_image_is_marked_as_one(ranked, monkeypatch):
    project, images, ranking_id = ranked
    monkeypatch.setattr(rank, "audited", lambda order, rng: _all_drawn(order))
    rerank(project, "relevance")
    assert project.rankings.score(ranking_id, images[0]).propensity == pytest.approx(0.5)
    project.reviews.save_boxes(images[0], {}, origin="expert", version=0, ranking_id=ranking_id)
    assert project.reviews.outcomes().audit.all()


def _all_drawn(order):
    order.propensity[:] = 0.5
    return order


def test_without_reviews_the_times_are_assumed(ranked):
    project, _, _ = ranked
    context = rank.acquisition_context(project, project.rankings.current(), seed=0)
    assert context.cost_model == CostModel()
    assert not context.calibration.learnt


def test_an_older_ranking_asks_to_be_made_again(ranked):
    project, _, _ = ranked
    project._database.write("UPDATE detection SET embedding = NULL, bald = NULL")
    with pytest.raises(ProjectError, match="sorted by an older rbcal"):
        rerank(project, "balanced")
    assert len(project.reviews.outcomes()) == 0


def test_an_unknown_strategy_is_refused(project, ranked):
    with pytest.raises(ScoringError, match="no strategy"):
        rerank(ranked[0], "luck")


def test_a_pool_that_was_never_ranked_has_no_order(project):
    with pytest.raises(ProjectError, match="not sorted yet"):
        rerank(project, "balanced")


def test_scoring_ends_with_the_order_of_the_strategy(project):
    add_image(project, 1, annotated=True)
    for seed in range(12):
        add_image(project, 10 + seed)
    train.train(project, TINY, Silent())
    progress = Silent()
    score.score(project, PASSES, progress, "boxal")
    ranking = project.rankings.current()
    assert ranking.strategy == "boxal"
    assert "Looking at annotated images" in progress.stages
    entries = project.queue.top()
    drawn = [entry for entry in entries if entry.score.propensity is not None]
    assert [entries.index(entry) for entry in drawn] == [9]
    values = [entry.score.value for entry in entries if entry not in drawn]
    assert values == sorted(values, reverse=True)
    rank.rank(project, "random", progress)
    assert project.rankings.current().strategy == "random"
    assert project.rankings.current().id == ranking.id


def test_a_new_order_leaves_the_open_image_and_those_drawn_at_random_where_they_are(ranked):
    project, (first, second, third), ranking_id = ranked
    fourth = add_image(project, 7)[0]
    project.rankings.add(ranking_id, fourth, Score(1, 1, 1, 0, 0, 0), [cell([0.1, 0.1, 0.4, 0.4])])
    places = [RankedImage(first, 4, {}, None), RankedImage(third, 3, {}, 0.5)]
    places += [RankedImage(fourth, 2, {}, None), RankedImage(second, 1, {}, None)]
    project.rankings.arrange(ranking_id, "entropy", places, {"seed": 0})
    reorder(project, project.rankings.current(), open_image=first)
    assert order(project)[:2] == [first, third]
    assert project.rankings.propensities(ranking_id) == {third: 0.5}
    reorder(project, project.rankings.current())
    assert order(project)[1] == third
    assert order(project)[0] != first  # its names are sure; it lay in front because it was open


def test_a_reviewed_image_keeps_the_chance_with_which_it_was_drawn(ranked):
    project, images, ranking_id = ranked
    places = [RankedImage(images[0], 4, {"x": 1.0}, 0.5), RankedImage(images[1], 3, {}, None)]
    project.rankings.arrange(ranking_id, "entropy", places, {"seed": 0})
    project.reviews.save_boxes(images[0], {}, origin="expert", version=0, ranking_id=ranking_id)
    rerank(project, "entropy")
    score = project.rankings.score(ranking_id, images[0])
    assert (score.propensity, score.value, dict(score.terms)) == (0.5, 4, {"x": 1.0})


def test_a_random_order_is_not_drawn_anew(ranked):
    project, _, _ = ranked
    rerank(project, "random", seed=1)
    before = order(project)
    reorder(project, project.rankings.current())
    assert order(project) == before
