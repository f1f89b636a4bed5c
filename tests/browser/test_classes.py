"""The class editor of the Project page; Streamlit's test runner closes a dialog at the first answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from rbcal.store.project import Project
from tests.conftest import CLASSES, add_image


@pytest.fixture
def project(projects, request):
    """A project of its own with one annotated image."""
    with Project.create(
        projects / f"{request.node.name[:60]}.rbcal", classes=CLASSES, rare=["spiky"]
    ) as opened:
        add_image(opened, 1, annotated=True)
        yield opened


@pytest.fixture
def editor(page, server, project):
    """The dialog of the classes."""
    page.goto(f"{server}/?project={project.name}")
    page.get_by_role("tab", name="Classes").click()
    page.get_by_role("button", name="Edit classes").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name of disc")).to_be_visible()
    return dialog


def choose(page, dialog, label, option):
    dialog.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def test_a_class_gets_another_name_and_key_and_becomes_rare(editor, project):
    cells = project.reviews.cells_per_class()
    editor.get_by_label("Name of disc").fill("discocyte")
    editor.get_by_label("Key of disc").fill("E")
    editor.get_by_role("checkbox", name="disc is rare").check(force=True)
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_have_count(0)
    first, second, third = project.classes.all()
    assert (first.name, first.key, first.rare, first.colour) == ("discocyte", "e", True, None)
    assert (second.name, second.key, second.rare) == ("slit", None, False)
    assert third.rare
    assert project.reviews.cells_per_class() == cells


def test_of_a_mistake_nothing_is_stored_and_it_is_said(editor, project):
    editor.get_by_label("Name of disc").fill("discocyte")
    editor.get_by_label("Key of disc").fill("w")
    editor.get_by_role("button", name="Save").click()
    expect(editor.get_by_role("alert")).to_contain_text("The key W is taken")
    assert project.classes.names() == CLASSES


def test_two_classes_are_merged_and_parted_again(page, editor, project):
    cells = dict(project.reviews.cells_per_class())
    editor.get_by_role("tab", name="Merge").click()
    choose(page, editor, "All cells of", "slit")
    choose(page, editor, "count as", "disc")
    editor.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("slit counts as disc")).to_be_visible()
    merged = project.reviews.cells_per_class()
    assert (merged[0], merged.get(1)) == (cells[0] + cells[1], None)
    page.get_by_role("button", name="Edit classes").click()
    editor.get_by_role("tab", name="Merge").click()
    editor.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Merged:")).to_have_count(0)
    assert project.reviews.cells_per_class() == cells


def test_a_merged_class_is_no_choice_on_the_review_page(page, server, project):
    project.classes.merge(1, 0)
    add_image(project, 2)
    page.goto(f"{server}/review?project={project.name}")
    palette = page.locator(".st-key-palette")
    expect(palette.get_by_role("button")).to_have_count(2)
    expect(palette).to_contain_text("2 spiky")


def test_a_project_without_classes_gets_some_by_hand(page, server, projects):
    with Project.create(projects / "nameless.rbcal") as project:
        page.goto(f"{server}/?project=nameless")
        page.get_by_role("tab", name="Classes").click()
        page.get_by_role("button", name="Name classes").click()
        page.get_by_label("One class a line").fill("discocyte\nechinocyte")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert project.classes.names() == ("discocyte", "echinocyte")
