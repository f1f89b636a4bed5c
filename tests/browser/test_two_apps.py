"""Two apps on one project, each a server and a browser of its own: conflicts are said, nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rbcal.store.project import Project
from tests import visitor
from tests.browser.conftest import ROOT, serve
from tests.browser.driver import Canvas, eventually, plant

MINE, THEIRS = ((40.0, 40.0), (90.0, 90.0)), ((540.0, 380.0), (600.0, 440.0))


@pytest.fixture
def pool(projects: Path, request: pytest.FixtureRequest) -> tuple[Path, int]:
    """A project of two images with few cells, and the image that comes first."""
    path = projects / f"{request.node.name}.rbcal"
    return path, plant(path, 2, n_cells=3, fewer=0)[0]


@pytest.fixture
def second_app(browser: Browser, projects: Path, tmp_path: Path) -> Iterator[tuple[Page, str]]:
    """A page of another server over the same projects, and its address."""
    for address in serve(ROOT / "app.py", projects, tmp_path / "server.log"):
        context = visitor.context(browser, viewport={"width": 1700, "height": 1000})
        page = context.new_page()
        page.goto(address)  # until app.py has run once, Streamlit takes pages/ for its own way of paging
        expect(page.get_by_role("link", name="Progress")).to_have_count(1)
        yield page, address
        context.close()


def draw(canvas: Canvas, box: tuple[tuple[float, float], tuple[float, float]]) -> None:
    canvas.draw_mode()
    canvas.ready_to_draw()
    canvas.drag(*box)


def acts(pool: tuple[Path, int]) -> list[str]:
    """Return what the log has of the image."""
    with Project.open(pool[0]) as project:
        return [act.kind for act in project.log.acts(pool[1])]


def test_boxes_that_were_drawn_in_two_apps_are_both_kept(
    page: Page, server: str, second_app: tuple[Page, str], pool: tuple[Path, int]
):
    other, address = second_app
    page.goto(f"{server}/review?project={pool[0].stem}")
    other.goto(f"{address}/review?project={pool[0].stem}")
    first, second = Canvas(page, 640).ready(), Canvas(other, 640).ready()
    draw(first, MINE)
    eventually(lambda: acts(pool) == ["begin", "edit"], "the box of the first app is in the log")

    draw(second, THEIRS)
    expect(other.get_by_text("This image was changed elsewhere since you opened it")).to_be_visible()
    assert acts(pool) == ["begin", "edit"]
    other.get_by_role("button", name="Keep mine").click()
    eventually(lambda: acts(pool) == ["begin", "edit", "edit"], "the box of the second app is, too")
    expect(other.get_by_text("This image was changed elsewhere since you opened it")).to_have_count(0)

    page.get_by_role("button", name="Save & next").click()  # of boxes that are two acts old by now
    expect(page.get_by_text("This image was changed elsewhere since you opened it")).to_be_visible()
    assert "save" not in acts(pool)
    page.get_by_role("button", name="Show theirs").click()
    expect(page.get_by_text("These are the boxes of the other window")).to_be_visible()
    page.get_by_role("button", name="Save & next").click()
    expect(page.get_by_text("Saved 000")).to_be_visible()
    with Project.open(pool[0]) as project:
        n_drawn = [
            sum(b.review_status == "drawn" for b in project.log.boxes(pool[1], k).values()) for k in (2, 3)
        ]
        saved = project.reviews.current(pool[1])
    assert n_drawn == [1, 1]  # each as its own act: undo goes from the one to the other
    assert saved is not None
    assert saved.review_status.count("drawn") == 1
    assert saved.annotations.boxes[-1][0] > 500  # those of the second app, as asked for


def test_a_file_that_is_swapped_under_the_review_page_is_said_and_gets_no_box(
    page: Page, server: str, pool: tuple[Path, int], projects: Path, tmp_path: Path
):
    path, image_id = pool
    plant(tmp_path / "other.rbcal", 2, n_cells=2, fewer=0)
    page.goto(f"{server}/review?project={path.stem}")
    canvas = Canvas(page, 640).ready()
    path.rename(tmp_path / "mine.rbcal")
    shutil.copy(tmp_path / "other.rbcal", path)
    draw(canvas, MINE)
    words = page.get_by_text("is not the project that you opened").first
    expect(words).to_be_visible()
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("link", name="Progress").click()
    expect(page.get_by_role("button", name="Open the one that is there now")).to_be_visible()
    expect(words).to_be_visible()
    assert acts((path, image_id)) == []
