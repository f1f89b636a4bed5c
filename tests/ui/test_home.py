"""The start page: every project as a card, and what can be done with a project file as a whole."""

from __future__ import annotations

import pytest

from rbcal.jobs import launcher, project_files
from rbcal.store.project import Project
from rbcal.ui.home import acts
from tests.conftest import CLASSES, add_image
from tests.ui.conftest import APP
from tests.ui.test_pages import button, words
from tests.visitor import app_test


@pytest.fixture
def two(tmp_path):
    """The paths of two projects, the second with an annotated image."""
    for name in ("first", "second"):
        with Project.create(tmp_path / f"{name}.rbcal", classes=CLASSES) as project:
            if name == "second":
                add_image(project, 1, annotated=True)
    return tmp_path / "first.rbcal", tmp_path / "second.rbcal"


def cards(at):
    return [each.proto.body for each in at.get("html") if '<div class="rbcal-card">' in each.proto.body]


def test_every_project_has_a_card_also_one_that_cannot_be_read(app, two, tmp_path):
    (tmp_path / "bad.rbcal").write_bytes(b"nonsense")
    at = app()
    found = {card.partition('title="')[2].partition('"')[0]: card for card in cards(at)}
    assert found.keys() == {"first", "second", "bad"}
    assert "not an rbcal project" in found["bad"]
    assert "No images yet" in found["first"]
    assert "1 image, 0 waiting" in found["second"]
    assert "Precision: not measured yet" in found["second"]
    assert "data:image/jpeg" in found["second"]


def test_a_card_opens_its_project_and_home_is_one_click_away(app, two):
    at = app()
    at.button(key="open_second").click().run()
    assert at.title[0].value == "second"
    at.switch_page("pages/home.py").run()
    assert at.title[0].value == "Projects"
    at.switch_page("pages/train.py").run()  # it stays the project of this visit
    assert "annotated cells" in words(at)
    assert not at.exception


def test_the_only_project_is_gone_on_with_and_home_stays_home(app, project):
    at = app()
    assert at.title[0].value == "slides"
    at.switch_page("pages/home.py").run()
    assert at.title[0].value == "Projects"
    assert len(cards(at)) == 1


def test_a_name_in_the_address_opens_that_project(app, two):
    at = app_test(APP, 60)
    at.query_params["project"] = "second"
    at.run()
    assert at.title[0].value == "second"


def test_what_is_in_the_trash_can_be_put_back(app, two):
    project_files.delete(two[1])
    at = app()
    at.switch_page("pages/home.py").run()  # the only one that is left was gone on with
    button(at, "Put back").click().run()
    assert "second is back" in words(at)
    assert two[1].exists()


def test_a_file_from_elsewhere_joins_the_projects(app, two, tmp_path):
    (tmp_path / "stick").mkdir()
    outside = two[1].rename(tmp_path / "stick" / "second.rbcal")
    at = app()
    at.switch_page("pages/home.py").run()
    at.text_input(key="file_to_open").input(str(outside)).run()
    button(at, "Open it").click().run()
    assert at.title[0].value == "second"
    assert outside.exists()
    assert two[1].exists()


def test_a_file_that_is_no_project_is_said_where_it_was_typed(app, two, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    at = app()
    at.text_input(key="file_to_open").input(str(tmp_path / "notes.txt")).run()
    button(at, "Open it").click().run()
    assert "not an rbcal project" in words(at)


def test_an_act_of_the_menu_that_is_refused_says_why(two, monkeypatch):
    said = []
    monkeypatch.setattr(acts.st, "error", lambda text, **_: said.append(text))
    with launcher.worker_lock(two[1]).acquire(timeout=0):
        acts._do(lambda: project_files.delete(two[1]), two[1], "gone")
    assert "under way" in said[0]
    assert two[1].exists()


def test_of_thirty_projects_a_page_shows_two_dozen(app, two, tmp_path):
    for number in range(28):
        (tmp_path / f"copy_{number}.rbcal").write_bytes(two[1].read_bytes())
    at = app()
    at.run()
    assert len(cards(at)) == 24  # the others are on the next page
