"""What the Review page leans on although the canvas component documents none of it: one test each.

When a new version of the component breaks one, its name says which part of the house to look at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import serve
from tests.browser.driver import PAINTED, Canvas, eventually

SEND = "Update the app with this drawing"


@pytest.fixture(scope="module")
def contract_server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("contract")
    yield from serve(Path(__file__).with_name("contract_app.py"), folder, folder / "server.log")


@pytest.fixture
def canvas(page: Page, contract_server: str) -> Canvas:
    """The bare component, with its Edit toggled on."""
    page.goto(contract_server)
    canvas = Canvas(page, 400)
    page.wait_for_function(PAINTED)
    page.get_by_label("Edit", exact=True).dispatch_event("click")
    return canvas


def objects(page: Page) -> dict[str, dict]:
    """What Python has of the drawing, by ``fillRule``."""
    drawn = json.loads(page.get_by_test_id("stText").first.inner_text())
    return {each["fillRule"]: each for each in drawn}


def press(page: Page, label: str) -> None:
    page.get_by_label(label, exact=True).dispatch_event("click")


def test_it_has_the_parts_that_the_companion_takes_hold_of(canvas: Canvas, page: Page):
    drawn = (".dc-background-canvas", ".dc-canvas.lower-canvas", ".upper-canvas")
    for part in (".dc-root", ".dc-scroll", ".dc-container", ".dc-toolbar", *drawn, ".dc-textarea-host"):
        expect(page.locator(part)).to_have_count(1)
    for label in ("Edit", "Delete selected", SEND):
        expect(page.get_by_label(label, exact=True)).to_have_count(1)
    assert page.locator(".dc-root").evaluate("e => e.getRootNode() instanceof ShadowRoot")


def test_identity_and_token_survive_a_move(canvas: Canvas, page: Page):
    canvas.drag((70, 65), (90, 75))
    eventually(lambda: abs(objects(page)["box:0"]["left"] - 59) < 0.5, "the move arrives")
    after = objects(page)
    assert after["box:0"]["top"] == pytest.approx(49, abs=0.5)
    assert after.keys() == {"box:0", "box:1", "box:2", "doc:7:1"}
    assert (after["box:1"]["left"], after["box:1"]["top"]) == (199, 149)


def test_padding_lets_a_small_box_be_grabbed_from_beside_it(canvas: Canvas, page: Page):
    assert objects(page)["box:2"]["left"] == 319
    canvas.drag((331, 224), (351, 224))  # its right side is at 328
    eventually(lambda: abs(objects(page)["box:2"]["left"] - 339) < 0.5, "the move arrives")
    assert objects(page)["box:2"]["scaleX"] == 1


def test_left_and_top_are_the_outer_corner_of_the_line(canvas: Canvas, page: Page):
    painted = """element => {
      const pen = element.getContext('2d');
      return [196, 197, 198, 199, 200, 201, 202].map(x => pen.getImageData(x, 180, 1, 1).data[3] > 128);
    }"""
    line = page.locator("canvas.dc-canvas.lower-canvas").evaluate(painted)
    assert line == [False, False, False, True, True, False, False]  # 199 and 200: centred on x = 200


def test_a_corner_changes_the_ratio_of_the_sides(canvas: Canvas, page: Page):
    canvas.click(230, 180)
    canvas.drag((261, 211), (291, 216))
    eventually(lambda: objects(page)["box:1"]["scaleX"] != 1, "the stretch arrives")
    after = objects(page)["box:1"]
    assert after["width"] * after["scaleX"] == pytest.approx(90, abs=1.5)
    assert after["height"] * after["scaleY"] == pytest.approx(65, abs=1.5)


def test_a_new_box_has_no_identity_and_begins_where_the_mouse_went_down(canvas: Canvas, page: Page):
    press(page, "Edit")
    canvas.drag((300, 40), (350, 80))
    eventually(lambda: "nonzero" in objects(page), "the new box arrives")
    new = objects(page)["nonzero"]
    assert [new[side] for side in ("left", "top", "width", "height")] == pytest.approx(
        [300, 40, 50, 40], abs=0.5
    )
    assert (new["type"], new["label"]) == ("LabeledRect", "")


def test_a_click_while_drawing_leaves_a_tiny_box(canvas: Canvas, page: Page):
    press(page, "Edit")
    canvas.click(320, 60)
    eventually(lambda: "nonzero" in objects(page), "the tiny box arrives")
    assert objects(page)["nonzero"]["width"] < 5


def test_a_selected_box_is_deleted_by_the_button(canvas: Canvas, page: Page):
    canvas.click(70, 65)
    press(page, "Delete selected")
    eventually(lambda: objects(page).keys() == {"box:1", "box:2", "doc:7:1"}, "the deletion arrives")


def test_the_send_button_does_not_wait_for_the_debounce(canvas: Canvas, page: Page):
    # The component's own timer never fires here, so only the button can have sent the edit.
    page.evaluate(
        "() => { const wait = setTimeout; window.setTimeout = (f, ms) => ms === 200 ? 0 : wait(f, ms) }"
    )
    canvas.drag((70, 65), (90, 65))
    press(page, SEND)
    eventually(lambda: abs(objects(page)["box:0"]["left"] - 59) < 0.5, "the move arrives")


def test_a_new_drawing_keeps_edit_on_and_reports_itself_after_the_old_one(canvas: Canvas, page: Page):
    page.get_by_role("button", name="Redraw").click()
    expect(page.get_by_text("2>7:2")).to_be_visible()
    expect(page.get_by_label("Edit", exact=True)).to_have_attribute("aria-pressed", "true")
    tokens = page.get_by_test_id("stText").nth(1).inner_text().split()
    canvas.drag((70, 65), (90, 65))
    eventually(lambda: abs(objects(page)["box:0"]["left"] - 59) < 0.5, "the move arrives")
    page.get_by_role("button", name="Redraw").click()
    expect(page.get_by_text("3>7:3")).to_be_visible()
    tokens = page.get_by_test_id("stText").nth(1).inner_text().split()
    assert "3>7:2" in tokens  # the run of the change still hears of the drawing before


def test_the_cursor_tells_whether_a_box_is_under_it(canvas: Canvas, page: Page):
    cursor = "element => getComputedStyle(element).cursor"
    for (x, y), over in (((70, 65), True), ((150, 250), False)):
        page.mouse.move(*canvas.at(x, y))
        assert (canvas.element.evaluate(cursor) != "default") is over


def test_the_canvas_follows_the_mouse_under_a_css_zoom(canvas: Canvas, page: Page):
    page.locator(".dc-container").evaluate("element => { element.style.zoom = 0.5 }")
    canvas.drag((70, 65), (110, 85))
    eventually(lambda: abs(objects(page)["box:0"]["left"] - 79) < 1, "the move arrives")
    assert objects(page)["box:0"]["top"] == pytest.approx(59, abs=1)


def test_escape_ends_the_free_text_editor_that_a_second_click_opens(canvas: Canvas, page: Page):
    canvas.click(70, 65)
    page.wait_for_timeout(400)  # or it is a double click
    canvas.click(70, 65)
    editor = page.locator(".dc-textarea-host textarea")
    editor.wait_for(state="attached")
    editor.evaluate("e => e.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', keyCode: 27}))")
    expect(editor).to_have_count(0)
    press(page, SEND)
    assert objects(page)["box:0"]["label"] == ""
