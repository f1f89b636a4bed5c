"""Hands and eyes for the browser tests: a driver of the canvas, patience, and projects to review."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
from playwright.sync_api import Locator, Page, expect

from rbcal import synth
from rbcal.acquisition.relevance import CellScores, flags, relevance
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.interchange.near_duplicates import perceptual_hash
from rbcal.live_head import LastLayer
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Score
from rbcal.types import CROP_EMBEDDING_SIZE, EMBEDDING_SIZE

PAINTED = """() => {
  for (const host of document.querySelectorAll('[data-testid=stBidiComponentIsolated]')) {
    const canvas = host.shadowRoot?.querySelector('canvas.dc-canvas');
    if (!canvas || !canvas.width) continue;
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 3; i < pixels.length; i += 4) if (pixels[i]) return true;
  }
  return false;
}"""

UNIT = np.full(EMBEDDING_SIZE, EMBEDDING_SIZE**-0.5, np.float32)
WEIGHTS = safetensors.numpy.save({"nothing": np.zeros(1, np.float32)})  # opens, and verify finds it whole


class Canvas:
    """Drives the canvas of the Review page in pixels of an image of `width` pixels."""

    def __init__(self, page: Page, width: int) -> None:
        self.page = page
        self.width = width
        self.element: Locator = page.locator("canvas.upper-canvas")

    def ready(self) -> Canvas:
        """Wait until the boxes of the open image are painted and the companion holds the canvas."""
        self.page.wait_for_function(PAINTED)
        self.page.locator(".dc-root[data-settled=true]").wait_for()
        expect(self.page.get_by_label("Edit", exact=True)).to_have_attribute("aria-pressed", "true")
        return self

    def ready_to_draw(self) -> Canvas:
        """Wait until the companion has put its hands on the canvas, in draw mode."""
        self.page.locator(".dc-root[data-settled=true]").wait_for()
        expect(self.page.get_by_label("Edit", exact=True)).to_have_attribute("aria-pressed", "false")
        return self

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place on the screen of a point of the image."""
        box = self.element.bounding_box()
        assert box is not None
        scale = box["width"] / self.width
        return box["x"] + x * scale, box["y"] + y * scale

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
        """Drag from one point of the image to another; return how far the mouse, of whole pixels, went."""
        mouse = self.page.mouse
        (x1, y1), (x2, y2) = (tuple(map(round, self.at(*point))) for point in (start, end))
        mouse.move(x1, y1)
        mouse.down()
        mouse.move((x1 + x2) // 2, (y1 + y2) // 2, steps=3)
        mouse.move(x2, y2, steps=3)
        mouse.up()
        scale = self.at(1, 0)[0] - self.at(0, 0)[0]
        return (x2 - x1) / scale, (y2 - y1) / scale

    def draw_mode(self) -> None:
        """Press D, and wait until the canvas has understood."""
        edit = self.page.get_by_label("Edit", exact=True)
        was = edit.get_attribute("aria-pressed")
        self.page.keyboard.press("d")
        expect(edit).to_have_attribute("aria-pressed", "false" if was == "true" else "true")


class CellReview:
    """Drives the cell review of the Review page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.element: Locator = page.locator(".cell-review:not([hidden])")

    def ready(self) -> CellReview:
        """Wait until it shows a cell and nothing is on its way."""
        self.page.locator(".cell-review:not([hidden])[data-settled=true]").wait_for()
        return self

    @property
    def cell(self) -> int:
        """The id of the box that is shown."""
        return int(self.element.get_attribute("data-cell") or -1)

    def press(self, *keys: str) -> CellReview:
        """Press keys, and wait until all that they mean is done."""
        for key in keys:
            self.page.keyboard.press(key)
        self.page.wait_for_timeout(80)  # the page looks for what is settled every 60 ms
        self.page.locator("[data-settled=true]:visible").first.wait_for()
        return self

    def drag_corner(self, dx: int, dy: int) -> tuple[float, float]:
        """Drag the lower right corner by pixels of the screen; return by how many of the image."""
        box = self.page.locator(".crop .handle").last.bounding_box()
        frame = self.page.locator(".crop").bounding_box()
        assert box is not None
        assert frame is not None
        x, y = round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + dx, y + dy, steps=4)
        mouse.up()
        across = float((self.page.locator(".crop").get_attribute("viewBox") or "").split()[2])
        return dx * across / frame["width"], dy * across / frame["width"]


def eventually(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until a condition holds; the database says it, so Playwright cannot wait for us."""
    begin = time.monotonic()
    while not condition():
        waited = time.monotonic() - begin
        assert waited < seconds, f"never: {what}"
        time.sleep(min(0.25, 0.02 + waited / 20))  # who waits for a training leaves the core to it


def plant(
    path: Path,
    n_images: int = 3,
    *,
    classes: Sequence[str] = ("disc", "slit", "spiky"),
    rare: Sequence[str] = ("spiky",),
    width: int = 640,
    height: int = 480,
    n_cells: int = 55,
    fewer: int = 10,
    ranked: bool = True,
    asks: bool = False,
    blind: bool = False,
    embedded: bool = False,
) -> list[int]:
    """Create a project whose pool a model seems to have ranked; return the images in the order of the queue.

    Every third cell is unsure of its class, every fourth of its box; later images have `fewer` cells.
    Unless it `asks`, boxes that nobody read are saved as such without a question. Unless it is `blind`, spot
    checks show the model's names and no image becomes a test image.
    Cells are `embedded` for what chooses cells.
    """
    with Project.create(path, classes=classes, rare=rare) as project:
        project.ask_of_unread(ask=asks)
        project.splits.hide_names(hide=blind)
        project.splits.grow(4 if blind else 0)
        scene = {"width": width, "height": height, "n_classes": min(3, len(classes))}
        pixels, seed = synth.draw(900, n_cells=6, **scene)
        seed_id = _add(project, pixels, "seed.png")
        project.reviews.save(seed_id, seed, origin="import", base_revision=0)
        project.colours.choose("paper", 0.02)  # the scores are made up, so no promise can be kept
        model_id = project.models.add(TrainConfig(), WEIGHTS, {"train": project.images.annotated()}, 1.0)
        project.models.promote(model_id, "gate")
        config = ScoringConfig()
        ranking_id = project.rankings.begin(model_id, config)
        images = []
        for number in range(n_images):
            pixels, truth = synth.draw(number, n_cells=n_cells - fewer * number, **scene)
            images.append(_add(project, pixels, f"{number:03}.png"))
            cells = [
                _cell(box, int(label), position, len(classes))
                for position, (box, label) in enumerate(zip(truth.boxes, truth.labels, strict=True))
            ]
            if embedded:
                cells = [cell._replace(bald=0.1, agreement=0.9, rate=1.0, embedding=UNIT) for cell in cells]
            project.rankings.add(ranking_id, images[-1], _score(cells, config), cells)
        if ranked:
            project.rankings.finish(ranking_id)
        return [image_id for image_id, _ in project.queue.order()]


def let_learn(path: Path) -> None:
    """Give a planted project's model a second look, whose names learn from answers."""
    rng = np.random.default_rng(0)
    with Project.open(path) as project, project.transaction():
        nothing = LastLayer(np.zeros((3, CROP_EMBEDDING_SIZE), np.float32), np.zeros(3, np.float32))
        project.live_heads.begin(project.rankings.current().id, nothing)
        for (detection,) in project._database.tuples("SELECT id FROM detection"):
            embedding = rng.uniform(size=CROP_EMBEDDING_SIZE).astype("<f2").tobytes()
            project._database.write(
                "UPDATE detection SET bald = 0.1, agreement = 0.9, rate = 1.0, embedding = ? WHERE id = ?",
                (embedding, detection),
            )


def _add(project: Project, pixels: synth.Pixels, name: str) -> int:
    height, width = pixels.shape[:2]
    return project.images.add(
        synth.encode(pixels),
        name=name,
        width=width,
        height=height,
        group=name,
        split="work",
        perceptual_hash=perceptual_hash(pixels),  # as an import does
    )


def _cell(box: np.ndarray, label: int, position: int, n_classes: int) -> Cell:
    probs = np.full(n_classes + 1, 0.1 / n_classes, np.float32)
    probs[label + 1] = 0.9
    unsure, loose = position % 3 == 0, position % 4 == 0
    passes = box + np.float32([[0, 0, 0, 0], [-1, 0, 0, 1.5], [0.5, -1, 1, 0]])
    return Cell(0, box, 0.7 if loose else 0.95, 0.6 if unsure else 1.0, u_r=0.0, probs=probs, passes=passes)


def _score(cells: list[Cell], config: ScoringConfig) -> Score:
    scores = CellScores(*(np.array([getattr(cell, u) for cell in cells]) for u in ("u_d", "u_c", "u_r")))
    fired = flags(scores, config)
    terms = (fired.any, fired.class_unsure, fired.box_unsure, fired.maybe_rare)
    return Score(relevance(scores, config), len(cells), *(int(term.sum()) for term in terms))
