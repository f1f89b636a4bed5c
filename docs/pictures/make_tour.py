"""Make the tour: an animated picture of two minutes, from the real app over a copy of a project.

    python docs/pictures/make_tour.py projects/smear.rbcal chula/annotations.json

The project is that of docs/pictures/rehearse.py. The annotations say which of the cells on a screen is named
wrong, so that the tour mends no right one.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from make import HERE, SIZE, hide_home, opened
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Locator, Page
from rehearse import truth_of

from rbcal.jobs.cells import cells_to_ask
from rbcal.review.shortcuts import class_keys
from rbcal.store.project import Project
from rbcal.types import Annotations, iou

TOUR = HERE / "tour.webp"
WIDTH, STRIP = 960, 64  # pixels: of the picture, and of the words below it
MOST_BYTES = 3_000_000
BACK, INK, MOUSE = "#1f2a30", "#ffffff", "#f5c542"


class Tour:
    """Frames with words, each shown for some seconds."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._font = ImageFont.load_default(size=22)
        self.frames: list[Image.Image] = []
        self.seconds: list[float] = []

    def show(self, words: str, seconds: float, at: Locator | None = None, wait_ms: int = 2500) -> None:
        """Add what the page shows once it has come to rest; `at` is where the mouse is."""
        self._page.wait_for_timeout(wait_ms)
        hide_home(self._page)
        place = at.bounding_box() if at is not None else None
        screen = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")
        scale = WIDTH / screen.width
        small = screen.resize((WIDTH, round(screen.height * scale)), Image.Resampling.LANCZOS)
        frame = Image.new("RGB", (WIDTH, small.height + STRIP), BACK)
        frame.paste(small)
        drawing = ImageDraw.Draw(frame)
        drawing.text((WIDTH / 2, small.height + STRIP / 2), words, INK, self._font, anchor="mm")
        if place is not None:
            x, y = (place["x"] + place["width"] / 2) * scale, (place["y"] + place["height"] / 2) * scale
            drawing.ellipse((x - 11, y - 11, x + 11, y + 11), outline=MOUSE, width=4)
        self.frames.append(frame)
        self.seconds.append(seconds)

    def save(self, path: Path) -> None:
        """Write the frames as one animated picture, as well as they fit."""
        for quality in (80, 70, 60, 50, 40):
            first, *others = self.frames
            times = [round(1000 * each) for each in self.seconds]
            first.save(
                path, append_images=others, save_all=True, duration=times, loop=0, quality=quality, method=6
            )
            if path.stat().st_size < MOST_BYTES:
                return
        sys.exit(f"{path} is larger than {MOST_BYTES} bytes.")


def wrong_cells(path: Path, truth: dict[str, Annotations]) -> dict[str, str]:
    """Return the cells that wait and are named wrong: by the id of each, the key of its class."""
    with Project.open(path) as project:
        keys = class_keys(project.classes.all())
        wrong = {}
        for cell in cells_to_ask(project, 100_000).cells:
            annotations = truth[cell.image]
            overlaps = iou(cell.box[None], annotations.boxes)
            best = int(overlaps.argmax())
            if overlaps[best] > 0.5 and annotations.labels[best] != cell.label:
                wrong[str(cell.detection_id)] = keys[int(annotations.labels[best])]
        return wrong


def walk_through(tour: Tour, page: Page, address: str, wrong: dict[str, str]) -> None:
    """Go through the loop."""
    tour.show("A project is one file: pictures, boxes, models, and all that you said.", 6)
    tour.show("Import pictures; boxes too, if you have some. Drop them here, or name a folder.", 6)

    page.goto(f"{address}/train?project=smear")
    button = page.get_by_role("button", name="Train", exact=True)
    button.wait_for()
    tour.show("Train: one button. Minutes on a PC without a GPU; the app stays yours meanwhile.", 7, button)

    page.goto(f"{address}/review?project=smear")
    cells = page.locator(".wall[data-busy=false] .cell")
    cells.first.wait_for()
    tour.show("Review: cells of all images side by side, all called the same. Which one is not?", 8)
    for _ in range(6):
        ids = [each.get_attribute("data-id") or "" for each in cells.all()]
        named = 0
        for cell_id in [each for each in ids if each in wrong][:2]:
            cell = page.locator(f".wall .cell[data-id='{cell_id}']")
            cell.hover()
            words = "Point at it" if not named else "Another one"
            tour.show(f"{words} ...", 3, cell, 800)
            page.keyboard.press(wrong[cell_id])
            tour.show("... and press the key of its class. No dialog, no menu.", 4, cell, 800)
            named += 1
        page.mouse.move(5, 5)
        page.keyboard.press("Enter")
        page.wait_for_timeout(1500)
        cells.first.wait_for()
        tour.show("Enter keeps all the others, and the next cells come.", 5 if named else 3)
        if len(tour.frames) > 12:
            break
    page.keyboard.press("u")
    tour.show("U takes back what you said, also a whole screen.", 5)

    page.locator(".st-key-review_unit").get_by_text("Images").click()
    page.get_by_text("Save & next").first.wait_for()
    tour.show("Or image by image. Red wants a look; green is a promise that is measured.", 7, wait_ms=6000)
    page.keyboard.press("w")
    tour.show("W: one red cell after another, large, with the reason in words.", 6, wait_ms=4000)
    page.keyboard.press("Enter")
    tour.show("Enter keeps it, a class key renames it, Del says that it is none.", 5)
    page.keyboard.press("g")
    tour.show("G: red cells of one class side by side.", 5, wait_ms=4000)

    page.goto(f"{address}/progress?project=smear")
    page.get_by_text("annotated cells").first.wait_for()
    tour.show("Progress: what your cells brought, on images that no model was trained on.", 8, wait_ms=8000)
    page.get_by_role("tab", name="Classes").click()
    heading = page.get_by_text("What the model still gets wrong")
    heading.scroll_into_view_if_needed()
    page.mouse.move(SIZE["width"] / 2, SIZE["height"] / 2)
    page.mouse.wheel(0, SIZE["height"] - 120)
    tour.show("What it still gets wrong: a click opens the image.", 7, wait_ms=6000)
    page.goto(f"{address}/?project=smear")
    page.get_by_text("annotated with").first.wait_for()
    tour.show("All of it stays on your PC. No account, no network.", 6)


def main(path: Path, coco: Path) -> None:
    """Make the tour."""
    with Project.open(path) as project:
        truth = truth_of(coco, project.classes.names())
    wrong = wrong_cells(path, truth)
    with opened(path) as (page, address):
        tour = Tour(page)
        walk_through(tour, page, address, wrong)
    tour.save(TOUR)
    print(f"{TOUR}: {len(tour.frames)} frames, {sum(tour.seconds):.0f} s, {TOUR.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python docs/pictures/make_tour.py PROJECT.rbcal ANNOTATIONS.json")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
