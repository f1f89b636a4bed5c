"""Measure the Review page in a browser; docs/benchmarks/review.md has the figures. Asserts nothing.

    python -m tests.browser.measure latency            # synthetic images of up to 2000 x 1500, 300 cells
    python -m tests.browser.measure memory             # 200 images, saved one after the other
    python -m tests.browser.measure acts PROJECT COCO  # a scripted expert: the model's boxes to the truth

PROJECT has a ranked pool, and COCO (a JSON file) the true boxes of its images; the project stays as it is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from rbcal.review import shortcuts
from rbcal.store.project import Project
from tests import visitor
from tests.browser.conftest import ARGUMENTS, BROWSERS, ROOT, serve
from tests.browser.driver import Canvas, CellReview, plant

SAME = 0.5  # IoU from which a box of the model is a true cell
EYES = """
  window.addEventListener('keydown', () => { window.pressedAt = performance.now(); }, true);
  const small = new OffscreenCanvas(80, 60).getContext('2d', { willReadFrequently: true });
  const hash = () => small.getImageData(0, 0, 80, 60).data.reduce((sum, value) => (sum * 31 + value) | 0, 0);
  const empty = hash();
  const inside = (selector) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .map((host) => host.shadowRoot?.querySelector(selector)).find(Boolean);
  const eyes = {
    boxes: () => {   // what is painted on the canvas, as a number; 0 while it is empty
      const canvas = inside('canvas.dc-canvas');
      if (!canvas?.width) return 0;
      small.clearRect(0, 0, 80, 60);
      small.drawImage(canvas, 0, 0, 80, 60);
      const now = hash();
      return now === empty ? 0 : now;
    },
    cell: () => inside('.cell-review')?.dataset.cell ?? 0,
  };
  window.watch = (what) => {
    const before = eyes[what]();
    window.seen = new Promise((done) => {
      const check = () => {
        const now = eyes[what]();
        if (now && now !== before) done(performance.now() - window.pressedAt);
        else requestAnimationFrame(check);
      };
      check();
    });
  };
"""


@contextmanager
def browse(folder: Path) -> Iterator[tuple[Page, str, Callable[[], float]]]:
    """Yield a page, the address of a server on a folder of projects, and how many MiB the server takes."""
    executable = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        server = serve(ROOT / "app.py", folder, folder / "server.log")
        address = next(server)
        page = visitor.context(browser, viewport={"width": 1920, "height": 1080}).new_page()
        page.add_init_script(f"{{ {EYES} }}")
        page.goto(address)
        page.get_by_role("link", name="Progress").wait_for()
        yield page, address, lambda: _resident(address)
        browser.close()
        next(server, None)


def _resident(address: str) -> float:
    port = address.rsplit(":", 1)[1]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"--server.port\0{port}" in (status.parent / "cmdline").read_text():
                line = next(row for row in status.read_text().splitlines() if row.startswith("VmRSS"))
                return int(line.split()[1]) / 1024
        except OSError:  # a process that ended meanwhile
            continue
    raise LookupError(port)


def until(page: Page, what: str, key: str) -> float:
    """Press a key; return the milliseconds until the canvas shows other boxes, or the walk another cell."""
    page.evaluate("(what) => window.watch(what)", what)
    page.keyboard.press(key)
    return page.evaluate("window.seen")


def spread(milliseconds: list[float]) -> str:
    """Return the median, 95th percentile and largest of some times."""
    p50, p95, most = np.percentile(milliseconds, [50, 95, 100])
    return f"{p50:5.0f} {p95:5.0f} {most:5.0f} ms  (median, p95, most of {len(milliseconds)})"


# ---- how long things take ----------------------------------------------------------------------------


def latency() -> None:
    """Print how long an act, an edit and a save take."""
    for width, height, n_cells in ((640, 480, 130), (2000, 1500, 120), (2000, 1500, 420)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "latency.rbcal"
            images = plant(path, 24, width=width, height=height, n_cells=n_cells, fewer=0)
            with browse(Path(folder)) as (page, address, _):
                page.goto(f"{address}/review?project=latency")
                canvas = Canvas(page, width).ready()
                with Project.open(path) as project:
                    counts = [len(project.rankings.cells(1, image_id)) for image_id in images]
                print(f"\n{width} x {height}, {np.mean(counts):.0f} cells")
                shown, stored = _cell_review_acts(page, path)
                print("  an act until the next cell shows", spread(shown))
                print("  an act until it is a draft      ", spread(stored), flush=True)
                page.keyboard.press("w")
                canvas.ready()
                edits, saves = _edits(page, canvas, path, images[0]), _saves(page, canvas, 12)
                print("  an edit until it is a draft     ", spread(edits))
                print("  save until painted              ", spread(saves), flush=True)


def _edits(page: Page, canvas: Canvas, path: Path, image_id: int) -> list[float]:
    with Project.open(path) as project:
        cells = project.rankings.cells(1, image_id)
    times = []
    with _drafts(path) as drafts:
        for cell in cells[:25]:
            x, y = cell.box.reshape(2, 2).mean(0).tolist()
            (left, top), (right, bottom) = canvas.at(x, y), canvas.at(x + 4, y + 3)
            was = drafts()
            page.mouse.move(left, top)
            page.mouse.down()
            page.mouse.move(right, bottom, steps=4)
            start = time.perf_counter()
            page.mouse.up()
            while drafts() == was and time.perf_counter() - start < 3:
                time.sleep(0.002)
            if drafts() != was:  # else another cell was deleted there, and the mouse moved the image
                times.append(1000 * (time.perf_counter() - start))
            page.wait_for_timeout(50)
    return times


def _cell_review_acts(page: Page, path: Path) -> tuple[list[float], list[float]]:
    by_cell = CellReview(page)
    page.keyboard.press("w")
    by_cell.ready()
    shown, stored = [], []
    with _drafts(path) as drafts:
        for number in range(30):
            was, start = drafts(), time.perf_counter()
            shown.append(until(page, "cell", ("Enter", "1", "Delete")[number % 3]))
            while drafts() == was:
                time.sleep(0.002)
            stored.append(1000 * (time.perf_counter() - start))
            by_cell.ready()
    return shown, stored


@contextmanager
def _drafts(path: Path) -> Iterator[Callable[[], list]]:
    """Yield a function that returns when each draft was stored."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    yield lambda: connection.execute("SELECT max(id) FROM act").fetchall()
    connection.close()


