"""Without a mouse, and with a screen reader: every control of every page has a name, and Tab reaches it."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.driver import Canvas, CellReview, plant

# A control as Playwright's tree of what a screen reader is told has it; a name would follow in quotes.
_NAMELESS = re.compile(
    r"^\s*- (?:button|textbox|combobox|checkbox|radio|link|tab|switch|slider|spinbutton)\b(?! \")",
    re.MULTILINE,
)
_LIGATURE = re.compile(r'- button "[a-z]+(?:_[a-z0-9]+)+"')  # the name of an icon in place of one


def nameless(page: Page) -> list[str]:
    """Return the controls that a screen reader has no name for."""
    told = page.locator("body").aria_snapshot()
    return _NAMELESS.findall(told) + _LIGATURE.findall(told)


def test_each_control_has_a_name(projects: Path, page: Page, server: str):
    path = projects / "controls.rbcal"
    plant(path, 3, embedded=True)
    seen = {}

    def look(what: str) -> None:
        seen[what] = nameless(page)

    page.goto(f"{server}/train?project={path.stem}")
    expect(page.get_by_role("heading", name="Train").first).to_be_visible()
    look("Train")
    for name, heading in (("Home", "Projects"), ("Progress", "Progress"), ("Project", path.stem)):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
        look(name)
    for tab in ("Classes", "Import", "Test set", "Export", "Backups", "Health"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        look(tab)
    page.goto(f"{server}/review?project={path.stem}")
    canvas = Canvas(page, 640).ready()
    page.keyboard.press("n")
    canvas.ready()
    look("image")
    page.keyboard.press("w")
    CellReview(page).ready()
    look("walk")
    page.keyboard.press("w")
    canvas.ready()
    page.locator(".st-key-review_unit").get_by_text("Cells").click()
    expect(page.locator(".wall[data-busy=false] .cell").first).to_be_visible()
    look("wall")
    assert {what: names for what, names in seen.items() if names} == {}


def test_a_project_is_created_by_keys_alone(projects: Path, page: Page, server: str):
    for name in ("one", "two"):
        plant(projects / f"{name}.rbcal", 1)
    page.goto(server)
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    page.get_by_role("link", name="Home").focus()
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Project", exact=True)
    expect(link).to_be_focused()
    expect(link).to_have_css("outline-style", "solid")
    page.get_by_role("button", name="New project").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()  # not after the cards of all projects
    page.keyboard.type("three")
    page.keyboard.press("Enter")
    create = page.get_by_role("button", name="Create project")
    expect(create).to_be_enabled()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(create).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="three")).to_be_visible()


def test_tab_passes_the_images_of_a_project_in_one_step_and_arrows_go_from_one_to_another(
    projects: Path, page: Page, server: str
):
    path = projects / "many.rbcal"
    plant(path, 8)
    page.goto(f"{server}/project?project={path.stem}")
    first, second = page.get_by_title("000.png"), page.get_by_title("001.png")
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(second).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("tab", name="Import")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(second).to_be_focused()
    page.keyboard.press("Enter")
    Canvas(page, 640).ready()
    expect(page.get_by_text("001.png", exact=True)).to_be_visible()


def test_what_tab_reaches_is_seen_on_train_too(projects: Path, page: Page, server: str):
    path = projects / "seen.rbcal"
    plant(path, 3)
    page.goto(f"{server}/train?project={path.stem}")
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    above_the_table = page.get_by_role("button", name="Fullscreen").first
    above_the_table.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(above_the_table).to_be_focused()
    expect(above_the_table).to_have_css("outline-style", "solid")
    expect(page.get_by_test_id("stElementToolbar").first).to_have_css("opacity", "1")
