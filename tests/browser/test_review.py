"""The Review page in a browser: what the expert does to boxes is exactly what the project file holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from rbcal.store.project import Project
from rbcal.store.rankings import Cell
from rbcal.store.reviews import Review
from tests.browser.driver import Canvas, eventually, plant

Open = Callable[..., Canvas]


def detected_cells(path: Path, image_id: int) -> list[Cell]:
    """Return the model's cells of an image that lie alone and away from the border, and can be clicked."""
    with Project.open(path) as project:
        ranking = project.rankings.current()
        return project.rankings.cells(ranking.id, image_id)


def reviewed(path: Path, image_id: int) -> Review | None:
    with Project.open(path) as project:
        return project.reviews.current(image_id)


def drafted(path: Path, image_id: int) -> list[dict]:
    """Return the boxes of an image that are stored, and not saved yet; none where nobody edited it since."""
    with Project.open(path) as project:
        work = project.log.work(image_id)
    return [{"id": number, **state._asdict()} for number, state in work.boxes.items()] if work.acts else []


def centre(cell: Cell) -> tuple[float, float]:
    x1, y1, x2, y2 = cell.box.tolist()
    return (x1 + x2) / 2, (y1 + y2) / 2


def inner(cells: list[Cell], n: int, *, width: int = 640, height: int = 480) -> list[Cell]:
    """Return n cells that no border and no other cell touches."""

    def alone(cell: Cell) -> bool:
        x1, y1, x2, y2 = cell.box
        apart = all(
            x2 + 12 < other.box[0]
            or other.box[2] + 12 < x1
            or y2 + 12 < other.box[1]
            or other.box[3] + 12 < y1
            for other in cells
            if other is not cell
        )
        return apart and min(x1, y1) > 20 and x2 < width - 20 and y2 < height - 20

    return [cell for cell in cells if alone(cell)][:n]


def free_place(cells: list[Cell], side: int = 30) -> tuple[float, float]:
    """Return the top left corner of a square that holds no cell."""
    for y in range(10, 440, 6):
        for x in range(10, 600, 6):
            if all(
                x + side + 6 < c.box[0] or c.box[2] + 6 < x or y + side + 6 < c.box[1] or c.box[3] + 6 < y
                for c in cells
            ):
                return x, y
    raise AssertionError("the image is full")


def test_five_edits_and_a_hasty_save_are_stored_box_by_box(projects: Path, page: Page, open_review: Open):
    path = projects / "edits.rbcal"
    image_id, *_ = plant(path)
    cells = detected_cells(path, image_id)
    moved, resized, relabelled, deleted = inner(cells, 4)
    canvas = open_review("edits").ready()

    x, y = centre(moved)
    dx, dy = canvas.drag((x, y), (x + 9, y + 6))
    eventually(lambda: len(drafted(path, image_id)) == len(cells), "the move is drafted")
    canvas.click(*centre(relabelled))
    new_label = (relabelled.label + 1) % 3
    page.keyboard.press(str(new_label + 1))
    eventually(
        lambda: any(
            row["detection_id"] == relabelled.detection_id and row["label"] == new_label
            for row in drafted(path, image_id)
        ),
        "the new class is drafted",
    )
    canvas.ready().click(*centre(deleted))
    page.keyboard.press("Delete")
    eventually(lambda: len(drafted(path, image_id)) == len(cells) - 1, "the deletion is drafted")
    left, top = free_place(cells)
    canvas.draw_mode()
    canvas.drag((left, top), (left + 28, top + 24))
    eventually(lambda: len(drafted(path, image_id)) == len(cells), "the new box is drafted")
    canvas.draw_mode()
    canvas.click(*centre(resized))
    x2, y2 = (resized.box[2:] + 0.5).tolist()  # the handle sits on the outer edge of the line
    wider, higher = canvas.drag((x2, y2), (x2 + 5, y2 + 7))
    page.keyboard.press("Control+Enter")  # at once: the component holds its last edit back for 200 ms

    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    review = reviewed(path, image_id)
    boxes = dict(zip(review.detection_ids, review.annotations.boxes, strict=True))
    labels = dict(zip(review.detection_ids, review.annotations.labels, strict=True))
    wanted = {cell.detection_id: cell.box for cell in cells if cell is not deleted}
    wanted[moved.detection_id] = moved.box + np.float32([dx, dy, dx, dy])
    wanted[resized.detection_id] = resized.box + np.float32([0, 0, wider, higher])
    wanted[None] = np.float32([left, top, left + 28, top + 24])
    assert boxes.keys() == wanted.keys()
    for detection, box in wanted.items():
        exact = detection not in (None, moved.detection_id, resized.detection_id)
        assert np.abs(boxes[detection] - box).max() < (1e-6 if exact else 0.5), detection
    truth = {cell.detection_id: cell.label for cell in cells if cell is not deleted}
    assert labels == {**truth, relabelled.detection_id: new_label, None: 0}
    assert review.origin == "expert"
    assert 0 < review.seconds < 60
    with Project.open(path) as project:
        assert image_id not in [entry.image_id for entry in project.queue.top()]
    expect(page.get_by_text("001.png", exact=True)).to_be_visible()
    expect(page.get_by_text("Saved 000.png")).to_be_visible()


