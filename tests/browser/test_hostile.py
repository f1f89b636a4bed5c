"""Names that would be code, formulas or paths if anybody took them for it, through every page."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from rbcal.config import TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.job_requests import TrainJob
from rbcal.store.project import Project
from tests.browser.driver import Canvas, CellReview, plant
from tests.visitor import ANSWERED

SCRIPT = "<img src=x onerror=alert(1)>"
NAMES = (
    SCRIPT,
    "=cmd()",
    "../..",
    "n" * 300,
    "🔴 \"quote'",
    "[a](javascript:alert(1)) $x$ :red[b]",
    "<script>alert(1)",
)
PROJECT = f"{SCRIPT} 🔴 'q' =cmd() ..".replace("/", "")


@pytest.fixture(scope="module")
def hostile(projects: Path) -> str:
    """A project whose every name is hostile; return its own."""
    path = projects / f"{PROJECT}.rbcal"
    plant(path, len(NAMES), classes=NAMES, rare=NAMES[:2], fewer=2)
    with Project.open(path) as project:
        project.sign(SCRIPT)
        for image, name in zip(project.images.pool(), NAMES, strict=True):
            project._database.write("UPDATE image SET name = ? WHERE id = ?", (name, image.id))
        n = len(NAMES)
        project.evaluations.save(1, Evaluation(0.5, 0.4, 0.3, 0.2, (0.5,) * n, (3,) * n, 1))
        project.jobs.end(project.jobs.add(TrainJob(TrainConfig())), "failed", SCRIPT)
    return quote(PROJECT)


def assert_harmless(page: Page) -> None:
    """Nothing that a name says has become an element, a link or a script."""
    page.wait_for_timeout(500)
    assert page.locator("img[src='x'], img[onerror], a[href^='javascript']").count() == 0
    assert not page.evaluate(
        "() => [...document.scripts].some(each => each.textContent.includes('alert(1)'))"
    )


@pytest.fixture
def alerts(page: Page) -> list[str]:
    """The dialogs that a script opened."""
    opened: list[str] = []
    page.on("dialog", lambda dialog: (opened.append(dialog.message), dialog.dismiss()))
    return opened


def test_the_project_page_shows_names_as_they_are(page: Page, server: str, hostile: str, alerts: list[str]):
    page.context.add_cookies([{**ANSWERED, "value": quote(f"name:{SCRIPT}", safe="")}])  # who works here
    page.goto(f"{server}/?project={hostile}")
    expect(page.get_by_role("heading", name="'q'")).to_be_visible()
    expect(page.get_by_role("textbox", name="Your name")).to_have_value(SCRIPT)
    page.get_by_role("tab", name="Backups").click()
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text("made by hand").first).to_be_visible()
    page.get_by_role("tab", name="Export").click()
    assert_harmless(page)
    assert alerts == []


@pytest.mark.parametrize("name", ["train", "progress"])
def test_other_pages_show_names_as_they_are(
    page: Page, server: str, hostile: str, alerts: list[str], name: str
):
    page.goto(f"{server}/{name}?project={hostile}")
    expect(page.get_by_role("heading").first).to_be_visible()
    if name == "train":
        expect(page.get_by_text(SCRIPT).first).to_be_visible()
    page.mouse.wheel(0, 2000)
    assert_harmless(page)
    assert alerts == []


def test_the_review_page_shows_names_as_they_are(page: Page, server: str, hostile: str, alerts: list[str]):
    page.goto(f"{server}/review?project={hostile}")
    Canvas(page, 640).ready()
    assert_harmless(page)
    page.keyboard.press("w")
    CellReview(page).ready()
    assert_harmless(page)
    page.keyboard.press("w")
    Canvas(page, 640).ready()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_harmless(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    Canvas(page, 640).ready()
    page.keyboard.press("q")
    expect(page.get_by_role("dialog").get_by_test_id("stDataFrame")).to_be_visible()
    expect(
        page.get_by_label("Download as CSV").last
    ).to_be_hidden()  # a spreadsheet would take names for formulas
    assert_harmless(page)
    assert alerts == []
