"""Colours from what is known of a model's errors: test images, and cells that the expert read."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from rbcal.acquisition.relevance import CellScores, score_image
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import ProjectError
from rbcal.interchange.export_dataset import export
from rbcal.jobs import live_thread
from rbcal.jobs.colours import colour, is_changed, read_evidence, recolour
from rbcal.jobs.rank import rerank
from rbcal.live_head import LastLayer
from rbcal.review.cell_answers import CellAnswer, answer_cells, take_back
from rbcal.review.predictions import CellPredictions
from rbcal.store.log import BoxState
from rbcal.store.project import ProjectFile
from rbcal.store.rankings import Cell, RankedImage
from rbcal.types import Annotations, Detections
from tests.browser.driver import WEIGHTS
from tests.conftest import add_image

SURE, UNSURE = (0.0, 0.96, 0.02, 0.02), (0.1, 0.4, 0.3, 0.2)
SIDES = np.array([[10 * k, 0, 10 * k + 8, 8] for k in range(30)], np.float32)


@pytest.fixture
def measured(project):
    """A pool of two images, and a model that has been right about sure cells on eight test slides."""
    rng = np.random.default_rng(0)
    trained, _ = add_image(project, 1, annotated=True)
    pool = [add_image(project, seed)[0] for seed in (2, 3)]
    model_id = project.models.add(TrainConfig(), WEIGHTS, {"train": [project.images.get(trained)]}, 1.0)
    project.models.promote(model_id, "gate")
    for seed in range(10, 18):
        image_id, _ = add_image(project, seed, group=f"slide {seed}", split="test")
        probs = np.array([SURE] * 20 + [UNSURE] * 10, np.float32)
        labels = np.r_[np.zeros(20, np.int64), rng.integers(0, 3, 10)]
        project.reviews.save(image_id, Annotations(SIDES, labels), origin="import", base_revision=0)
        project.evaluations.save_detections(model_id, image_id, Detections(SIDES, probs))
    return project, pool, model_id


def rank_pool(project, pool, model_id, probs, own=None):
    """Rank images in which the model found these cells; return the ranking's id. `own`: its last layer."""
    sure, ones = np.ones(len(probs), np.float32), np.ones(32 if own is None else 128, np.float32)
    score = score_image(CellScores(sure, sure, sure * 0), ScoringConfig())
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    if own is not None:
        project.live_heads.begin(ranking_id, own)
    for image_id in pool:
        cells = [
            Cell(0, box, 1.0, 1.0, 0.0, of_cell, None, 0.1, 0.9, 1.0, ones)
            for box, of_cell in zip(SIDES, np.array(probs, np.float32), strict=False)
        ]
        project.rankings.add(ranking_id, image_id, score, cells)
    project.rankings.finish(ranking_id)
    return ranking_id


def test_sure_cells_are_green_and_the_others_red_where_test_images_say_so(measured):
    project, pool, model_id = measured
    project.colours.choose("chance", 0.1)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [UNSURE] * 3)
    chances = colour(project, project.rankings.get(ranking_id))
    assert chances[:5].max() < 0.1 < 0.4 < chances[5:8].min()
    assert [entry.score.red for entry in project.queue.top()] == [3, 3]
    assert project.queue.flagged_in_pool() == 6
    predictions = CellPredictions.read(project, project.rankings.current(), pool[0])
    assert len(predictions.flagged) == 3
    assert predictions.verdicts[predictions.red[0]].reasons[0].endswith("likely to need a change")


def test_the_work_in_an_image_is_foreseen_from_the_chances(measured):
    project, pool, model_id = measured
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [UNSURE] * 3)
    rerank(project, "balanced")
    terms = project.rankings.score(ranking_id, pool[0]).terms
    assert terms["change"] == pytest.approx(3 * 0.7, abs=0.5)  # 5 that are right, 3 that are a guess
    assert terms["minutes"] == pytest.approx((5 + 8 * 1 + 4 * terms["change"]) / 60, abs=1e-3)


