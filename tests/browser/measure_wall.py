"""Measure the wall of cells in a browser; docs/benchmarks/review.md has the figures. Asserts nothing.

    python -m tests.browser.measure_wall PROJECT COCO --cells 1000 --screen 24

A scripted expert names cells by the true boxes: it drags over three or more neighbours that are wrong in the
same way and presses the class once, points at the others one by one, and settles each screen with Enter. The
project stays as it is; COCO (a JSON file) has the true boxes of its images.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from playwright.sync_api import Locator, Page

from rbcal.store.project import Project
from tests.browser.measure import SAME, Truth, _iou, browse, read_truth

NEXT = """(before) => {
  const inside = (root) => root.querySelector('.wall') ?? [...root.querySelectorAll('*')]
    .map((each) => each.shadowRoot && inside(each.shadowRoot)).find(Boolean);
  const wall = inside(document);
  return wall?.dataset.busy === 'false' && wall.dataset.serial !== before;
}"""
RUN = 3  # neighbours from which on a drag and one key are fewer acts


def true_names(path: Path, truths: dict[str, Truth]) -> dict[int, str | None]:
    """Return what each detection of the current ranking is; None: no cell."""
    named: dict[int, str | None] = {}
    with Project.open(path) as project:
        ranking, names = project.rankings.current(), project.classes.names()
        assert ranking is not None
        for image in project.images.pool():
            truth = truths.get(Path(image.name).name)
            for cell in project.rankings.cells(ranking.id, image.id):
                named[cell.detection_id] = None
                if truth is None or not len(truth.labels):
                    continue
                overlap = _iou(np.array(cell.box)[None], truth.boxes)[0]
                if overlap.max() >= SAME:
                    named[cell.detection_id] = names[truth.labels[overlap.argmax()]]
    return named


def name_screen(page: Page, truth: dict[int, str | None], keys: dict[str, str]) -> tuple[int, int, int]:
    """Name the wrong cells of a screen; return how many cells it has, how many were wrong, and the acts."""
    tiles = page.locator(".wall .cell")
    texts = tiles.evaluate_all(
        "all => all.map(e => [Number(e.dataset.id), e.querySelector('.name').textContent])"
    )
    shown = [(cell, text.rsplit(" ", 1)[0]) for cell, text in texts]  # without the chance
    runs = defaultdict[str | None, list[list[int]]](list)
    for place, (cell, name) in enumerate(shown):
        wanted = truth[cell]
        if wanted == name:
            continue
        if runs[wanted] and runs[wanted][-1][-1] == place - 1:
            runs[wanted][-1].append(place)
        else:
            runs[wanted].append([place])
    acts = 0
    for wanted, places in runs.items():
        key = "Delete" if wanted is None else keys[wanted]
        for run in places:
            if len(run) >= RUN:
                drag(page, tiles, run)
                page.keyboard.press(key)
                acts += 2
                continue
            for place in run:
                tiles.nth(place).hover()
                page.keyboard.press(key)
                acts += 1
    return len(shown), sum(len(run) for places in runs.values() for run in places), acts


def drag(page: Page, tiles: Locator, run: list[int]) -> None:
    """Drag the mouse over neighbours."""
    for place in run:
        box = tiles.nth(place).bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=2)
        if place == run[0]:
            page.mouse.down()
    page.mouse.up()


def measure(source: Path, coco: Path, n_cells: int, screen: str, reads: float) -> None:
    """Name so many cells of a copy of a project, each screen read for some seconds; print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wall.rbcal"
        shutil.copy(source, path)
        with Project.open(path) as project:
            truths = read_truth(coco, project.classes.names())
        truth = true_names(path, truths)
        with browse(Path(folder)) as (page, address, _):
            page.set_viewport_size({"width": 1280, "height": 720})
            page.goto(f"{address}/review?project=wall")
            page.locator(".wall[data-busy=false] .cell").first.wait_for()
            page.get_by_role("radio", name=screen, exact=True).click(force=True)
            page.wait_for_timeout(3000)
            buttons = page.locator(".wall .keys button").all()
            keys = {each.locator("span").inner_text(): each.locator("kbd").inner_text() for each in buttons}
            screens, waits = [], []
            while sum(each[0] for each in screens) < n_cells:
                screens.append(name_screen(page, truth, keys))
                page.wait_for_timeout(1000 * reads)
                before = page.locator(".wall").get_attribute("data-serial")
                started = time.perf_counter()
                page.keyboard.press("Enter")
                page.wait_for_function(NEXT, arg=before)
                waits.append(time.perf_counter() - started)
    n, wrong, acts = np.array(screens).sum(axis=0)
    p50, p95 = np.percentile(waits, [50, 95])
    print(
        f"{n} cells, {wrong / n:.0%} named wrong, {(acts + len(screens)) / n:.3f} acts a cell; Enter until "
        f"the next screen {p50:.3f} s, p95 {p95:.3f} s, {sum(waits):.0f} s in all of {len(waits)} screens"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", type=Path)
    parser.add_argument("coco", type=Path)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--screen", default="24")
    parser.add_argument(
        "--reads", type=float, default=2, help="seconds before Enter; the page takes none before 0.4"
    )
    given = parser.parse_args()
    measure(given.project, given.coco, given.cells, given.screen, given.reads)
