"""The Review page without a browser: what it stores, and what it says when it cannot."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from rbcal.config import ScoringConfig
from rbcal.review import edits
from rbcal.review.boxes import from_states
from rbcal.review.cell_answers import CellAnswer, answer_cells
from rbcal.review.editor import Editor
from rbcal.store import backups
from rbcal.store.log import BoxState
from rbcal.store.project import Project, ProjectFile
from rbcal.store.rankings import Score
from rbcal.types import Annotations
from tests.browser.driver import plant
from tests.visitor import app_test

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A project with a ranked pool of two images, and their ids in the order of the queue."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    path = tmp_path / "pool.rbcal"
    return path, plant(path, 2, width=160, height=120, n_cells=12)


def open_review():
    at = app_test(APP, 60).run()
    at.switch_page("pages/review.py").run()
    if at.segmented_control(key="review_unit").value == "Cells":
        at.segmented_control(key="review_unit").set_value("Images").run()
    assert not at.exception, at.exception
    return at


def words(at):
    kinds = (at.info, at.error, at.success, at.markdown, at.caption)
    return " ".join(element.value for kind in kinds for element in kind)


def test_the_count_of_red_cells_is_of_those_that_are_left(pool):
    at = open_review()
    editor = at.session_state["editor"]
    n = len(editor.red_cells)
    assert n > 1
    at.button(key="toggle_cell_review").click().run()
    at.button(key="keep").click().run()
    at.button(key="toggle_cell_review").click().run()
    assert at.button(key="toggle_cell_review").label == f"Walk {n - 1} red"
    assert at.segmented_control(key="lists_all").options[0] == f"Red {n - 1}"
    assert f"1 of {n} done" in words(at)


def test_save_stores_the_boxes_with_the_detections_that_they_came_from(pool):
    path, (image_id, _) = pool
    at = open_review()
    at.button(key="save").click().run()
    assert "Saved 000" in words(at)
    with Project.open(path) as project:
        review = project.reviews.current(image_id)
        cells = project.rankings.cells(project.rankings.current().id, image_id)
    assert review.detection_ids == tuple(cell.detection_id for cell in cells)
    assert review.origin == "expert"


@pytest.fixture
def asking(tmp_path, monkeypatch):
    """The same, whose Save asks of boxes that nobody read."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    path = tmp_path / "pool.rbcal"
    return path, plant(path, 2, width=160, height=120, n_cells=12, asks=True)


def stored(path, image_id):
    with Project.open(path) as project:
        return project.reviews.current(image_id)


def test_save_asks_of_boxes_that_nobody_read_and_stores_nothing_yet(asking):
    path, (image_id, _) = asking
    at = open_review()
    n = len(at.session_state["editor"].boxes)
    relabel(at, 0)
    at.button(key="save").click().run()
    assert f"{n - 1} boxes of this image were not read." in words(at)
    assert "A box is read once you have kept, accepted or named it, or left it unsure" in words(at)
    assert stored(path, image_id) is None
    at.button(key="go_on_reading").click().run()
    assert stored(path, image_id) is None
    assert at.session_state["editor"].image.id == image_id


def test_boxes_are_saved_as_read_in_part_and_the_project_remembers_not_to_ask(asking):
    path, images = asking
    at = open_review()
    n = len(at.session_state["editor"].boxes)
    relabel(at, 0)
    at.button(key="save").click().run()
    at.checkbox(key="quiet_unread").check()
    at.button(key="save_in_part").click().run()
    assert f"1 cell, {n - 1} boxes not read" in words(at)
    assert stored(path, images[0]).annotations.read.tolist() == [True] + [False] * (n - 1)
    assert at.session_state["editor"].image.id == images[1]
    at.button(key="save").click().run()
    assert stored(path, images[1]) is not None
    with Project.open(path) as project:
        assert not project.ask_unread


def test_who_looked_at_all_keeps_the_rest_in_one_act_and_saves(asking):
    path, (image_id, _) = asking
    at = open_review()
    n = len(at.session_state["editor"].boxes)
    relabel(at, 0)
    at.button(key="save").click().run()
    at.button(key="save_all").click().run()
    assert stored(path, image_id).review_status == ("changed", *["kept"] * (n - 1))
    with Project.open(path) as project:
        assert [act.kind for act in project.log.acts(image_id)] == ["begin", "edit", "edit", "save"]
        assert project.ask_unread