def test_a_promise_that_nothing_keeps_leaves_every_cell_red(measured):
    project, pool, model_id = measured
    project.colours.choose("chance", 0.001)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [UNSURE] * 3)
    colour(project, project.rankings.get(ranking_id))
    assert project.colours.get(ranking_id).green_limit is None
    assert [entry.score.red for entry in project.queue.top()] == [8, 8]
    assert len(CellPredictions.read(project, project.rankings.current(), pool[0]).flagged) == 8


def test_by_the_paper_cells_have_the_colours_of_its_thresholds(measured):
    project, pool, model_id = measured
    project.colours.choose("paper", 0.02)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [UNSURE] * 3)
    colour(project, project.rankings.get(ranking_id))
    assert [entry.score.red for entry in project.queue.top()] == [0, 0]  # u_c = u_d = 1, u_r = 0
    assert not CellPredictions.read(project, project.rankings.current(), pool[0]).flagged


def test_without_a_test_set_nothing_is_known_and_no_figure_is_invented(project):
    trained, _ = add_image(project, 1, annotated=True)
    pool = [add_image(project, 2)[0]]
    model_id = project.models.add(TrainConfig(), WEIGHTS, {"train": [project.images.get(trained)]}, 1.0)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5)
    rerank(project, "balanced")
    assert project.colours.get(ranking_id) is None
    [entry] = project.queue.top()
    assert entry.score.red == 5
    assert not {"change", "minutes"} & entry.score.terms.keys()


def test_what_the_expert_reads_joins_the_evidence(measured):
    project, pool, model_id = measured
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [UNSURE] * 3)
    ranking = project.rankings.current()
    before = len(read_evidence(project, ranking))
    cells = project.rankings.cells(ranking_id, pool[0])
    project.reviews.save(
        pool[0],
        Annotations(SIDES[:8], np.array([0] * 7 + [2])),
        origin="expert",
        base_revision=0,
        detection_ids=[cell.detection_id for cell in cells],
        review_status=["kept"] * 6 + ["open", "changed"],
        ranking_id=ranking_id,
    )
    evidence = read_evidence(project, ranking)
    assert len(evidence) - before == 7  # the open one says nothing
    assert evidence.changed[before:].tolist() == [False] * 6 + [True]
    assert evidence.is_read[before:].all()


def test_a_detection_of_no_cell_or_of_another_class_is_wrong():
    truth = Annotations(SIDES[:2], np.array([0, 1]))
    predicted = Detections(SIDES[:3], np.array([SURE] * 3, np.float32))
    assert is_changed(truth, predicted).tolist() == [False, True, True]


def test_an_export_has_the_chance_of_each_cell(measured, tmp_path):
    project, pool, model_id = measured
    project.colours.choose("chance", 0.1)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [UNSURE] * 3)
    colour(project, project.rankings.get(ranking_id))
    export(project, tmp_path / "out", "predictions-csv")
    with (tmp_path / "out" / "cells.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["green"] for row in rows] == ["1"] * 5 + ["0"] * 3 + ["1"] * 5 + ["0"] * 3
    assert all(0 <= float(row["change_probability"]) <= 1 for row in rows)


@pytest.mark.parametrize(("by", "promise"), [("colour", 0.02), ("chance", 0.0), ("chance", 0.9)])
def test_a_rule_of_colours_that_there_is_not_is_refused(project, by, promise):
    with pytest.raises(ProjectError, match="but got"):
        project.colours.choose(by, promise)
    assert (project.colours.by, project.colours.promise) == ("chance", 0.02)


def test_after_a_save_the_thread_works_the_colours_out(measured):
    project, pool, model_id = measured
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5)
    live_thread.start(ProjectFile(project.path))
    live_thread.join(ProjectFile(project.path))
    assert live_thread.last_error(ProjectFile(project.path)) is None
    assert project.colours.get(ranking_id).n_cells == 240