def _saves(page: Page, canvas: Canvas, n: int) -> list[float]:
    times = []
    for _ in range(n):
        page.wait_for_timeout(1800)
        times.append(until(page, "boxes", "Control+Enter"))
        canvas.ready()
    return times


def memory() -> None:
    """Print what the server takes while 200 images are saved."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.rbcal"
        plant(path, 210, n_cells=40, fewer=0)
        with browse(Path(folder)) as (page, address, resident):
            page.goto(f"{address}/review?project=memory")
            canvas = Canvas(page, 640).ready()
            for number in range(201):
                if number in (5, 40, 80, 120, 160, 200):
                    heap = page.evaluate("performance.memory.usedJSHeapSize / 2**20")
                    print(
                        f"  {number:3} images: server {resident():.0f} MiB, browser heap {heap:.0f} MiB",
                        flush=True,
                    )
                until(page, "boxes", "Control+Enter")
                canvas.ready()


# ---- a scripted expert -------------------------------------------------------------------------------


@dataclass
class Truth:
    """The true boxes (M, 4) and labels of an image."""

    boxes: np.ndarray
    labels: list[int]


@dataclass
class Task:
    """What is wrong with the model's boxes: new labels, boxes that are no cell, cells that it missed."""

    relabel: dict[int, int]
    delete: set[int]
    draw: list[tuple[list[float], int]]
    n_cells: int


def task(cells: list, truth: Truth) -> Task:
    """Match the model's boxes with the true ones, best overlap first, and return what differs."""
    boxes = np.array([cell.box for cell in cells]).reshape(-1, 4)
    overlap = _iou(boxes, truth.boxes)
    matched: dict[int, int] = {}
    for flat in np.argsort(-overlap, axis=None):
        stored, true = np.unravel_index(flat, overlap.shape)
        if overlap[stored, true] >= SAME and stored not in matched and true not in matched.values():
            matched[int(stored)] = int(true)
    wrong = {k: truth.labels[t] for k, t in matched.items() if truth.labels[t] != cells[k].label}
    missed = [t for t in range(len(truth.labels)) if t not in matched.values()]
    draw = [(truth.boxes[t].tolist(), truth.labels[t]) for t in missed]
    return Task(wrong, set(range(len(cells))) - set(matched), draw, len(truth.labels))


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area = [(each[:, 2:] - each[:, :2]).prod(-1) for each in (a, b)]
    return both / (area[0][:, None] + area[1][None] - both)


