"""The queue in a browser: the filmstrip, the list of all, skipping, reopening, and two tabs on one image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from rbcal.store.project import Project
from tests import visitor
from tests.browser.conftest import Browser
from tests.browser.driver import Canvas, eventually, plant
from tests.browser.test_review import centre, detected_cells, drafted, inner, reviewed

Open = Callable[..., Canvas]


def test_a_skipped_image_waits_and_can_be_reached_again(projects: Path, page: Page, open_review: Open):
    path = projects / "skip.rbcal"
    images = plant(path)
    canvas = open_review("skip").ready()
    expect(page.get_by_text("1 of 3")).to_be_visible()
    page.keyboard.press("s")
    expect(page.get_by_text("2 of 3")).to_be_visible()
    canvas.ready()
    with Project.open(path) as project:
        assert project.queue.order() == [(images[0], True), (images[1], False), (images[2], False)]
    page.locator(".filmstrip button.skipped").click()
    expect(page.get_by_text("1 of 3")).to_be_visible()
    canvas.ready()
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, images[0]) is not None, "the review is stored")
    with Project.open(path) as project:
        assert project.queue.order() == [(images[1], False), (images[2], False)]


def test_the_filmstrip_says_what_there_is_to_do_in_each_image(projects: Path, page: Page, open_review: Open):
    path = projects / "filmstrip.rbcal"
    images = plant(path)
    open_review("filmstrip").ready()
    items = page.locator(".filmstrip .items button")
    expect(items).to_have_count(3)
    expect(items.first).to_have_attribute("aria-current", "true")
    with Project.open(path) as project:
        for item, entry in zip(items.all(), project.queue.top(), strict=True):
            assert item.get_attribute("data-image") == str(entry.image_id)
            assert f"R {entry.score.relevance:.0f}" in item.inner_text()
            assert f"{entry.score.n_flagged} red" in item.inner_text()
            assert f"{entry.score.n_class} cells unsure of class" in item.get_attribute("title")
            assert item.locator("img").evaluate("e => e.naturalWidth") == 160
    items.nth(2).click()
    expect(page.get_by_text("3 of 3")).to_be_visible()
    assert len(images) == 3


def test_the_list_filters_by_class_and_opens_reviewed_images_again(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "list.rbcal"
    images = plant(path)
    cells = detected_cells(path, images[0])
    canvas = open_review("list").ready()
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, images[0]) is not None, "the review is stored")
    expect(page.get_by_text("1 of 2")).to_be_visible()
    canvas.ready()

    page.keyboard.press("q")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Sorted by model 1.")).to_be_visible()
    dialog.get_by_role("combobox", name="May show cells of").click()
    page.get_by_role("option", name="spiky").click()
    dialog.get_by_role("heading").click()
    page.keyboard.press("a")  # no key works on the image behind
    expect(dialog.locator("canvas").first).to_be_visible()
    dialog.get_by_role("radio", name="Reviewed").or_(dialog.get_by_role("button", name="Reviewed")).click()
    table = dialog.get_by_test_id("stDataFrame")
    page.wait_for_timeout(800)
    expect(table).to_have_count(1)  # that of the queue goes a moment after this one comes
    table.wait_for()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 160, box["y"] + 36 + 30)  # the name in the first row, of 64 pixels
    expect(page.get_by_text("reviewed 1 time before")).to_be_visible()
    with Project.open(path) as project:
        assert not project.log.work(images[1]).acts
    canvas.ready()
    [deleted] = inner(cells, 1)
    canvas.click(*centre(deleted))
    page.keyboard.press("Delete")
    eventually(lambda: len(drafted(path, images[0])) == len(cells) - 1, "the deletion is drafted")
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, images[0]).revision == 2, "the second review is stored")
    review = reviewed(path, images[0])
    assert set(review.detection_ids) == {cell.detection_id for cell in cells} - {deleted.detection_id}
    expect(page.get_by_text("that may show spiky")).to_be_visible()  # back in the queue, with its filter


def test_the_later_of_two_tabs_hears_of_it_and_chooses(
    projects: Path, page: Page, open_review: Open, browser: Browser, server: str
):
    path = projects / "tabs.rbcal"
    image_id, *_ = plant(path)
    cells = detected_cells(path, image_id)
    mine, theirs = inner(cells, 2)
    canvas = open_review("tabs").ready()
    other = visitor.context(browser, viewport={"width": 1700, "height": 1000}).new_page()
    other.goto(f"{server}/review?project=tabs")
    second = Canvas(other, 640).ready()
    second.click(*centre(theirs))
    other.keyboard.press("Delete")
    eventually(lambda: len(drafted(path, image_id)) == len(cells) - 1, "the other tab's deletion is drafted")
    other.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the other tab's review is stored")
    other.context.close()

    canvas.click(*centre(mine))
    page.keyboard.press("Delete")
    expect(page.get_by_text("changed elsewhere")).to_be_visible()
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(1000)  # long enough for a save that must not be
    expect(page.get_by_text("changed elsewhere")).to_be_visible()
    assert reviewed(path, image_id).revision == 1
    page.get_by_role("button", name="Show theirs").click()
    expect(page.get_by_text("the boxes of the other window")).to_be_visible()

    def kept() -> set[int]:
        return {row["detection_id"] for row in drafted(path, image_id)}

    everything = {cell.detection_id for cell in cells}
    eventually(lambda: kept() == everything - {theirs.detection_id}, "theirs are shown")
    canvas.ready()
    page.keyboard.press("Control+z")
    eventually(lambda: kept() == everything - {mine.detection_id}, "mine are back")
    canvas.ready()
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id).revision == 2, "my review is stored after theirs")
    assert set(reviewed(path, image_id).detection_ids) == everything - {mine.detection_id}