def test_a_wrong_spot_check_takes_green_back_at_once(measured):
    project, pool, model_id = measured
    project.colours.choose("chance", 0.1)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 12)
    recolour(project)
    stored = project.colours.get(ranking_id)
    assert stored.green_limit is not None
    cells = project.rankings.cells(ranking_id, pool[0])
    boxes = {
        k: BoxState(tuple(cell.box.tolist()), 2, "changed", cell.detection_id)
        for k, cell in enumerate(cells[:8])
    }
    project.reviews.save_boxes(
        pool[0],
        boxes,
        origin="expert",
        version=0,
        ranking_id=ranking_id,
        spot_checks={cell.detection_id: True for cell in cells[:8]},
    )
    recolour(project)
    assert project.colours.get(ranking_id).green_limit is None
    assert [entry.score.red for entry in project.queue.top()] == [12]


@pytest.mark.parametrize("strategy", ["balanced", "random"])
def test_wrong_spot_checks_take_the_green_back_in_every_order_of_the_queue(measured, strategy):
    project, pool, model_id = measured
    project.colours.choose("chance", 0.1)
    own = LastLayer(np.eye(3, 128, dtype=np.float32), np.zeros(3, np.float32))
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 12, own)
    rerank(project, strategy)
    assert project.queue.flagged_in_pool() == 0
    cells = project.rankings.cells(ranking_id, pool[0])
    boxes = {
        k: BoxState(tuple(each.box.tolist()), 2, "changed", each.detection_id) for k, each in enumerate(cells)
    }
    checks = {each.detection_id: True for each in cells}
    project.reviews.save_boxes(
        pool[0], boxes, origin="expert", version=0, ranking_id=ranking_id, spot_checks=checks
    )
    file = ProjectFile(project.path)
    live_thread.start(file)
    live_thread.join(file)
    assert project.live_heads.get(ranking_id).fitted is not None
    assert project.queue.flagged_in_pool() == 12


def test_names_that_have_learnt_are_green_only_where_they_are_the_model_s_own(measured):
    project, pool, model_id = measured
    project.colours.choose("chance", 0.1)
    own = LastLayer(np.zeros((3, 128), np.float32), np.zeros(3, np.float32))
    guess = (0.0, 0.4, 0.35, 0.25)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [guess] * 3, own)
    colour(project, project.rankings.get(ranking_id))
    before = CellPredictions.read(project, project.rankings.current(), pool[0])
    assert len(before.flagged) == 3
    surer = LastLayer(np.zeros((3, 128), np.float32), np.float32([9, 0, 0]))  # all are of class 0 for sure
    project.live_heads.save(ranking_id, surer, 1)
    assert len(CellPredictions.read(project, project.rankings.current(), pool[0]).flagged) == 3
    other = LastLayer(np.zeros((3, 128), np.float32), np.float32([0, 0, 30]))  # of class 2
    project.live_heads.save(ranking_id, other, 1)
    assert len(CellPredictions.read(project, project.rankings.current(), pool[0]).flagged) == 8
    assert colour(project, project.rankings.get(ranking_id)).shape == (16,)
    assert project.queue.flagged_in_pool() == 16


# ---- answers on single cells -----------------------------------------------------------------------------


def answers(project, ranking_id, images, cells):
    """Return answers on cells of images: the model is right."""
    return [
        CellAnswer(image_id, each.detection_id, tuple(each.box.tolist()), each.label)
        for image_id in images
        for each in project.rankings.cells(ranking_id, image_id)[cells]
    ]


def of_reviews(project):
    """Return how many cells that the expert read are evidence, and how many of them he changed."""
    evidence = read_evidence(project, project.rankings.current())
    return int(evidence.is_read.sum()), int(evidence.changed[evidence.is_read].sum())


