"""Answers on cells of many images: what is stored, what stays open, and what can be taken back."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from rbcal.config import ScoringConfig
from rbcal.errors import ProjectError
from rbcal.jobs.cells import cells_to_ask
from rbcal.review.cell_answers import Answered, CellAnswer, answer_cells, take_back
from rbcal.review.wall import Settled, Wall, as_of_now, next_screen, side_by_side, sides_of
from rbcal.store.cell_filters import CellFilter
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.browser.driver import UNIT, plant


@pytest.fixture
def project(tmp_path):
    """Three ranked images."""
    plant(tmp_path / "pool.rbcal", 3, width=160, height=120, n_cells=12, fewer=0, embedded=True)
    with Project.open(tmp_path / "pool.rbcal") as project:
        yield project


@pytest.fixture
def ranking_id(project):
    return project.rankings.current().id


def asked(project):
    return cells_to_ask(project, 1000).cells


def answers(cells, label):
    return [CellAnswer(each.image_id, each.detection_id, sides_of(each), label) for each in cells]


def statuses(project, image_id):
    return [each for each in project.reviews.current(image_id).review_status if each != "open"]


def test_a_read_cell_teaches_and_the_others_of_its_image_stay_open(project, ranking_id):
    cell = asked(project)[0]
    n_found = len(project.rankings.cells(ranking_id, cell.image_id))
    done = answer_cells(project, ranking_id, answers([cell], cell.label), seconds=3.0)
    image = project.images.get(cell.image_id)
    assert (done.n_stored, done.n_late) == (1, 0)
    assert (image.n_cells, image.n_unread) == (1, n_found - 1)
    assert statuses(project, cell.image_id) == ["kept"]
    assert project.reviews.versions(cell.image_id)[0].seconds == 3.0
    assert verify(project.path).ok


def test_what_the_expert_saw_is_kept_though_the_names_have_learnt_meanwhile(project, ranking_id):
    cell = asked(project)[0]
    seen = (cell.label + 1) % 3
    [answer] = answers([cell], seen)
    answer_cells(project, ranking_id, [replace(answer, shown=seen)])
    assert statuses(project, cell.image_id) == ["kept"]
    assert seen in project.reviews.current(cell.image_id).annotations.read_labels


def test_an_image_that_became_a_test_image_meanwhile_leaves_the_wall_and_takes_no_answer(project):
    wall = Wall(size=12)
    wall.fill(project)
    before, shown = wall.serial, wall.screen
    project.splits.grow(2)
    drawn = project.splits.draw()
    assert drawn in {cell.image_id for cell in (*wall.screen, *wall.ahead, *wall.coming)}
    wall.settle(project, {each.id: each.label for each in shown})  # it was on its way
    wall.fill(project)
    assert project.reviews.current(drawn) is None
    assert drawn not in {cell.image_id for cell in (*wall.screen, *wall.ahead, *wall.coming)}
    assert wall.serial > before + 1  # the browser's next screen is not the next one any more


def test_a_saved_filter_is_used_as_the_project_is_by_now(project):
    wanted = CellFilter("named", 0, "a slide", "cells_of_old", resembles=99)
    now, gone = as_of_now(project, wanted)
    assert now == CellFilter("named", 0)
    assert gone == "Left out, as it is not here: its class, the slide a slide, its order."
    project.classes.merge(0, 2)
    assert as_of_now(project, CellFilter("named", 0)) == (CellFilter("named", 2), "")
    slide = next(iter(project.images.group_splits()))
    assert as_of_now(project, CellFilter(group=slide)) == (CellFilter(group=slide), "")
    only_test = CellFilter("named", group=slide, of_test="only")
    assert as_of_now(project, only_test)[1] == f"Left out, as it is not here: the slide {slide}."


def test_nothing_is_taken_back_where_a_restored_project_has_no_answers(project, ranking_id):
    first, *_ = cells = asked(project)
    done = answer_cells(project, ranking_id, answers([first], None))
    unread = next(each.image_id for each in cells if each.image_id != first.image_id)
    take_back(project, Answered({unread: done.boxes[first.image_id]}, 1, 0))
    assert project.reviews.current(unread) is None


def test_another_class_is_a_change_and_no_cell_is_gone(project, ranking_id):
    first, second = [each for each in asked(project) if each.image_id == asked(project)[0].image_id][:2]
    n_found = len(project.rankings.cells(ranking_id, first.image_id))
    answer_cells(project, ranking_id, [*answers([first], (first.label + 1) % 3), *answers([second], None)])
    assert statuses(project, first.image_id) == ["changed"]
    assert project.images.get(first.image_id).n_boxes == n_found - 1


def test_what_was_read_is_not_asked_again(project, ranking_id):
    cells = asked(project)
    assert len(cells) > 12
    answer_cells(project, ranking_id, answers(cells[:5], 0))
    left = asked(project)
    assert {each.detection_id for each in left} == {each.detection_id for each in cells[5:]}
    answer_cells(project, ranking_id, answers(left, 0))
    assert asked(project) == []


def test_a_cell_that_somebody_else_has_read_meanwhile_stays_as_it_is(project, ranking_id):
    cell = asked(project)[0]
    answer_cells(project, ranking_id, answers([cell], 1))
    done = answer_cells(project, ranking_id, answers([cell], 2))
    assert (done.n_stored, done.n_late) == (0, 1)
    labels = project.reviews.current(cell.image_id).annotations.read_labels
    assert 1 in labels
    assert project.reviews.revision(cell.image_id) == 1  # nothing was saved


def test_a_screen_is_taken_back_exactly(project, ranking_id):
    every = asked(project)
    cells = every[:8]
    boxes = {each.image_id: project.rankings.cells(ranking_id, each.image_id) for each in cells}
    done = answer_cells(project, ranking_id, [*answers(cells[:4], 2), *answers(cells[4:], None)])
    take_back(project, done)
    for image_id, found in boxes.items():
        review = project.reviews.current(image_id)
        assert set(review.review_status) == {"open"}
        assert review.annotations.labels.tolist() == [cell.label for cell in found]
        assert review.annotations.boxes.tolist() == [cell.box.tolist() for cell in found]
    assert len(asked(project)) == len(every)
    assert verify(project.path).ok


def test_what_somebody_has_done_since_is_not_taken_back(project, ranking_id):
    first, second = [each for each in asked(project) if each.image_id == asked(project)[0].image_id][:2]
    done = answer_cells(project, ranking_id, answers([first, second], 1))
    work = project.log.work(first.image_id)
    mine, theirs = (
        next(n for n, box in work.boxes.items() if box.detection_id == each.detection_id)
        for each in (first, second)
    )
    boxes = {**work.boxes, theirs: work.boxes[theirs]._replace(label=2)}
    project.log.record(first.image_id, "edit", boxes, version=work.version)
    take_back(project, done)
    now = project.log.boxes(first.image_id)
    assert now[mine].review_status == "open"
    assert (now[theirs].label, now[theirs].review_status) == (2, boxes[theirs].review_status)


def test_answers_on_cells_of_the_ranking_before_find_those_of_the_new_one(project, ranking_id):
    cell = asked(project)[0]
    image_ids = project.rankings.pool(ranking_id).image_ids
    newer = project.rankings.begin(project.models.serving().id, ScoringConfig())
    for image_id in image_ids:
        cells = project.rankings.cells(ranking_id, image_id)
        embedded = [each._replace(bald=0.1, agreement=0.9, rate=1.0, embedding=UNIT) for each in cells]
        project.rankings.add(newer, image_id, project.rankings.score(ranking_id, image_id), embedded)
    project.rankings.finish(newer)
    wall = Wall(ranking_id=ranking_id, screen=[cell])
    wall.settle(project, {cell.detection_id: 2})
    assert wall.n_settled == 1
    assert 2 in project.reviews.current(cell.image_id).annotations.read_labels


def test_a_wall_goes_on_until_no_cell_waits_and_comes_back(project):
    n_cells = len(asked(project))
    wall = Wall(size=12)
    seen = []
    while True:
        wall.fill(project)
        if not wall.screen:
            break
        seen += [each.detection_id for each in wall.screen]
        wall.settle(project, {each.detection_id: each.label for each in wall.screen})
    assert len(seen) == len(set(seen)) == n_cells == wall.n_settled
    last = seen[-1]
    wall.undo(project)
    assert last in [each.detection_id for each in wall.screen]
    assert wall.n_settled < n_cells


def test_the_time_that_is_left_follows_the_pace_once_it_is_known():
    past = [Settled(1, [], Answered({}, n, 0), seconds) for n, seconds in ((60, 20.0), (40, 30.0))]
    assert Wall(past=past, n_waiting=400).seconds_left() == 200
    assert Wall(past=past, n_waiting=400, n_promised=300).seconds_left() == 50  # green ones need no look
    assert Wall(past=past, n_waiting=400, chosen=CellFilter("named")).seconds_left() is None
    assert Wall(past=past[:1], n_waiting=400).seconds_left() is None


def test_a_screen_is_taken_back_on_another_wall_of_the_same_person_but_not_of_another_ranking(project):
    wall = Wall(size=12)
    wall.fill(project)
    shown = wall.screen
    wall.settle(project, {each.detection_id: each.label for each in shown})
    after_reload = Wall(size=12, past=wall.past)
    after_reload.fill(project)
    assert after_reload.n_settled == len(shown)
    after_reload.undo(project)
    assert [each.id for each in after_reload.screen] == [each.id for each in shown]
    assert {each.id for each in shown} <= {each.id for each in asked(project)}  # they wait again
    wall.past.append(Settled(99, shown, Answered({}, 12, 0), 1.0))
    after_reload.undo(project)
    assert after_reload.notice == "There is nothing to take back."


def settled_wall(project):
    """A wall on which one screen was settled, and that screen."""
    wall = Wall(size=12)
    wall.fill(project)
    shown = wall.screen
    wall.settle(project, {each.id: each.label for each in shown})
    wall.fill(project)
    return wall, shown


def test_a_screen_that_could_not_be_taken_back_can_still_be(project, monkeypatch):
    wall, shown = settled_wall(project)
    now, serial = wall.screen, wall.serial
    monkeypatch.setattr("rbcal.review.wall.take_back", Mock(side_effect=ProjectError("locked")))
    with pytest.raises(ProjectError):
        wall.undo(project)
    monkeypatch.undo()
    assert (wall.screen, wall.serial, wall.n_settled) == (now, serial, len(shown))
    wall.undo(project)
    assert wall.screen == shown


def test_a_screen_that_is_taken_back_has_what_was_said_of_its_cells(project):
    wall = Wall(size=12)
    wall.fill(project)
    changed, gone, off, *kept = (each.id for each in wall.screen)
    label = wall.screen[0].label
    wall.settle(project, dict.fromkeys(kept, label) | {changed: label + 1, gone: None}, [off])
    wall.fill(project)
    assert wall.marks == {}
    wall.undo(project)
    assert wall.marks == {changed: label + 1, gone: None, off: "later"}


def test_of_answered_cells_only_a_new_answer_is_a_mark(project):
    first, second, third = (replace(each, number=k) for k, each in enumerate(asked(project)[:3]))
    answers = {first.id: first.label, second.id: "unsure"}
    settled = Settled(1, [first, second, third], Answered({}, 2, 0), 1.0, answers=answers)
    assert settled.marks() == answers


def test_a_screen_that_is_taken_back_has_not_the_number_that_the_browser_gives_the_next_one(project):
    wall, _ = settled_wall(project)
    by_the_browser = wall.serial + 1
    wall.undo(project)
    assert wall.serial > by_the_browser
    by_the_browser = wall.serial + 1
    wall.undo(project)  # there is nothing
    assert wall.serial > by_the_browser


def test_what_is_put_off_stays_open_and_does_not_come_again(project):
    wall = Wall(size=12)
    wall.fill(project)
    off = wall.screen[0].detection_id
    wall.settle(project, {each.detection_id: each.label for each in wall.screen[1:]}, [off])
    while wall.fill(project) or wall.screen:
        assert off not in [each.detection_id for each in wall.screen]
        wall.settle(project, {each.detection_id: each.label for each in wall.screen})
    assert [each.detection_id for each in asked(project)] == [off]


def test_a_screen_is_of_one_class_where_that_has_enough_cells(project):
    cells = asked(project)
    screen = next_screen(cells, 6)
    assert len({each.label for each in screen}) == 1 < len({each.label for each in cells})


def test_classes_with_few_cells_share_a_screen_that_comes_when_its_first_cell_would(project):
    cells = asked(project)
    by_class = {label: [each for each in cells if each.label == label] for label in (0, 1, 2)}
    many, few, single = by_class[0][:6], by_class[1][:2], by_class[2][:1]
    assert {each.label for each in next_screen([*many, *few, *single], 9)} == {0}
    shared = next_screen([*single, *many, *few], 9)
    assert sorted(each.id for each in shared) == sorted(each.id for each in (*few, *single))
    assert next_screen([], 9) == []


def test_cells_that_look_alike_stand_side_by_side(project):
    a, b, c, d = asked(project)[:4]
    alike, other = np.float32([1, 0]), np.float32([0, 1])
    looks = [
        replace(each, embedding=e) for each, e in zip((a, b, c, d), (alike, other, alike, other), strict=True)
    ]
    order = [each.detection_id for each in side_by_side(looks)]
    assert order == [each.detection_id for each in (a, c, b, d)]


def test_more_like_a_cell_come_first_of_all_classes(project):
    wall = Wall(size=12)
    wall.fill(project)
    pool = project.rankings.pool(project.rankings.current().id)
    wanted = replace(wall.screen[0], embedding=pool.embeddings[0])
    wall.more_like(wanted)
    wall.fill(project)
    assert len(wall.screen) == 12
    assert [each.value for each in wall.screen] == sorted((each.value for each in wall.screen), reverse=True)
    wall.more_like(None)
    wall.fill(project)
    assert len({each.label for each in wall.screen}) == 1


def test_a_cell_that_nobody_can_tell_teaches_nothing_and_does_not_come_again(project, ranking_id):
    cell, *others = asked(project)
    answer_cells(project, ranking_id, answers([cell], "unsure"))
    image = project.images.get(cell.image_id)
    assert (image.n_cells, image.n_unsure) == (0, 1)
    assert statuses(project, cell.image_id) == ["unsure"]
    assert {each.detection_id for each in asked(project)} == {each.detection_id for each in others}
