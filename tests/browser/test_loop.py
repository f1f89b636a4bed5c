"""The whole loop as the expert walks it: create, import, train, review, train again, see two points."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from rbcal.store.project import Project
from tests.browser.driver import Canvas, eventually
from tests.browser.test_review import centre, detected_cells, inner, reviewed
from tests.conftest import write_coco

TRAINING_MS = 400_000  # on two cores that others use, too


def create_and_import(page: Page, server: str, coco_file: Path) -> None:
    page.goto(server)
    expect(page.get_by_role("heading").first).to_be_visible()
    page.get_by_role("link", name="Home").click()  # the only project is gone on with
    expect(page.get_by_text("New project")).to_be_visible()
    if (new := page.get_by_role("button", name="New project")).is_visible():  # there are others
        new.click()
    page.get_by_label("Name", exact=True).fill("loop")
    page.get_by_label("Name", exact=True).press("Enter")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name="loop")).to_be_visible()
    page.get_by_role("textbox", name="Folder of the images").fill(str(coco_file.parent / "images"))
    page.get_by_role("textbox", name="Boxes, a file").fill(str(coco_file))
    page.get_by_role("textbox", name="Boxes, a file").press("Enter")
    page.get_by_text("Seed set, test set, groups").click()
    page.get_by_text("Keep the boxes of all images").click()
    seed_images = page.get_by_role("spinbutton", name="Images that keep their boxes")
    seed_images.fill("5")
    seed_images.press("Enter")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("12 images added, 4 of them wait for review")).to_be_visible()


def start_training(page: Page, server: str, steps: int, button: str, *, second_look: bool) -> None:
    page.goto(f"{server}/train?project=loop")
    page.get_by_text("Settings", exact=True).click()
    if not second_look:
        page.get_by_text("Look twice at each cell", exact=True).click()
    field = page.get_by_label("Training steps", exact=True)
    field.fill(str(steps))
    field.press("Tab")
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.locator(".stMain").get_by_role("button", name="Cancel")).to_be_visible()


def wait_for_the_end(page: Page, path: Path, job_id: int) -> None:
    """Wait for a job; the page may still say for a moment that the one before is finished."""

    def is_done() -> bool:
        with Project.open(path) as project:
            job = project.jobs.last()
            return job is not None and job.id == job_id and job.state == "done"

    eventually(is_done, f"job {job_id} is done", TRAINING_MS / 1000)
    expect(page.get_by_text("Training finished")).to_be_visible()


def test_the_whole_loop(projects: Path, server: str, page: Page, tmp_path: Path):
    path = projects / "loop.rbcal"
    data = write_coco(tmp_path / "data", 12, n_groups=4, width=280, height=210, n_cells=9)
    create_and_import(page, server, data)
    start_training(page, server, 40, "Train", second_look=False)  # half a minute less
    words = page.get_by_text(re.compile(r"Training: \d+ of 40"))
    expect(words).to_be_visible(timeout=TRAINING_MS)  # once: the sidebar of this page does not say it, too
    wait_for_the_end(page, path, 1)
    done = re.compile(r"Training is done:\W* Precision")  # with what keeps a name from being Markdown
    expect(page.locator(".stSidebar").get_by_text(done)).to_be_visible()

    with Project.open(path) as project:
        first, *_ = project.queue.top()
    cells = detected_cells(path, first.image_id)
    moved, relabelled = inner(cells, 2, width=280, height=210)
    page.goto(f"{server}/review?project=loop")
    canvas = Canvas(page, 280).ready()
    x, y = centre(moved)
    canvas.drag((x, y), (x + 6, y + 4))
    canvas.click(*centre(relabelled))
    label = (relabelled.label + 1) % 3
    page.keyboard.press(str(label + 1))
    page.get_by_role("button", name="Save & next").click()
    page.get_by_role("dialog").get_by_role("button", name="I looked at all: keep the rest").click()

    eventually(lambda: reviewed(path, first.image_id) is not None, "the review is stored")
    review = reviewed(path, first.image_id)
    assert set(review.detection_ids) == {cell.detection_id for cell in cells}
    for detection, box, kept_label in zip(
        review.detection_ids, review.annotations.boxes, review.annotations.labels, strict=True
    ):
        cell = next(each for each in cells if each.detection_id == detection)
        shift = np.float32([6, 4, 6, 4]) if cell is moved else np.zeros(4, np.float32)
        assert np.abs(box - (cell.box + shift)).max() < 0.5, detection
        assert kept_label == (label if cell is relabelled else cell.label), detection
    with Project.open(path) as project:
        assert first.image_id not in [entry.image_id for entry in project.queue.top()]

    start_training(page, server, 5, "Train only", second_look=True)
    wait_for_the_end(page, path, 2)
    page.goto(f"{server}/progress?project=loop")
    expect(page.get_by_text(re.compile(r"Model \d .*annotated cells.* scores"))).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first).to_be_visible()
    with Project.open(path) as project:
        points = project.evaluations.curve()
        assert [point.model_id for point in points] == [1, 2]
        assert points[1].n_cells - points[0].n_cells == len(cells)


def test_images_and_boxes_can_be_uploaded(projects: Path, server: str, page: Page, tmp_path: Path):
    with Project.create(projects / "upload.rbcal"):
        pass
    data = write_coco(tmp_path / "data", 4)
    page.goto(f"{server}/?project=upload")
    page.get_by_role("radio", name="Drag and drop").click()
    pictures = sorted((tmp_path / "data" / "images").iterdir())
    page.locator("input[type=file]").set_input_files([str(path) for path in (data, *pictures)])
    expect(page.get_by_text("annotations.json")).to_be_visible()
    # A click while the page still takes the files in would be lost.
    expect(page.locator("[data-test-script-state=running]")).to_have_count(0)
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("4 images added")).to_be_visible()
    with Project.open(projects / "upload.rbcal") as project:
        counts = project.images.counts()
        assert (counts.annotated_images, counts.test_images) == (3, 1)
    expect(page.get_by_text("annotations.json")).to_have_count(0)  # the box is empty, and so is the memory