def test_an_image_without_a_box_is_saved_after_a_question(pool):
    path, images = pool
    with Project.open(path) as project:
        rank_empty(project, images)
    at = open_review()
    at.button(key="save").click().run()
    assert "The image has no box" in words(at)
    assert stored(path, images[0]) is None
    at.button(key="save_empty").click().run()
    assert len(stored(path, images[0]).annotations) == 0


def test_a_save_elsewhere_is_said_and_both_go_into_the_log(pool):
    path, (image_id, _) = pool
    at = open_review()
    mine = at.session_state["editor"].boxes
    with Project.open(path) as project:
        project.sign("Ann")
        project.reviews.save(image_id, Annotations.empty(), origin="expert", base_revision=0)
    at.button(key="save").click().run()
    assert "changed elsewhere" in words(at)
    assert "saved" in words(at)
    assert "by Ann" in words(at)
    assert "Saved 000" not in words(at)
    with Project.open(path) as project:
        assert project.reviews.current(image_id).revision == 1
    at.button(key="keep_mine").click().run()
    assert at.session_state["editor"].history.undo().present == ()  # theirs
    at.button(key="save").click().run()
    with Project.open(path) as project:
        assert len(project.reviews.current(image_id).annotations) == len(mine)
        assert project.reviews.current(image_id).revision == 2


def test_an_edit_elsewhere_is_said_at_the_next_edit_here(pool):
    path, (image_id, _) = pool
    at = open_review()
    with Project.open(path) as project:
        project.log.record(image_id, "begin", {0: BoxState((10, 10, 30, 30), 2, "drawn")}, version=0)
    relabel(at, 0)
    assert "changed elsewhere" in words(at)
    editor = at.session_state["editor"]
    mine = editor.boxes
    at.button(key="show_theirs").click().run()
    assert [each.box for each in at.session_state["editor"].boxes] == [(10, 10, 30, 30)]
    at.button(key="undo").click().run()
    with Project.open(path) as project:
        assert from_states(project.log.work(image_id).boxes, editor.predictions.flagged) == mine


def test_an_image_is_opened_anew_after_the_wall_has_answered_cells_of_it(pool):
    path, (image_id, _) = pool
    at = open_review()
    label = relabel(at, 0)
    with Project.open(path) as project:
        ranking_id = project.rankings.current().id
        cell = project.rankings.cells(ranking_id, image_id)[1]
        answer = CellAnswer(image_id, cell.detection_id, tuple(cell.box.tolist()), cell.label)
        answer_cells(project, ranking_id, [answer])
    at.run()
    assert not at.exception
    boxes = at.session_state["editor"].boxes
    assert [each.review_status for each in boxes[:3]] == ["changed", "kept", "open"]
    relabel(at, 2)
    assert "changed elsewhere" not in words(at)
    at.button(key="save").click().run()
    review = stored(path, image_id)
    assert "open" not in review.review_status[:3]
    assert review.annotations.labels[:2].tolist() == [label, cell.label]


def test_an_image_whose_boxes_are_not_all_in_the_log_is_not_opened_anew(pool):
    path, (image_id, _) = pool
    at = open_review()
    with Project.open(path) as project:
        project.log.record(image_id, "begin", {}, version=0)
    relabel(at, 0)
    editor = at.session_state["editor"]
    at.run()
    assert at.session_state["editor"] is editor
    assert "changed elsewhere" in words(at)


def test_who_leaves_without_a_choice_finds_both_in_the_log(pool):
    path, (image_id, other) = pool
    at = open_review()
    with Project.open(path) as project:
        project.log.record(image_id, "begin", {}, version=0)
    label = relabel(at, 0)
    at.session_state["wanted_image"] = other
    at.run()
    with Project.open(path) as project:
        *_, mine, theirs = project.log.acts(image_id)
        assert project.log.boxes(image_id, mine.version)[0].label == label
        assert project.log.boxes(image_id, theirs.version) == {}


def test_unfinished_work_goes_before_the_boxes_of_the_model(pool):
    path, (image_id, _) = pool
    with Project.open(path) as project:
        version = project.log.record(image_id, "begin", {}, version=0)
        mine = {0: BoxState((10, 10, 30, 30), 2, "drawn")}
        project.log.record(image_id, "edit", mine, version=version, seconds=50)
    at = open_review()
    assert "1 cell, 1 changed" in words(at)
    at.button(key="save").click().run()
    with Project.open(path) as project:
        review = project.reviews.current(image_id)
    assert review.annotations.labels.tolist() == [2]
    assert review.seconds >= 50


