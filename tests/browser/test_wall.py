"""The wall: cells of all images side by side, named with the mouse and the keys."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from rbcal.jobs.cells import cells_to_ask
from rbcal.store.cell_filters import CellFilter
from rbcal.store.project import Project
from tests.browser.driver import eventually, let_learn, plant

READ = 450  # ms; Enter sooner than 400 after a screen came was meant for the one before


def plant_cells(path: Path) -> None:
    plant(path, 4, width=320, height=240, n_cells=14, fewer=0, embedded=True)


@pytest.fixture
def wall(page: Page, server: str, projects: Path, request):
    """A wall over four images, and its project file."""
    path = projects / f"{request.node.name}.rbcal"
    plant_cells(path)
    page.goto(f"{server}/review?project={path.stem}")
    page.locator(".st-key-review_unit").get_by_text("Cells").click()
    expect(page.locator(".wall[data-busy=false] .cell").first).to_be_visible()
    page.wait_for_timeout(READ)
    return page, path


def statuses(path: Path) -> Counter[str | None]:
    with Project.open(path) as project:
        reviews = (project.reviews.current(image.id) for image in project.images.annotated())
        return Counter(each for review in reviews if review for each in review.review_status if each)


def show(page: Page, kind: str) -> None:
    """Choose which cells the wall shows."""
    before = ids(page)
    page.locator(".st-key-wall_kind").click()
    page.get_by_role("option", name=kind).click()
    eventually(lambda: ids(page) not in ([], before), f"{kind} on the wall")
    page.locator(".wall").focus()  # away from the choice, which takes keys
    page.wait_for_timeout(READ)


def on_a_screen(page: Page, n_cells: int) -> list[str | None]:
    """Choose how many cells are on a screen, and return those."""
    page.locator(".st-key-wall_size button", has_text=str(n_cells)).click()
    expect(page.locator(".wall .cell")).to_have_count(n_cells)
    page.wait_for_timeout(READ)
    return ids(page)


def say(page: Page, place: int, key: str) -> None:
    """Press a key on the cell at a place."""
    page.locator(".wall .cell").nth(place).hover()
    page.keyboard.press(key)


def enter(page: Page) -> None:
    """Settle the screen, and wait until it is stored."""
    page.keyboard.press("Enter")
    expect(page.locator(".wall[data-storing=false]")).to_have_count(1)
    page.wait_for_timeout(READ)


def reload(page: Page) -> None:
    """Reload the page, and wait until the wall is there."""
    page.reload()
    page.locator(".st-key-review_unit").get_by_text("Cells").click()
    expect(page.locator(".wall[data-busy=false] .cell").first).to_be_visible()
    page.locator(".wall").focus()
    page.wait_for_timeout(READ)


def said(page: Page) -> dict[str | None, str | None]:
    """Return what is said of the cells on the screen."""
    marked = page.locator(".wall .cell[data-said]").all()
    return {each.get_attribute("data-id"): each.get_attribute("data-said") for each in marked}


def take_back(page: Page, screen: list[str | None]) -> None:
    """Press U, and wait for a screen."""
    page.keyboard.press("u")
    expect(page.locator(f".wall[data-busy=false] .cell[data-id='{screen[0]}']")).to_be_visible()
    assert ids(page) == screen
    page.wait_for_timeout(READ)


def ids(page: Page) -> list[str | None]:
    return [each.get_attribute("data-id") for each in page.locator(".wall .cell").all()]


def test_one_look_and_enter_settles_a_screen_and_undo_brings_it_back(wall):
    page, path = wall
    shown = ids(page)
    cells = page.locator(".wall .cell")
    name = cells.first.locator(".name").inner_text().split()[0]
    other = next(k for k, each in enumerate(("disc", "slit", "spiky"), 1) if each != name)
    cells.nth(0).hover()
    page.keyboard.press(str(other))  # of the cell under the mouse
    cells.nth(1).click()
    cells.nth(2).click(modifiers=["Shift"])
    page.keyboard.press("Delete")  # of the two that are chosen
    cells.nth(3).hover()
    page.keyboard.press(".")  # later
    cells.nth(4).hover()
    page.keyboard.press("/")
    expect(cells.nth(4).locator(".name")).to_have_text("unsure")
    page.keyboard.press("Enter")
    expect(page.locator(f".wall[data-busy=false] .cell[data-id='{shown[0]}']")).to_have_count(0)
    n_kept = len(shown) - 5
    expect(page.get_by_text(f"{n_kept + 4} cells named")).to_be_visible()
    eventually(lambda: statuses(path)["kept"] == n_kept and statuses(path)["changed"] == 1, "stored")
    assert statuses(path)["unsure"] == 1
    with Project.open(path) as project:
        waiting = {str(each.detection_id) for each in cells_to_ask(project, 1000).cells}
    assert waiting & set(shown) == {shown[3]}

    page.reload()
    page.locator(".st-key-review_unit").get_by_text("Cells").click()
    expect(page.get_by_text(f"{n_kept + 4} cells named")).to_be_visible()
    expect(page.locator(".wall[data-busy=false] .cell").first).to_be_visible()
    page.locator(".wall").focus()
    page.keyboard.press("u")
    expect(page.locator(f".wall[data-busy=false] .cell[data-id='{shown[0]}']")).to_be_visible()
    assert ids(page) == shown
    eventually(lambda: set(statuses(path)) == {"open"}, "taken back")


def test_the_next_screen_comes_before_the_last_one_is_stored_and_one_enter_settles_one(wall):
    page, path = wall
    page.locator("button", has_text="12").first.click()
    expect(page.locator(".wall .cell")).to_have_count(12)
    page.wait_for_timeout(READ)
    screens = [ids(page)]
    for _ in range(2):  # the second one has to wait until the first is stored
        page.keyboard.press("Enter")
        assert page.locator(".wall").get_attribute("data-storing") == "true"
        page.keyboard.press("Enter")  # a second time by mistake
        screens.append(ids(page))
        page.wait_for_timeout(READ)
    page.keyboard.press("u")
    expect(page.locator(f".wall[data-storing=false] .cell[data-id='{screens[1][0]}']")).to_be_visible()
    assert ids(page) == screens[1]
    assert not {*screens[0], *screens[1]} & {*screens[2]}
    expect(page.get_by_text(f"{len(screens[0])} cells named")).to_be_visible()
    eventually(lambda: statuses(path)["kept"] == len(screens[0]), "one screen is stored")


def test_a_wall_that_was_left_open_takes_no_hours_of_the_expert(wall):
    page, path = wall
    page.evaluate(
        "() => { const now = performance.now.bind(performance); performance.now = () => now() + 8 * 3600e3; }"
    )
    page.keyboard.press("Enter")
    eventually(lambda: statuses(path)["kept"] > 0, "stored")
    with Project.open(path) as project:
        assert 0 < project.reviews.expert_seconds() < 120


def test_the_key_of_a_class_shows_cells_of_it_that_were_read(wall):
    page, path = wall
    with Project.open(path) as project:
        label = next(k for k in range(3) if project.references.of_class(k))
        known = len(project.references.of_class(label, 3))
    page.locator(f".wall .keys [data-label='{label}']").hover()
    expect(page.locator(".class-card img")).to_have_count(known)
    expect(page.locator(".class-card b")).to_have_text(("disc", "slit", "spiky")[label])
    page.keyboard.press("Enter")  # its button is made anew with the next screen, without the mouse leaving it
    expect(page.get_by_text("cells named")).to_be_visible()
    page.locator(".wall .cell").first.hover()
    expect(page.locator(".class-card")).to_have_count(0)


def test_what_was_said_on_a_screen_is_taken_back_before_the_screen_is(wall):
    page, path = wall
    cell = page.locator(".wall .cell").first
    before = cell.locator(".name").inner_text()
    cell.hover()
    page.keyboard.press("Delete")
    expect(cell.locator(".name")).to_have_text("no cell")
    page.keyboard.press("u")
    expect(cell.locator(".name")).to_have_text(before)
    page.keyboard.press("/")
    page.reload()
    page.locator(".st-key-review_unit").get_by_text("Cells").click()
    said = page.locator(".wall .cell[data-said=unsure]")  # what was said outlives a reload
    expect(said).to_have_count(1)
    assert statuses(path) == {}


def test_a_drag_chooses_the_cells_that_it_goes_over(wall):
    page, _ = wall
    cells = page.locator(".wall .cell")
    for k in range(3):
        box = cells.nth(k).bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 30, box["y"] + 30, steps=3)
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    expect(page.locator(".wall .cell[aria-pressed=true]")).to_have_count(3)


def test_a_double_click_shows_the_cell_in_its_image(wall):
    page, _ = wall
    cell = page.locator(".wall .cell").nth(1)
    image = (cell.get_attribute("title") or "").splitlines()[0]
    cell.dblclick()
    expect(page.locator(".st-key-bar").get_by_text(image)).to_be_visible()
    expect(page.locator("canvas.upper-canvas")).to_be_visible()
    page.locator(".st-key-review_unit").get_by_text("Cells").click()
    expect(page.locator(".wall .cell").first).to_be_visible()


def test_enter_leaves_answered_cells_as_they_are_where_unread_ones_were_chosen_since(wall):
    page, path = wall
    let_learn(path)
    n_cells = len(on_a_screen(page, 12)) * 2
    for _ in range(2):
        page.keyboard.press("Control+a")
        page.keyboard.press("/")
        enter(page)
    eventually(lambda: statuses(path)["unsure"] == n_cells, "unsure")
    show(page, "unsure cells")
    answered = ids(page)
    say(page, 0, "1")
    enter(page)
    eventually(lambda: statuses(path)["unsure"] == n_cells - 1, "one named")
    show(page, "unread cells")
    take_back(page, answered)
    expect(page.get_by_text("Enter leaves them as they are")).to_be_visible()
    eventually(lambda: statuses(path)["unsure"] == n_cells, "taken back")
    enter(page)
    expect(page.get_by_text("Enter keeps all cells")).to_be_visible()
    assert statuses(path)["unsure"] == n_cells - 1  # but for the one that was named, and still is


def test_marks_outlive_the_cells_that_look_like_one(wall):
    page, _ = wall
    first = on_a_screen(page, 12)
    say(page, 0, "/")
    say(page, 1, "Delete")
    marks = said(page)
    page.locator(".wall .cell").nth(5).hover()
    page.keyboard.press("Control+m")
    expect(page.get_by_text("Back to the chosen order")).to_be_visible()
    eventually(lambda: bool({*ids(page)} - {*first}), "those that look like it")
    page.wait_for_timeout(READ)
    say(page, next(k for k, each in enumerate(ids(page)) if each not in first), ".")
    page.get_by_text("Back to the chosen order").click()
    eventually(lambda: ids(page) == first, "the screen of before")
    assert said(page) == marks


def test_marks_outlive_an_undo_of_the_screen_before_and_come_back_with_a_screen_that_is_taken_back(wall):
    page, path = wall
    first = on_a_screen(page, 12)
    say(page, 0, "/")
    enter(page)
    eventually(lambda: statuses(path)["unsure"] == 1, "stored")
    reload(page)
    second = on_a_screen(page, 12)
    say(page, 1, "Delete")
    reload(page)
    assert on_a_screen(page, 12) == second
    take_back(page, first)
    assert said(page) == {first[0]: "unsure"}
    say(page, 2, ".")
    enter(page)
    assert ids(page) == second
    assert said(page) == {second[1]: "none"}
    reload(page)
    kept = page.evaluate("Object.entries(sessionStorage).filter(([key]) => key.startsWith('rbcal wall'))")
    assert [json.loads(each) for _, each in kept] == [
        [[int(second[1] or 0), "none"]]
    ]  # the others are stored


def test_marks_do_not_lie_on_the_cells_of_another_project_of_that_name(wall):
    page, path = wall
    shown = ids(page)
    say(page, 0, "Delete")
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()
    plant_cells(path)
    reload(page)
    assert ids(page) == shown
    assert said(page) == {}


def test_a_saved_filter_brings_its_cells_back_after_a_reload_with_two_clicks(wall):
    page, path = wall
    let_learn(path)
    enter(page)
    show(page, "named cells")
    page.locator(".st-key-wall_filters button").first.click()
    page.get_by_label("Save these choices as").fill("mine")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="mine", exact=True)).to_be_visible()
    reload(page)
    page.set_viewport_size({"width": 1280, "height": 720})
    unread = ids(page)
    page.locator(".st-key-wall_filters button").first.click()
    expect(page.get_by_role("button", name="mine", exact=True)).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Enter")  # of no screen: the menu is open
    page.wait_for_timeout(READ)
    assert ids(page) == unread
    page.get_by_role("button", name="mine", exact=True).click()
    expect(page.locator("[data-testid=stPopoverBody]")).to_have_count(0)
    eventually(lambda: ids(page) not in ([], unread), "named cells")
    assert all(int(each or 0) < 0 for each in ids(page))  # answered ones
    expect(page.get_by_text("Enter leaves them as they are")).to_be_visible()
    head = page.locator(".st-key-wall_filters").bounding_box()
    keys = page.locator(".wall .keys").bounding_box()
    assert head is not None
    assert keys is not None
    assert head["y"] < keys["y"] < 100  # one row, and the cells right below it


def open_menu(page: Page) -> None:
    """Open the menu of filters, and look at it for a moment: the page is drawn anew meanwhile."""
    page.locator(".st-key-wall_filters button").first.click()
    page.wait_for_timeout(2 * READ)
    expect(page.locator("[data-test-script-state=running]")).to_have_count(0)


def show_slide(page: Page, name: str) -> None:
    """Choose a slide in the menu of filters, which is open."""
    page.locator("[class*=st-key-wall_slide]").click()
    page.get_by_role("option", name=name).click()
    eventually(lambda: images(page) == {name}, f"cells of {name}")
    page.wait_for_timeout(READ)


def images(page: Page) -> set[str]:
    """Return the images of the cells on the screen."""
    titles = page.locator(".wall .cell").evaluate_all("(cells) => cells.map((cell) => cell.title)")
    return {title.splitlines()[0] for title in titles}


def test_what_is_chosen_in_the_menu_of_filters_holds_while_it_is_closed(wall):
    page, path = wall
    with Project.open(path) as project:
        project.cell_filters.save("second", CellFilter(group="001.png"))
    reload(page)
    open_menu(page)
    show_slide(page, "002.png")
    expect(page.locator(".st-key-wall_filters button", has_text="Filters (1)")).to_be_visible()
    expect(page.locator("[data-testid=stPopoverBody]")).to_be_visible()  # it stays open meanwhile
    page.get_by_role("button", name="second", exact=True).click()
    eventually(lambda: images(page) == {"001.png"}, "the saved filter")
    page.wait_for_timeout(READ)
    page.locator(".st-key-wall_size button", has_text="12").click()
    expect(page.locator(".st-key-wall_size [aria-checked=true]")).to_have_text("12")
    page.wait_for_timeout(2 * READ)
    assert images(page) == {"001.png"}  # not what the browser last had of the closed menu
    expect(page.locator("[data-testid=stPopoverBody]")).to_have_count(0)
    open_menu(page)
    show_slide(page, "003.png")
