"""Home and the grid of images, with the mouse: the menu of a card, and a click on a picture."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from rbcal.store.project import Project
from tests.browser.driver import Canvas, plant
from tests.conftest import CLASSES, add_image


def test_a_project_is_renamed_opened_at_an_image_deleted_and_put_back(
    projects: Path, server: str, page: Page
):
    with Project.create(projects / "smear.rbcal", classes=CLASSES) as project:
        for seed, annotated in ((1, True), (2, False)):
            image_id, _ = add_image(project, seed, annotated=annotated)
            project.images.save_hash(image_id, bytes([seed] * 32))
    go_home(page, server)

    choose(page, "smear", "Rename")
    page.get_by_label("New name").fill("fresh smear")
    page.get_by_label("New name").press("Enter")
    page.get_by_role("button", name="Rename it").click()
    expect(page.get_by_text("smear is called fresh smear now")).to_be_visible()

    page.locator(".st-key-open_fresh-smear").get_by_role("button").click()
    page.get_by_title("002.png").click()
    Canvas(page, 160).ready_to_draw()
    expect(page.get_by_text("002.png").first).to_be_visible()

    go_home(page, server)
    choose(page, "fresh-smear", "Delete")
    page.get_by_role("button", name="Move it into the trash").click()
    expect(page.get_by_text("fresh smear is in the trash")).to_be_visible()
    assert not (projects / "fresh smear.rbcal").exists()
    page.get_by_text("Trash", exact=True).click()
    page.get_by_role("button", name="Put back").first.click()
    expect(page.get_by_text("fresh smear is back")).to_be_visible()
    with Project.open(projects / "fresh smear.rbcal") as project:
        assert project.images.counts().images == 2


def test_why_a_project_cannot_be_created_is_seen_in_a_small_window(projects: Path, page: Page, server: str):
    plant(projects / "smear.rbcal", 1)
    page.set_viewport_size({"width": 1280, "height": 640})
    go_home(page, server)
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name").fill("smear")
    page.get_by_text("My own", exact=True).click()
    page.get_by_label("One class a line").fill("normal")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_text("smear.rbcal exists already")).to_be_in_viewport(ratio=1)


def go_home(page: Page, server: str) -> None:
    """Open the app, which may go on with the only project, and leave for Home."""
    page.goto(server)
    expect(page.get_by_role("heading").first).to_be_visible()
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()


def choose(page: Page, name: str, act: str) -> None:
    """Choose an act from the menu of a project's card."""
    page.locator(f".st-key-acts_{name}").get_by_role("button").click()
    page.get_by_role("menuitem", name=act).or_(page.get_by_role("option", name=act)).first.click()
