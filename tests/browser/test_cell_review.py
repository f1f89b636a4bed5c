"""The cell review in a browser: every act on a large image is in the project file, box by box."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from rbcal.review.spot_checks import is_spot_check
from rbcal.store.project import Project
from tests.browser.driver import Canvas, CellReview, eventually, plant
from tests.browser.test_review import detected_cells, drafted, reviewed

Open = Callable[..., Canvas]


def statuses(path: Path, image_id: int) -> list[str]:
    return [row["review_status"] for row in drafted(path, image_id)]


def test_every_act_of_the_cell_review_is_stored_box_by_box(projects: Path, page: Page, open_review: Open):
    width, height, n_cells = 2000, 1500, 420
    path = projects / f"cells{width}.rbcal"
    image_id, *_ = plant(path, 2, width=width, height=height, n_cells=n_cells)
    cells = detected_cells(path, image_id)
    assert len(cells) > 300
    canvas = open_review(path.stem, width).ready()
    by_cell = CellReview(page)
    page.keyboard.press("w")
    by_cell.ready()
    first = by_cell.cell
    by_cell.press("Enter")
    relabelled = by_cell.cell
    new_label = (cells[relabelled].label + 1) % 3
    by_cell.press(str(new_label + 1))
    deleted = by_cell.cell
    by_cell.press("Delete")
    resized = by_cell.cell
    wider, higher = by_cell.drag_corner(9, -7)
    by_cell.press("Enter")
    confirmed = by_cell.cell
    by_cell.press(str(cells[confirmed].label + 1))  # the class that it has: the model was right
    by_cell.press("Enter", "Enter", "Enter")  # faster than the server: none is lost
    eventually(lambda: statuses(path, image_id).count("kept") == 5, "five are kept")
    mistake = by_cell.cell
    by_cell.press("Delete", "u")
    eventually(lambda: by_cell.cell == mistake, "the undo shows the cell again")
    by_cell.press("ArrowLeft")
    eventually(lambda: by_cell.cell != mistake, "the cell before is shown")
    by_cell.press("ArrowRight", "w")
    canvas.ready()
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")

    review = reviewed(path, image_id)
    boxes = dict(zip(review.detection_ids, review.annotations.boxes, strict=True))
    labels = dict(zip(review.detection_ids, review.annotations.labels, strict=True))
    review_status = dict(zip(review.detection_ids, review.review_status, strict=True))
    ids = [cell.detection_id for cell in cells]
    assert boxes.keys() == set(ids) - {ids[deleted]}
    for number, cell in enumerate(cells):
        if number == deleted:
            continue
        wanted = cell.box + (np.float32([0, 0, wider, higher]) if number == resized else 0)
        assert np.abs(boxes[cell.detection_id] - wanted).max() < (0.5 if number == resized else 1e-6)
        assert labels[cell.detection_id] == (new_label if number == relabelled else cell.label)
    assert review_status[ids[first]] == review_status[ids[confirmed]] == "kept"
    assert review_status[ids[relabelled]] == review_status[ids[resized]] == "changed"
    assert review_status[ids[mistake]] == "open"
    assert sum(each == "kept" for each in review.review_status) == 5


def test_the_end_of_the_cell_review_is_the_whole_image_and_one_enter_too_many_does_not_save(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "end.rbcal"
    image_id, *_ = plant(path, 2, n_cells=20)
    n_red = sum(cell.u_c <= 0.8 or cell.u_d <= 0.9 for cell in detected_cells(path, image_id))
    canvas = open_review("end").ready()
    page.keyboard.press("w")
    by_cell = CellReview(page).ready()
    by_cell.press(*["Enter"] * n_red, "Enter")
    canvas.ready()
    expect(page.get_by_text("Every cell of the walk is done")).to_be_visible()
    assert reviewed(path, image_id) is None
    assert statuses(path, image_id).count("kept") == n_red
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    by_cell.ready()  # the next image opens as this one did


def test_green_boxes_are_accepted_at_once_and_a_few_come_back(projects: Path, page: Page, open_review: Open):
    path = projects / "green.rbcal"
    image_id, *_ = plant(path, 2, width=1000, height=750, n_cells=130)
    cells = detected_cells(path, image_id)
    green = [cell.detection_id for cell in cells if cell.u_c > 0.8 and cell.u_d > 0.9]
    spots = [detection for detection in green if is_spot_check(1, detection)]
    assert len(spots) >= 2
    canvas = open_review("green", 1000).ready()
    page.keyboard.press("a")
    by_cell = CellReview(page).ready()
    expect(page.get_by_text(f"{len(green)} green boxes accepted")).to_be_visible()
    expect(page.get_by_text("Spot check")).to_be_visible()
    assert cells[by_cell.cell].detection_id == spots[0]
    wrong = (cells[by_cell.cell].label + 1) % 3
    by_cell.press(str(wrong + 1), *["Enter"] * (len(spots) - 1), "w")
    canvas.ready()
    page.keyboard.press("Control+Enter")
    eventually(lambda: reviewed(path, image_id) is not None, "the review is stored")
    review_status = dict(
        zip(reviewed(path, image_id).detection_ids, reviewed(path, image_id).review_status, strict=True)
    )
    assert {review_status[detection] for detection in green if detection not in spots} == {"accepted_in_bulk"}
    assert [review_status[detection] for detection in spots] == ["changed"] + ["kept"] * (len(spots) - 1)
    with Project.open(path) as project:
        assert project.reviews.spot_checks(project.models.serving().id) == (1, len(spots))
    expect(page.get_by_text(f"1 of {len(spots)} spot checks of green boxes wrong")).to_be_visible()


def test_the_cell_review_shows_the_passes_the_classes_and_the_scores_of_a_cell(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "shown.rbcal"
    image_id, *_ = plant(path, 1)
    open_review("shown").ready()
    page.keyboard.press("w")
    by_cell = CellReview(page).ready()
    cell = detected_cells(path, image_id)[by_cell.cell]
    expect(page.locator(".crop .pass")).to_have_count(0)
    by_cell.press("p")
    expect(page.locator(".crop .pass")).to_have_count(3)
    pressed = page.locator(".classes button[aria-pressed=true]")
    expect(pressed).to_have_attribute("title", ("disc", "slit", "spiky")[cell.label])
    expect(pressed.locator(".share")).to_have_text("90%")
    expect(page.locator(".scores .fired").first).to_contain_text("class unsure: the passes agree at 60%")
    x, y, across, down = map(float, page.locator(".crop").get_attribute("viewBox").split())
    frame = page.locator(".crop").bounding_box()
    assert frame["width"] / across == pytest.approx(3, rel=0.01)  # 300 %
    middle = cell.box.reshape(2, 2).mean(0)
    assert (x + across / 2, y + down / 2) == pytest.approx(tuple(middle), abs=0.01)
    page.keyboard.down("h")
    expect(page.locator(".crop .cell")).to_be_hidden()
    page.keyboard.up("h")
    expect(page.locator(".crop .cell")).to_be_visible()
    page.locator(".classes button").nth((cell.label + 1) % 3).click()
    eventually(lambda: "changed" in statuses(path, image_id), "a click on a class counts, too")


def test_similar_cells_are_kept_side_by_side_and_the_odd_ones_mended(
    projects: Path, page: Page, open_review: Open
):
    path = projects / "tiles.rbcal"
    image_id, *_ = plant(path, 1, width=1000, height=750, n_cells=130)
    cells = detected_cells(path, image_id)
    open_review("tiles", 1000).ready()
    page.keyboard.press("w")
    by_cell = CellReview(page).ready()
    by_cell.press("g")
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(12)
    first = [int(tile.get_attribute("data-id")) for tile in tiles.all()]
    assert len({cells[number].label for number in first}) == 1
    wrong, no_cell = first[2], first[5]
    label = (cells[wrong].label + 1) % 3
    tiles.nth(2).click()
    by_cell.press(str(label + 1))
    expect(tiles.nth(2)).to_have_attribute("data-done", "true")
    by_cell.press("ArrowRight", "ArrowDown", "ArrowRight")  # keys alone do, too: from nowhere, the first
    expect(page.locator(".tile[aria-pressed=true]")).to_have_attribute("data-id", str(no_cell))
    by_cell.press("Delete")
    expect(tiles).to_have_count(11)
    by_cell.press("Enter")
    kept = set(first) - {wrong, no_cell}
    review_status = {row["id"]: row["review_status"] for row in drafted(path, image_id)}
    assert {number for number, each in review_status.items() if each == "kept"} == kept
    assert review_status[wrong] == "changed"
    assert no_cell not in review_status
    assert not set(first) & {int(tile.get_attribute("data-id")) for tile in tiles.all()}
    by_cell.press("u")  # one undo takes the whole batch back
    assert [row["review_status"] for row in drafted(path, image_id)].count("kept") == 0
    by_cell.press("g")
    expect(tiles).to_have_count(0)
    expect(page.locator(".crop")).to_be_visible()