def test_unfinished_work_keeps_the_ranking_that_it_began_with(pool):
    path, images = pool
    at = open_review()
    relabel(at, 0)
    with Project.open(path) as project:
        older = project.rankings.current().id
        rank_empty(project, images)
    at = open_review()
    assert at.session_state["editor"].predictions.ranking.id == older
    at.button(key="save").click().run()
    assert not at.exception
    with Project.open(path) as project:
        assert None not in project.reviews.current(images[0]).detection_ids


def test_an_edit_of_boxes_whose_ranking_is_gone_is_stored_without_it(pool):
    path, images = pool
    at = open_review()
    with Project.open(path) as project:
        rank_empty(project, images)  # drops the detections: nobody has worked on them
    at.session_state["editor"].select(0)
    edits.remove(at.session_state["editor"])
    with Project.open(path) as project:
        assert {state.detection_id for state in project.log.boxes(images[0]).values()} == {None}


def relabel(at, number):
    """Give a box another class, and return it."""
    editor = at.session_state["editor"]
    editor.select(number)
    label = (editor.history.find(number).label + 1) % 3
    at.button(key=f"class_{label}").click().run()
    return label


def rank_empty(project, images):
    """Rank the pool anew with a model that finds nothing."""
    ranking_id = project.rankings.begin(project.models.serving().id, ScoringConfig())
    for image_id in images:
        project.rankings.add(ranking_id, image_id, Score(0, 0, 0, 0, 0, 0), [])
    project.rankings.finish(ranking_id)


def test_an_image_without_detections_has_its_own_words(pool):
    path, images = pool
    with Project.open(path) as project:
        rank_empty(project, images)
    assert "The model found nothing here" in words(open_review())


def test_relabelling_and_undo_are_drafted_at_once(pool):
    path, (image_id, _) = pool
    at = open_review()
    editor = at.session_state["editor"]
    label = relabel(at, 0)
    with Project.open(path) as project:
        assert project.log.boxes(image_id)[0].label == label
    at.button(key="undo").click().run()
    with Project.open(path) as project:
        assert from_states(project.log.boxes(image_id), editor.predictions.flagged) == editor.log.start


def test_undo_and_redo_outlive_a_restart(pool):
    at = open_review()
    editor = at.session_state["editor"]
    for number in (0, 1, 2):
        relabel(at, number)
    at.button(key="undo").click().run()
    assert open_review().session_state["editor"].history == editor.history


def reopen(at, image_id):
    at.session_state["wanted_image"] = image_id
    at.run()
    assert not at.exception, at.exception
    assert at.session_state["editor"].image.id == image_id
    return at.session_state["editor"]


def test_an_imported_image_is_reopened_and_what_nobody_looked_at_is_not_called_kept(pool):
    path, _ = pool
    with Project.open(path) as project:
        [seed] = project.images.annotated()
    at = open_review()
    editor = reopen(at, seed.id)
    assert "reviewed 1 time before" in words(at)
    editor.select(0)
    at.button(key=f"class_{(editor.boxes[0].label + 1) % 3}").click().run()
    at.button(key="save").click().run()
    with Project.open(path) as project:
        review = project.reviews.current(seed.id)
    assert review.revision == 2
    assert review.review_status == ("changed", *[None] * (len(review.review_status) - 1))


def test_another_project_begins_anew(pool):
    path, _ = pool
    plant(path.with_name("other.rbcal"), 1, width=160, height=120, n_cells=12)
    at = app_test(APP, 60)
    at.query_params["project"] = "pool"
    at.run().switch_page("pages/review.py").run()
    assert at.session_state["editor"].log.file.path == path
    at.session_state["view"].queue_label = 2
    at.session_state["inbox"].ticket = 7
    at.button(key="skip").click().run()
    at.session_state["project"] = ProjectFile(path.with_name("other.rbcal"))  # as app.py does
    at.run()
    assert not at.exception, at.exception
    assert at.session_state["editor"].log.file.path.name == "other.rbcal"
    assert "1 of 1" in words(at)
    assert at.session_state["view"].queue_label is None
    assert at.session_state["inbox"].ticket == 7


