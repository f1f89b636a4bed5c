"""The queue: the pool in the order of the current ranking."""

from __future__ import annotations

import numpy as np

from rbcal.config import ScoringConfig
from tests.conftest import add_image
from tests.store.conftest import ONE_CELL, cell, score


def test_the_queue_is_the_ranking(ranked):
    project, (first, second, third), ranking_id = ranked
    project.rankings.finish(ranking_id)
    assert [entry.image_id for entry in project.queue.top()] == [second, third, first]
    assert [entry.image_id for entry in project.queue.top(limit=1)] == [second]
    assert project.queue.flagged_in_pool() == 33


def test_an_image_that_was_put_off_keeps_its_rank_until_it_is_reviewed(ranked):
    project, (first, second, third), ranking_id = ranked
    project.rankings.finish(ranking_id)
    project.queue.skip(second)
    assert project.queue.order() == [(second, True), (third, False), (first, False)]
    assert [entry.skipped for entry in project.queue.top()] == [True, False, False]
    project.reviews.save(second, ONE_CELL, origin="expert", base_revision=0)
    assert project._database.value("SELECT count(*) FROM skipped") == 0


def test_a_reviewed_image_leaves_the_queue_and_a_new_one_waits_at_its_end(ranked):
    project, (first, second, third), ranking_id = ranked
    project.rankings.finish(ranking_id)
    project.reviews.save(second, ONE_CELL, origin="expert", base_revision=0)
    newcomer, _ = add_image(project, 50)
    assert [entry.image_id for entry in project.queue.top()] == [third, first, newcomer]
    assert project.queue.flagged_in_pool() == 3


def test_the_queue_can_be_asked_for_one_class(ranked):
    project, (first, second, _), ranking_id = ranked
    sure = cell()._replace(probs=np.array([0.1, 0.9, 0, 0], np.float32))
    maybe_spiky = cell()._replace(probs=np.array([0.1, 0.6, 0, 0.3], np.float32))
    ranking_id = project.rankings.begin(project.models.serving().id, ScoringConfig())
    project.rankings.add(ranking_id, first, score(1), [sure])
    project.rankings.add(ranking_id, second, score(2), [sure, maybe_spiky])
    project.rankings.finish(ranking_id)
    orders = [[image_id for image_id, _ in project.queue.order(label)] for label in (0, 1, 2)]
    assert orders == [[second, first], [], [second]]
    assert [entry.rare_names for entry in project.queue.entries([first, second])] == [(), ("spiky",)]


def test_a_filter_for_a_class_has_the_images_whose_cells_may_be_of_it(ranked):
    project, images, _ = ranked
    ranking_id = project.rankings.begin(project.models.serving().id, ScoringConfig())
    of = {k: cell()._replace(probs=np.float32([0.1, *(0.9 * np.eye(3)[k])])) for k in range(3)}
    for image_id, labels in zip(images, ([0, 0, 1], [2], [1, 2, 2]), strict=True):
        project.rankings.add(ranking_id, image_id, score(1), [of[k] for k in labels])
    project.rankings.finish(ranking_id)

    def likely():
        return [dict(each.likely_cells) for each in project.queue.entries(images)]

    assert likely() == [{0: 2, 1: 1}, {2: 1}, {1: 1, 2: 2}]
    project.classes.merge(1, 2)
    assert likely() == [{0: 2, 2: 1}, {2: 1}, {2: 3}]
    for label in (0, 1, 2):
        listed = {image_id for image_id, _ in project.queue.order(label)}
        assert listed == {id_ for id_, cells in zip(images, likely(), strict=True) if label in cells}


def test_a_ranking_counts_only_once_it_is_finished(ranked):
    project, images, _ = ranked
    assert project.rankings.current() is None
    assert project.queue.flagged_in_pool() is None
    assert [(entry.image_id, entry.score) for entry in project.queue.top()] == [
        (image_id, None) for image_id in images
    ]