def test_save_asks_of_unread_boxes_and_enter_keeps_cell_after_cell(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "asks.rbcal"
    image_id, *_ = plant(path, 2, n_cells=12, fewer=1, asks=True)
    n = len(detected_cells(path, image_id))
    canvas = open_review("asks").ready()
    page.keyboard.press("Enter")  # the first red cell
    expect(page.get_by_text("Class of the selected cell")).to_be_visible()
    canvas.ready()
    page.keyboard.press("Enter")
    eventually(
        lambda: [row["review_status"] for row in drafted(path, image_id)].count("kept") == 1, "one kept"
    )
    canvas.ready()
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"{n - 1} boxes of this image were not read.")).to_be_visible()
    dialog.get_by_role("button", name="Go on reading").click()
    expect(dialog).to_have_count(0)
    assert reviewed(path, image_id) is None
    page.keyboard.press("Control+Enter")
    dialog.get_by_role("button", name="I looked at all: keep the rest").click()
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    assert set(reviewed(path, image_id).review_status) == {"kept"}
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("001.png", exact=True)).to_be_visible()


def test_save_follows_a_button_at_once_and_enter_keeps_a_cell_after_a_click_on_the_list(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "buttons.rbcal"
    image_id, *_ = plant(path, 2, n_cells=12)
    canvas = open_review("buttons").ready()
    page.get_by_role("radio", name="All").click()
    expect(page.get_by_role("radio", name="All")).to_be_checked()
    page.keyboard.press("Enter")  # the first red cell
    expect(page.get_by_text("Class of the selected cell")).to_be_visible()
    canvas.ready()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of")).to_be_visible()
    canvas.ready()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("0 of")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Saved 000.png")).to_be_visible()
    assert reviewed(path, image_id) is not None


def test_a_draft_survives_a_reload_and_a_visit_to_another_page(projects: Path, page: Page, open_review: Open):
    path = projects / "drafts.rbcal"
    image_id, *_ = plant(path)
    cells = detected_cells(path, image_id)
    first, second = inner(cells, 2)
    canvas = open_review("drafts").ready()
    canvas.click(*centre(first))
    page.keyboard.press("Delete")
    eventually(lambda: len(drafted(path, image_id)) == len(cells) - 1, "the first deletion is drafted")
    page.reload()
    expect(page.get_by_text(f"{len(cells) - 1} cells")).to_be_visible()
    canvas.ready().click(*centre(second))
    page.keyboard.press("Delete")
    eventually(lambda: len(drafted(path, image_id)) == len(cells) - 2, "the second deletion is drafted")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("link", name="Progress").click()
    expect(page.locator("canvas.upper-canvas")).to_have_count(0)
    page.get_by_role("link", name="Review").click()
    canvas.ready()
    expect(page.get_by_text(f"{len(cells) - 2} cells")).to_be_visible()
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    kept = {cell.detection_id for cell in cells} - {first.detection_id, second.detection_id}
    assert set(reviewed(path, image_id).detection_ids) == kept
    assert drafted(path, image_id) == []


def test_undo_takes_back_every_kind_of_edit_and_redo_repeats_it(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "undo.rbcal"
    image_id, *_ = plant(path)
    cells = detected_cells(path, image_id)
    moved, relabelled = inner(cells, 2)
    canvas = open_review("undo").ready()
    x, y = centre(moved)
    canvas.drag((x, y), (x + 9, y))
    eventually(lambda: bool(drafted(path, image_id)), "the move is drafted")
    canvas.click(*centre(relabelled))
    page.keyboard.press(str((relabelled.label + 1) % 3 + 1))

    def edits() -> int:
        return sum(row["review_status"] != "open" for row in drafted(path, image_id))

    eventually(lambda: edits() == 2, "two edits are drafted")
    after = drafted(path, image_id)
    page.keyboard.press("Control+z")
    eventually(lambda: edits() == 1, "one edit is undone")
    page.keyboard.press("Control+z")
    eventually(lambda: edits() == 0, "both are undone")
    boxes = [row["box"] for row in drafted(path, image_id)]
    np.testing.assert_array_equal(np.float32(boxes), [cell.box for cell in cells])
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+Shift+z")
    eventually(lambda: drafted(path, image_id) == after, "both are done again")


def test_after_the_last_image_the_page_says_what_comes_next(projects: Path, page: Page, open_review: Open):
    path = projects / "last.rbcal"
    (image_id,) = plant(path, 1)
    open_review("last").ready()
    page.get_by_role("button", name="Save & next").click()
    expect(page.get_by_text("Every image is reviewed")).to_be_visible()
    expect(page.get_by_role("link", name="Train with them")).to_be_visible()
    assert len(reviewed(path, image_id).annotations) == len(detected_cells(path, image_id))


def test_an_unranked_pool_is_annotated_by_hand_from_nothing(projects: Path, page: Page, open_review: Open):
    path = projects / "byhand.rbcal"
    (image_id,) = plant(path, 1, ranked=False)
    canvas = open_review("byhand")
    expect(page.get_by_text("There is no model yet")).to_be_visible()
    expect(page.get_by_label("Edit", exact=True)).to_have_attribute("aria-pressed", "false")  # it draws
    canvas.drag((100, 100), (140, 130))
    page.keyboard.press("3")  # the box just drawn
    eventually(lambda: [row["label"] for row in drafted(path, image_id)] == [2], "the class is drafted")
    canvas.drag((200, 100), (230, 140))  # keeps that class
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    annotations = reviewed(path, image_id).annotations
    np.testing.assert_allclose(annotations.boxes, [[100, 100, 140, 130], [200, 100, 230, 140]], atol=0.5)
    assert annotations.labels.tolist() == [2, 2]


def test_cells_are_boxed_by_outline_named_by_keys_and_the_rest_at_once(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "outlines.rbcal"
    (image_id,) = plant(path, 1, ranked=False, asks=True)
    open_review("outlines")
    page.get_by_role("button", name="Box the cells by outline").click()
    page.set_viewport_size({"width": 1280, "height": 720})
    page.wait_for_timeout(1500)  # the browser tells the new zoom by itself: that is no act of the expert
    expect(page.get_by_text("boxed by outline. Name them")).to_be_visible()
    n = len(drafted(path, image_id))
    page.keyboard.press("w")
    expect(page.get_by_text(f"Cell 1 of {n}")).to_be_visible()
    page.keyboard.press("3")
    expect(page.get_by_text(f"{n - 1} to go")).to_be_visible()
    page.get_by_role("button", name="Save & next").click()
    page.get_by_role("button", name="I looked at all: name them, save").click()
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    annotations = reviewed(path, image_id).annotations
    assert annotations.labels.tolist() == [2] * n  # the class that most were given is offered
    assert annotations.read.all()


def test_names_are_shown_letter_by_letter(projects: Path, page: Page, open_review: Open):
    path = projects / "names.rbcal"
    nasty = ("<img src=x onerror=alert(1)>", ":material/bolt: $x^2$ **b**", ":red[r] -> `c` :smile:")
    plant(path, 1, classes=nasty, rare=[nasty[2]])
    page.on("dialog", lambda dialog: dialog.dismiss())
    open_review("names").ready()
    shown = page.locator(".st-key-palette").inner_text().replace("\u2060", "")
    assert [name for name in nasty if name not in shown] == []
    assert page.locator("img[src=x]").count() == 0