def test_when_all_is_reviewed_an_image_can_be_reopened(pool):
    path, images = pool
    at = open_review()
    for _ in images:
        at.button(key="save").click().run()
    assert "Every image is reviewed" in words(at)
    assert "Reopen an image" in [each.label for each in at.button]
    reopen(at, images[0])
    at.button(key="skip").click().run()  # nothing else waits, so it is left as it is
    assert "Every image is reviewed" in words(at)
    with Project.open(path) as project:
        assert project.reviews.current(images[0]).revision == 1


def test_an_image_that_was_left_is_forgotten(pool):
    path, _ = pool
    at = open_review()
    at.button(key="toggle_cell_review").click().run()
    at.button(key="toggle_cell_review").click().run()
    for _ in range(6):
        at.button(key="skip").click().run()
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) is Editor and each.log.file.path == path]
    assert len(alive) <= 2  # of seven; the run before is still around


def test_an_earlier_version_is_shown_restored_and_undone(pool):
    path, (image_id, _) = pool
    with Project.open(path) as project:
        project.sign("Ann")
        for revision, box in enumerate([(10, 10, 30, 30), (50, 50, 70, 70)]):
            annotations = Annotations([box], [revision])
            project.reviews.save(image_id, annotations, origin="expert", base_revision=revision)
    at = open_review()
    at.session_state["wanted_image"] = image_id
    at.run()
    newest, oldest = at.button(key="version_2"), at.button(key="version_1")
    assert "1 cell, saved" in newest.label
    assert "by Ann" in newest.label
    oldest.click().run()
    assert [each.box for each in at.session_state["editor"].boxes] == [(10, 10, 30, 30)]
    with Project.open(path) as project:
        assert project.log.acts(image_id)[-1].kind == "restore"
    at.button(key="undo").click().run()
    assert [each.box for each in at.session_state["editor"].boxes] == [(50, 50, 70, 70)]
    at.button(key="redo").click().run()
    at.button(key="save").click().run()
    with Project.open(path) as project:
        assert project.reviews.current(image_id).revision == 3
        assert project.reviews.current(image_id).annotations.labels.tolist() == [0]


def test_a_cell_is_left_unsure_with_a_note_and_no_model_learns_its_class(pool):
    path, (image_id, _) = pool
    at = open_review()
    at.session_state["editor"].select(0)
    at.run()
    at.text_input(key="note_0_").input("  out of   focus ").run()
    edits.leave_unsure(at.session_state["editor"])
    at.run()
    assert "1 unsure" in words(at)
    at.button(key="save").click().run()
    with Project.open(path) as project:
        [box, *others] = project.log.boxes(image_id).values()
        image = project.images.get(image_id)
    assert (box.review_status, box.note) == ("unsure", "out of focus")
    assert (image.n_unsure, image.n_unread) == (1, len(others))


def test_no_screen_of_the_wall_from_before_a_restore_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    path = tmp_path / "pool.rbcal"
    plant(path, 2, width=160, height=120, n_cells=12, embedded=True)
    backups.create(path, backups.ASKED)
    at = app_test(APP, 60).run()
    at.switch_page("pages/review.py").run()
    at.segmented_control(key="review_unit").set_value("Cells").run()
    wall = at.session_state["wall"]
    with Project.open(path) as project:
        wall.settle(project, {each.id: None for each in wall.screen[:1]})
    at.switch_page("pages/project.py").run()
    next(each for each in at.button if each.label == "Restore").click().run()
    next(
        each for each in at.button if each.label == "Restore"
    ).click()  # a test has no run of the dialog alone
    next(each for each in at.button if each.label == "Restore it").click().run()
    assert "Restored" in words(at)
    assert "wall" not in at.session_state
    assert wall.past == []  # as a wall in another window has it
    at.switch_page("pages/review.py").run()
    assert at.session_state["wall"].past == []


def test_the_last_screen_can_be_taken_back_where_no_cell_waits(tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    plant(tmp_path / "pool.rbcal", 1, width=160, height=120, n_cells=12, embedded=True)
    at = app_test(APP, 60).run()
    at.switch_page("pages/review.py").run()
    at.segmented_control(key="review_unit").set_value("Cells").run()
    wall = at.session_state["wall"]
    with Project.open(tmp_path / "pool.rbcal") as project:
        while wall.screen:
            wall.settle(project, {each.id: each.label for each in wall.screen})
            wall.fill(project)
    at.run()
    assert "No cell waits" in words(at)
    next(each for each in at.button if each.label == "Take back the last screen").click().run()
    assert wall.screen
    assert not any(each.label == "Take back the last screen" for each in at.button)