def acts(project_file: Path, coco: Path, n_images: int, ways: Sequence[Callable[..., int]]) -> None:
    """Print the acts per cell of a scripted expert: by canvas alone, and with walk and bulk accept."""
    for way in ways:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "acts.rbcal"
            shutil.copy(project_file, path)
            with Project.open(path) as project:
                truths = read_truth(coco, project.classes.names())
                images = [project.images.get(image_id) for image_id, _ in project.queue.order()][:n_images]
            n_acts = n_cells = corrections = 0
            start = time.perf_counter()
            with browse(Path(folder)) as (page, address, _):
                page.goto(f"{address}/review?project=acts")
                canvas = Canvas(page, images[0].width).ready()
                for image in images:
                    page.get_by_text(image.name, exact=True).first.wait_for()
                    page.locator("[data-settled=true]:visible").first.wait_for()
                    with Project.open(path) as project:
                        ranking = project.rankings.current()
                        cells = project.rankings.cells(ranking.id, image.id)
                    todo = task(cells, truths[image.name])
                    n_acts += way(page, canvas, cells, todo)
                    n_cells += todo.n_cells
                    # What an expert would need who touches only what is wrong, and vouches for nothing.
                    corrections += 2 * (len(todo.relabel) + len(todo.delete) + len(todo.draw)) + 1
                    _check(path, image.id, truths[image.name])
            print(
                f"{way.__name__}: {n_images} images, {n_cells} true cells, {n_acts} acts, "
                f"{n_acts / n_cells:.2f} per cell, {time.perf_counter() - start:.0f} s by script; "
                f"corrections alone: {corrections}, {corrections / n_cells:.2f} per cell",
                flush=True,
            )


def read_truth(coco: Path, names: tuple[str, ...]) -> dict[str, Truth]:
    """Return the true boxes of each image, by its file name."""
    document = json.loads(coco.read_text())
    label = {each["id"]: names.index(each["name"]) for each in document["categories"]}
    by_image: dict[int, list] = {each["id"]: [] for each in document["images"]}
    for each in document["annotations"]:
        x, y, w, h = each["bbox"]
        by_image[each["image_id"]].append(([x, y, x + w, y + h], label[each["category_id"]]))
    return {
        each["file_name"]: Truth(
            np.array([box for box, _ in by_image[each["id"]]], float).reshape(-1, 4),
            [k for _, k in by_image[each["id"]]],
        )
        for each in document["images"]
    }


class Hand:
    """Clicks and keys, counted."""

    def __init__(self, page: Page, canvas: Canvas) -> None:
        self.page, self.canvas, self.n = page, canvas, 0
        self.keys = shortcuts._SPARE  # the project of the measurement has no keys of its own

    def press(self, key: str) -> None:
        self.n += 1
        self.page.keyboard.press(key)

    def choose(self, cell, others: list) -> None:
        """Click a cell where no smaller box lies on it."""
        self.n += 1
        x1, y1, x2, y2 = cell.box.tolist()
        smaller = [each.box for each in others if _area(each.box) < _area(cell.box)]
        spots = [(x1 + u * (x2 - x1), y1 + v * (y2 - y1)) for u in GRID for v in GRID]
        free = [
            (x, y)
            for x, y in spots
            if not any(b[0] - 1 <= x <= b[2] + 1 and b[1] - 1 <= y <= b[3] + 1 for b in smaller)
        ]
        self.canvas.click(*(free or spots)[0])

    def say(self, k: int, todo: Task, right: str) -> None:
        """Press what a cell is: its class, no cell, or the key that says that the model is right."""
        self.press(
            "Delete" if k in todo.delete else self.keys[todo.relabel[k]] if k in todo.relabel else right
        )
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_timeout(80)
        self.page.locator("[data-settled=true]:visible").first.wait_for()

    def draw(self, todo: Task) -> None:
        """Draw the cells that the model missed: one drag each, and a key where the class changes."""
        if not todo.draw:
            return
        self.canvas.draw_mode()
        self.n += 1
        held = None
        for box, label in sorted(todo.draw, key=lambda each: each[1]):
            if label != held:
                self.press(self.keys[label])
                self.settle()
                held = label
            # A drag that begins where another ended is a drag, not a double click.
            self.canvas.drag((box[0], box[1]), (box[2], box[3]))
            self.n += 1
            self.page.wait_for_timeout(350)
        self.canvas.draw_mode()
        self.n += 1
        self.settle()

    def save(self) -> int:
        self.page.wait_for_timeout(1600)
        self.press("Control+Enter")
        return self.n


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


