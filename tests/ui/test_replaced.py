"""A project file that another one took the place of while its pages were open."""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path

import pytest
from streamlit.runtime.scriptrunner import script_runner

from rbcal.review import edits
from rbcal.store import backups
from rbcal.store.project import Project
from tests.browser.driver import plant
from tests.conftest import add_image
from tests.ui.test_review import APP, open_review, words
from tests.visitor import app_test

OPENED = "not the project that you opened"


@pytest.fixture
def pool(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A project that the app knows, and another one with images of the same ids, which it does not."""
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    # As a server does: every run goes through app.py (see test_pages.py).
    monkeypatch.setattr(script_runner, "_mpa_v1", lambda main: runpy.run_path(main, run_name="__main__"))
    other = tmp_path / "elsewhere" / "pool.rbcal"
    other.parent.mkdir()
    for path, n_cells in ((tmp_path / "pool.rbcal", 12), (other, 7)):
        plant(path, 2, width=160, height=120, n_cells=n_cells)
    return tmp_path / "pool.rbcal", other


def swap(mine: Path, other: Path) -> Path:
    """Put the other file in the place of mine, and return where mine is then."""
    kept = mine.with_name("kept.moved")
    mine.rename(kept)
    shutil.copy(other, mine)
    return kept


def contents(path: Path) -> tuple[object, ...]:
    """Return what a visit to the pages could change."""
    with Project.open(path) as project:
        acts = [project.log.acts(image.id) for image in project.images.all()]
        return acts, project.queue.order(), project.classes.all(), project.jobs.last(), project.expert


@pytest.mark.parametrize("key", ["save", "skip", "class_2", "keep_green"])
def test_no_act_of_an_open_image_goes_into_another_project(pool, key):
    at = open_review()
    at.session_state["editor"].select(0)
    swap(*pool)
    before = contents(pool[0])
    at.button(key=key).click().run()
    assert OPENED in words(at)
    assert contents(pool[0]) == before


def test_what_was_done_meanwhile_is_logged_once_the_file_is_back(pool):
    at = open_review()
    editor, image_id = at.session_state["editor"], at.session_state["editor"].image.id
    label = (editor.boxes[0].label + 1) % 3
    kept = swap(*pool)
    editor.select(0)
    at.button(key=f"class_{label}").click().run()
    shutil.copy(kept, pool[1])
    os.replace(pool[1], pool[0])  # a copy: another file, and the same project
    at.run()
    at.button(key="save").click().run()
    assert OPENED not in words(at)
    with Project.open(pool[0]) as project:
        review = project.reviews.current(image_id)
    at.session_state["wanted_image"] = image_id
    at.run()
    assert not at.exception  # the earlier versions are read, too
    assert (review.annotations.labels[0], review.review_status[0]) == (label, "changed")


def test_what_was_done_meanwhile_stays_though_somebody_else_has_changed_the_image(pool):
    at = open_review()
    editor, image_id = at.session_state["editor"], at.session_state["editor"].image.id
    kept = swap(*pool)
    editor.select(0)
    at.button(key=f"class_{(editor.boxes[0].label + 1) % 3}").click().run()
    mine = editor.boxes
    os.replace(kept, pool[0])
    with Project.open(pool[0]) as project:
        project.log.record(image_id, "begin", {}, version=0)
    at.run()
    assert at.session_state["editor"].boxes == mine
    at.button(key="save").click().run()
    assert "changed elsewhere" in words(at)


@pytest.mark.parametrize("page", ["project", "train", "review", "progress"])
def test_every_page_says_that_the_file_is_another_one_and_offers_it(pool, page):
    at = app_test(APP, 60).run()
    swap(*pool)
    at.switch_page(f"pages/{page}.py").run()
    assert [OPENED in each.value for each in at.error] == [True]
    [button] = [each for each in at.main.button if each.label == "Open the one that is there now"]
    button.click().run()
    assert not at.error
    assert not at.exception


@pytest.mark.parametrize("page", ["project", "train", "review", "progress"])
def test_every_page_says_that_the_file_is_gone_and_takes_no_other_for_it(pool, page):
    at = app_test(APP, 60).run()
    pool[0].rename(pool[0].with_name("renamed.rbcal"))
    at.switch_page(f"pages/{page}.py").run()
    assert ["pool.rbcal is gone" in each.value for each in at.error] == [True]
    assert at.selectbox(key="project_name").value is None
    at.selectbox(key="project_name").set_value("renamed").run()
    assert not at.error


def test_an_address_of_a_project_that_is_not_there_opens_no_other(pool):
    at = app_test(APP, 60)
    at.query_params["project"] = "../elsewhere/pool"
    at.run()
    assert "There is no project" in at.error[0].value
    assert "project" not in at.session_state


def test_boxes_never_go_to_an_image_that_came_with_the_same_id_after_a_restore(pool, tmp_path):
    path, _ = pool
    backup = backups.create(path, backups.ASKED)
    with Project.open(path) as project:
        late, _ = add_image(project, 50)
    at = open_review()
    at.session_state["wanted_image"] = late
    at.run()
    edits.insert(at.session_state["editor"], 50, 50)
    backups.overwrite(backup, path)
    with Project.open(path) as project:
        assert add_image(project, 51)[0] == late
    at.button(key="save").click().run()
    with Project.open(path) as project:
        assert project.log.acts(late) == []
    at.run()
    assert not at.exception
    assert at.session_state["editor"].image.name != "050.png"