def test_answers_that_were_taken_back_are_no_evidence_and_the_right_ones_are(measured):
    project, pool, model_id = measured
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 8)
    kept = answers(project, ranking_id, pool, cells=slice(6))
    too_early = answer_cells(project, ranking_id, kept)
    assert of_reviews(project) == (12, 0)
    take_back(project, too_early)
    assert of_reviews(project) == (0, 0)
    answer_cells(project, ranking_id, [replace(each, label=2) for each in kept])
    assert of_reviews(project) == (12, 12)
    answer_cells(project, ranking_id, answers(project, ranking_id, pool, cells=slice(6, 8)))  # another screen
    assert of_reviews(project) == (16, 12)


def test_an_answer_on_an_image_with_a_draft_of_an_older_ranking_deletes_nothing(measured):
    project, pool, model_id = measured
    older = rank_pool(project, pool, model_id, [SURE] * 8)
    start = {
        k: BoxState(tuple(cell.box.tolist()), 0, "open", cell.detection_id)
        for k, cell in enumerate(project.rankings.cells(older, pool[0]))
    }
    version = project.log.record(pool[0], "begin", start, version=0, ranking_id=older)
    kept = start | {0: start[0]._replace(review_status="kept")}
    project.log.record(pool[0], "edit", kept, version=version)  # on the Review page, and not saved
    newer = rank_pool(project, pool, model_id, [SURE] * 8)
    answer_cells(project, newer, answers(project, newer, pool[:1], cells=slice(1, 2)))
    assert of_reviews(project) == (2, 0)


def test_an_image_drawn_at_random_stands_for_the_pool_once_all_its_cells_are_read(measured):
    project, pool, model_id = measured
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 8)
    drawn = [RankedImage(image_id, 1.0, {}, 0.5) for image_id in pool]
    project.rankings.arrange(ranking_id, "balanced", drawn, {"seed": 0})
    answer_cells(project, ranking_id, answers(project, ranking_id, pool, cells=slice(5)))
    assert not read_evidence(project, project.rankings.current()).is_audit.any()
    answer_cells(project, ranking_id, answers(project, ranking_id, pool[:1], cells=slice(5, 8)))
    assert read_evidence(project, project.rankings.current()).is_audit.sum() == 8


def test_a_known_cell_of_an_image_that_is_saved_again_is_no_new_answer(measured):
    project, pool, model_id = measured
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 8)
    answer_cells(project, ranking_id, answers(project, ranking_id, pool, cells=slice(7)))
    assert project.reviews.answered_since(None) == 14
    moment = max(
        datetime.fromisoformat(project.reviews.versions(image_id)[0].created_at) for image_id in pool
    )
    assert project.reviews.answered_since(moment) == 0
    time.sleep(0.002)
    answer_cells(project, ranking_id, answers(project, ranking_id, pool[:1], cells=slice(7, 8)))
    assert project.reviews.answered_since(moment) == 1


def test_a_screen_of_single_cells_does_not_say_how_long_an_image_takes(measured):
    project, pool, model_id = measured
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 8)
    answer_cells(project, ranking_id, answers(project, ranking_id, pool, cells=slice(1)), seconds=2.0)
    assert project.reviews.times() == ([], [], [])


def test_red_cells_of_an_image_that_was_read_in_part_still_wait(measured):
    project, pool, model_id = measured
    project.colours.choose("chance", 0.1)
    ranking_id = rank_pool(project, pool, model_id, [SURE] * 5 + [UNSURE] * 3)
    colour(project, project.rankings.get(ranking_id))
    answer_cells(project, ranking_id, answers(project, ranking_id, pool, cells=slice(1)))
    assert project.queue.flagged_in_pool() == 6
    answer_cells(project, ranking_id, answers(project, ranking_id, pool, cells=slice(1, 6)))
    assert project.queue.flagged_in_pool() == 4  # two of each image were not read
    answer_cells(project, ranking_id, answers(project, ranking_id, pool, cells=slice(6, 8)))
    assert project.queue.flagged_in_pool() == 0