GRID = (0.5, 0.35, 0.65, 0.2, 0.8, 0.1, 0.9)


def by_canvas(page: Page, canvas: Canvas, cells: list, todo: Task) -> int:
    """Say of each cell what it is, by canvas alone: choose it, then keep, relabel or delete it."""
    hand = Hand(page, canvas)
    left = list(range(len(cells)))
    for k in range(len(cells)):
        hand.choose(cells[k], [cells[j] for j in left if j != k])
        hand.say(k, todo, "k")
        if k in todo.delete:
            left.remove(k)
    hand.draw(todo)
    return hand.save()


def by_cell_review(page: Page, canvas: Canvas, cells: list, todo: Task) -> int:
    """Say of each red cell what it is in the walk, one by one; the rest as :func:`_review_cells` does."""

    def deal(hand: Hand) -> set[int]:
        k = CellReview(page).ready().cell
        hand.say(k, todo, "Enter")
        return {k}

    return _review_cells(page, canvas, cells, todo, deal)


def by_batch(page: Page, canvas: Canvas, cells: list, todo: Task) -> int:
    """Say of the red cells what they are, up to twelve of one class side by side."""

    def deal(hand: Hand) -> set[int]:
        CellReview(page).ready()
        if not page.locator(".tile").count():  # the first time; it stays so
            hand.press("g")
            hand.settle()
        shown = [int(tile.get_attribute("data-id") or -1) for tile in page.locator(".tile").all()]
        for k in shown:
            if k in todo.delete or k in todo.relabel:
                page.locator(f".tile[data-id='{k}']").click()
                hand.n += 1
                hand.settle()
                hand.say(k, todo, "Enter")
        hand.press("Enter")
        hand.settle()
        return set(shown)

    return _review_cells(page, canvas, cells, todo, deal)


def _review_cells(
    page: Page, canvas: Canvas, cells: list, todo: Task, deal: Callable[[Hand], set[int]]
) -> int:
    """Review the red cells, accept the green ones, mend on the canvas what is left; return the acts."""
    hand = Hand(page, canvas)
    done: set[int] = set()

    def go_through() -> None:
        while page.locator(".cell-review:not([hidden])").count():
            done.update(deal(hand))

    page.wait_for_timeout(500)
    if not page.locator(".cell-review:not([hidden])").count():  # the first image; the next ones open like it
        hand.press("w")
        hand.settle()
    go_through()
    if page.locator(".st-key-green button:not([disabled])").count():
        hand.press("a")
        hand.settle()
        page.wait_for_timeout(400)
        go_through()
    left = [k for k in range(len(cells)) if k not in todo.delete or k not in done]
    for k in sorted((todo.delete | set(todo.relabel)) - done):  # green, and wrong
        hand.choose(cells[k], [cells[j] for j in left if j != k])
        hand.say(k, todo, "k")
    hand.draw(todo)
    return hand.save()


def _check(path: Path, image_id: int, truth: Truth) -> None:
    end = time.monotonic() + 20
    while True:
        with Project.open(path) as project:
            review = project.reviews.current(image_id)
        if review is not None:
            break
        assert time.monotonic() < end, "never saved"
        time.sleep(0.05)
    stored = np.array(review.annotations.boxes, float)
    best = _iou(truth.boxes, stored)
    right = sum(
        best[t].max() >= SAME and review.annotations.labels[best[t].argmax()] == truth.labels[t]
        for t in range(len(truth.labels))
    )
    print(f"    {right} of {len(truth.labels)} true cells are stored, {len(stored)} boxes", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["latency", "memory", "acts"])
    parser.add_argument("project", type=Path, nargs="?")
    parser.add_argument("coco", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--ways", default="canvas,cells,batches")
    given = parser.parse_args()
    if given.what == "acts":
        ways = {"canvas": by_canvas, "cells": by_cell_review, "batches": by_batch}
        acts(given.project, given.coco, given.images, [ways[name] for name in given.ways.split(",")])
    else:
        {"latency": latency, "memory": memory}[given.what]()
