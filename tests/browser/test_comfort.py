"""The whole image in comfort: keys alone, small boxes, filters, looks, zoom, and drawing without a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from rbcal.store.project import Project
from tests.browser.driver import Canvas, eventually, plant
from tests.browser.test_review import centre, detected_cells, drafted, inner, reviewed

Open = Callable[..., Canvas]


def test_an_image_is_reviewed_with_the_keyboard_alone(projects: Path, page: Page, open_review: Open):
    path = projects / "keyboard.rbcal"
    image_id, *_ = plant(path)
    cells = detected_cells(path, image_id)
    canvas = open_review("keyboard").ready()

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(100)
        canvas.ready()

    press("ArrowRight")  # from nowhere: the first box
    expect(page.get_by_text("Class of the selected cell")).to_be_visible()
    press("k")
    eventually(
        lambda: [row["review_status"] for row in drafted(path, image_id)].count("kept") == 1, "it is kept"
    )
    press("ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Control+Shift+ArrowRight")
    eventually(
        lambda: any(row["review_status"] == "changed" for row in drafted(path, image_id)), "it is moved"
    )
    [row] = [row for row in drafted(path, image_id) if row["review_status"] == "changed"]
    was = next(cell.box for cell in cells if cell.detection_id == row["detection_id"])
    press("ArrowDown", "Delete")
    eventually(lambda: len(drafted(path, image_id)) == len(cells) - 1, "one is deleted")
    press("b", "3")
    eventually(
        lambda: any(row["review_status"] == "drawn" and row["label"] == 2 for row in drafted(path, image_id)),
        "drawn",
    )
    press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    review = reviewed(path, image_id)
    boxes = dict(zip(review.detection_ids, review.annotations.boxes, strict=True))
    np.testing.assert_allclose(boxes[row["detection_id"]], was + np.float32([2, 1, 3, 1]), atol=1e-3)
    assert len(boxes) == len(cells)
    usual = np.median([max(cell.box[2] - cell.box[0], cell.box[3] - cell.box[1]) for cell in cells])
    x1, y1, x2, y2 = boxes[None]
    assert (x2 - x1, y2 - y1) == pytest.approx((usual, usual), rel=0.1)
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((320, 240), abs=3)


@pytest.mark.parametrize("zooms", [0, 9])
def test_a_box_is_stored_where_it_was_put_at_every_zoom(
    projects: Path, page: Page, open_review: Open, zooms: int
):
    path = projects / f"zoom{zooms}.rbcal"
    image_id, *_ = plant(path, 1, width=2000, height=1500, n_cells=150)
    cells = detected_cells(path, image_id)
    middle = np.float32([1000, 750])
    moved = min(inner(cells, 99, width=2000, height=1500), key=lambda c: np.abs(centre(c) - middle).sum())
    canvas = open_review(path.stem, 2000).ready()
    for _ in range(zooms):
        page.keyboard.press("+")
    page.wait_for_timeout(400)
    canvas.ready()
    page.locator(".dc-scroll").evaluate(
        "(e, [x, y]) => { const k = e.scrollWidth / 2000; e.scrollLeft = x * k - e.clientWidth / 2; "
        "e.scrollTop = y * k - e.clientHeight / 2; }",
        list(centre(moved)),
    )
    x, y = centre(moved)
    dx, dy = canvas.drag((x, y), (x + 17, y - 11))
    eventually(lambda: bool(drafted(path, image_id)), "the move is drafted")
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    review = reviewed(path, image_id)
    boxes = dict(zip(review.detection_ids, review.annotations.boxes, strict=True))
    assert np.abs(boxes[moved.detection_id] - moved.box - np.float32([dx, dy, dx, dy])).max() < 0.5
    for cell in cells:
        if cell is not moved:
            assert np.abs(boxes[cell.detection_id] - cell.box).max() < 1e-6


def test_a_box_of_a_few_pixels_can_be_grabbed(projects: Path, page: Page, open_review: Open):
    path = projects / "tiny.rbcal"
    (image_id,) = plant(path, 1, width=2000, height=1500, n_cells=3, ranked=False)
    canvas = open_review("tiny", 2000).ready_to_draw()
    canvas.drag((800, 600), (814, 613))
    eventually(lambda: len(drafted(path, image_id)) == 1, "the box is drafted")
    canvas.draw_mode()
    page.reload()
    canvas.ready()
    x, y = 818, 607  # beside the box, whose right side is at 814: less than two pixels of the screen
    dx, _ = canvas.drag((x, y), (x + 100, y))
    eventually(lambda: abs(drafted(path, image_id)[0]["box"][0] - 800 - dx) < 2.5, "the box moves")
    assert drafted(path, image_id)[0]["box"][1] == pytest.approx(600, abs=2.5)


def test_boxes_that_are_not_shown_are_saved_all_the_same(projects: Path, page: Page, open_review: Open):
    path = projects / "filter.rbcal"
    image_id, *_ = plant(path)
    cells = detected_cells(path, image_id)
    red = [cell for cell in cells if cell.u_c <= 0.8 or cell.u_d <= 0.9]
    green = len(cells) - len(red)
    canvas = open_review("filter").ready()
    page.keyboard.press("f")
    expect(page.get_by_text(f"{green} not shown")).to_be_visible()
    canvas.ready()
    [deleted] = inner(red, 1)
    canvas.click(*centre(deleted))
    page.keyboard.press("Delete")
    eventually(lambda: len(drafted(path, image_id)) == len(cells) - 1, "the deletion is drafted")
    canvas.ready()
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    everything = {cell.detection_id for cell in cells}
    assert set(reviewed(path, image_id).detection_ids) == everything - {deleted.detection_id}


def test_zoom_and_filters_outlive_the_image(projects: Path, page: Page, open_review: Open):
    path = projects / "filters.rbcal"
    plant(path)
    canvas = open_review("filters").ready()
    background = page.locator(".dc-background-canvas")
    assert background.evaluate("e => e.style.filter") == ""
    page.keyboard.press("v")
    page.get_by_text("Invert").click()
    page.get_by_role("radio", name="green").or_(page.get_by_role("button", name="green", exact=True)).click()
    page.keyboard.press("Escape")
    matrix = page.locator("#rbcal-filter feColorMatrix").first
    expect(matrix).to_have_attribute("values", "0 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 0 0 1 0")
    expect(page.locator("#rbcal-filter feFuncR").first).to_have_attribute("slope", "-1")
    page.mouse.move(*canvas.at(500, 100))
    before = canvas.at(500, 100)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_timeout(500)
    canvas.ready()
    assert canvas.at(500, 100) == pytest.approx(before, abs=2)  # what is under the cursor stays there
    size = page.locator("canvas.upper-canvas").bounding_box()["width"]
    place = canvas.at(0, 0)
    page.keyboard.press("s")
    expect(page.get_by_text("2 of 3")).to_be_visible()
    canvas.ready()
    assert page.locator("canvas.upper-canvas").bounding_box()["width"] == pytest.approx(size, rel=0.01)
    assert canvas.at(0, 0) == pytest.approx(place, abs=2)
    assert background.evaluate("e => getComputedStyle(e).filter") != "none"


def test_a_seed_image_is_drawn_box_after_box(projects: Path, page: Page, open_review: Open):
    path = projects / "draw.rbcal"
    (image_id,) = plant(path, 1, ranked=False)
    canvas = open_review("draw").ready_to_draw()
    page.keyboard.press("2")
    expect(page.get_by_text("Drawing: slit.")).to_be_visible()
    places = [(20 + 60 * k, 20 + 55 * row) for row in range(3) for k in range(10)]
    for x, y in places:  # without a pause
        canvas.drag((x, y), (x + 30, y + 26))
    page.keyboard.press("Escape")  # the end of drawing can be seen
    canvas.ready()
    expect(page.get_by_text("Drawing: slit.")).to_be_hidden()
    expect(page.locator(".rbcal-names span")).to_have_text(["slit"] * 30)
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    annotations = reviewed(path, image_id).annotations
    assert len(annotations) == 30
    assert set(annotations.labels.tolist()) == {1}
    wanted = np.float32([[x, y, x + 30, y + 26] for x, y in places])
    assert np.abs(annotations.boxes[np.lexsort(annotations.boxes.T[:2])] - wanted).max() < 1


def test_the_help_lists_the_keys_and_changes_those_of_the_classes(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "help.rbcal"
    image_id, *_ = plant(path)
    with Project.open(path) as project:
        project.classes.set_keys(["x", None, None])
    canvas = open_review("help").ready()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("walk through the red cells")).to_be_visible()
    expect(dialog.get_by_text("Class keys of this project")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    [cell] = [each for each in inner(detected_cells(path, image_id), 9) if each.label][:1]
    canvas.click(*centre(cell))
    page.keyboard.press("x")
    eventually(
        lambda: any(
            row["detection_id"] == cell.detection_id and row["label"] == 0 for row in drafted(path, image_id)
        ),
        "the key of the project gives the class",
    )


@pytest.mark.parametrize("window", [(1280, 720), (1920, 1080)])
def test_image_and_panel_fit_the_window_side_by_side(
    projects: Path, page: Page, open_review: Open, window: tuple[int, int]
):
    path = projects / f"window{window[0]}.rbcal"
    plant(path)
    page.set_viewport_size({"width": window[0], "height": window[1]})
    canvas = open_review(path.stem).ready()
    for mode in ("image", "cells"):
        if mode == "cells":
            page.keyboard.press("w")
            page.locator(".cell-review[data-settled=true]").wait_for()
            expect(page.locator("canvas.upper-canvas")).to_have_count(0)
        stage, panel, filmstrip = (
            page.locator(f".st-key-{name}").bounding_box() for name in ("stage", "panel", "queue")
        )
        assert filmstrip["x"] + filmstrip["width"] <= stage["x"]
        assert stage["x"] + stage["width"] <= panel["x"]
        assert panel["width"] >= 270
        picture = page.locator(".dc-scroll" if mode == "image" else ".cell-review .crop").bounding_box()
        assert picture["width"] >= 600
        assert panel["x"] + panel["width"] <= window[0]
        for box in (stage, filmstrip, panel):
            assert box["y"] + box["height"] <= window[1] + 1
        assert stage["height"] > 0.8 * window[1] or stage["width"] > 0.6 * window[0]
        status = page.locator(".st-key-status").bounding_box()
        assert status["height"] > 12
        assert status["y"] + status["height"] <= window[1]
    if window[0] > 1600:
        return  # there is room for both
    page.keyboard.press("w")
    canvas.ready()
    picture = page.locator(".dc-scroll").bounding_box()
    page.get_by_test_id("stExpandSidebarButton").click()  # it lies on the image, which stays as large
    expect(page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "false")
    page.wait_for_timeout(600)
    assert page.locator(".dc-scroll").bounding_box()["width"] == pytest.approx(picture["width"], abs=1)


@pytest.mark.parametrize("zooms", [0, 6])
def test_each_box_has_its_whole_name_beside_it_at_every_zoom(
    projects: Path, page: Page, open_review: Open, zooms: int
):
    path = projects / f"names{zooms}.rbcal"
    image_id, *_ = plant(path, 1, classes=("normal discocyte", "slit", "spiky"), n_cells=25)
    canvas = open_review(path.stem).ready()
    for _ in range(zooms):
        page.keyboard.press("+")
    page.wait_for_timeout(400)
    canvas.ready()
    names = page.locator(".rbcal-names span")
    said = names.evaluate_all("all => all.map(e => e.textContent)")
    called = {0: "normal discocyte", 1: "slit", 2: "spiky"}
    assert sorted(said) == sorted(called[cell.label] for cell in detected_cells(path, image_id))
    sides = names.evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(r => [r.left, r.top, r.right, r.bottom])"
    )
    sides = np.array(sides)
    assert sides[:, 3] - sides[:, 1] == pytest.approx(15, abs=0.5)
    assert overlaps(sides, sides).sum() == len(sides)  # each with itself


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which rectangles lie on which others, by more than a pixel."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return ((high - low) > 1).all(axis=2)
