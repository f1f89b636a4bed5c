"""Make the pictures of the documentation anew, from the real app over a copy of a project.

    python docs/pictures/make.py projects/smear.rbcal

The project needs a model with a second look, a ranked pool and a test set: that of docs/pictures/rehearse.py.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from rbcal.store.project import Project

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
SIZE = {"width": 1280, "height": 720}
PATIENCE_MS = 120_000
REST_MS = 6000  # charts and pictures come after the words
# Who annotates was asked already, and the answer was: nobody by name.
ANSWERED = {"name": "rbcal_annotator", "value": "name%3A", "domain": "127.0.0.1", "path": "/"}


@contextmanager
def opened(project: Path) -> Iterator[tuple[Page, str]]:
    """Give a page of the app over a copy of a project, and its address; the project is not touched."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("The pictures are taken with Chromium. Install it first.")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(project, Path(folder) / "smear.rbcal")
        copy_bare(Path(folder) / "smear.rbcal", Path(folder) / "bare.rbcal")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", str(HERE.parents[1] / "app.py")]
        command += ["--server.headless", "true", "--server.port", str(port)]
        app = subprocess.Popen(command, cwd=HERE.parents[1], env={**os.environ, "RBCAL_PROJECTS": folder})
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/_stcore/health")
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                context = chromium.new_context(viewport=SIZE)
                context.add_cookies([ANSWERED])
                page = context.new_page()
                page.set_default_timeout(PATIENCE_MS)
                page.goto(f"{address}/?project=smear")
                page.get_by_text("annotated with").first.wait_for()
                yield page, address
                chromium.close()
        finally:
            app.terminate()
            app.wait()


def copy_bare(path: Path, bare: Path) -> None:
    """Make a project of three bare images of another one: no boxes, and no model."""
    with Project.open(path) as full, Project.create(bare, classes=full.classes.names()) as project:
        for entry in full.queue.top(3):
            image = full.images.get(entry.image_id)
            size = {"width": image.width, "height": image.height}
            content = full.images.content(image.id)
            project.images.add(content, name=image.name, group=image.group, split="work", **size)


def draw(page: Page, address: str) -> None:
    """Go through the screens, and keep a picture of each."""
    page.goto(f"{address}/?project=smear")
    keep(page, "project", "annotated with")
    page.goto(f"{address}/review?project=smear")
    page.locator(".wall[data-busy=false] .cell").first.wait_for()
    keep(page, "wall", "Cells")
    page.locator(".st-key-review_unit").get_by_text("Images").click()
    keep(page, "review", "Save & next")
    page.keyboard.press("w")
    keep(page, "walk", "Save & next")
    page.keyboard.press("g")
    page.get_by_text("Keep all (Enter)").wait_for()
    page.keyboard.press("Enter")  # the first class has one cell
    keep(page, "side_by_side", "Save & next")
    page.goto(f"{address}/review?project=bare")
    page.get_by_role("button", name="Box the cells by outline").click()
    page.get_by_text("boxed by outline").wait_for()
    page.keyboard.press("w")
    for key in "4464":  # one cell after another
        page.wait_for_timeout(REST_MS / 6)
        page.keyboard.press(key)
    page.wait_for_timeout(REST_MS / 6)
    page.keyboard.press("w")
    keep(page, "outline", "cells named")
    page.goto(f"{address}/progress?project=smear")
    keep(page, "progress", "annotated cells")
    page.get_by_role("tab", name="Classes").click()
    page.get_by_text("What the model still gets wrong").scroll_into_view_if_needed()
    page.mouse.move(SIZE["width"] / 2, SIZE["height"] / 2)
    page.mouse.wheel(0, SIZE["height"] - 120)
    keep(page, "errors", "What the model still gets wrong")


def keep(page: Page, name: str, words: str) -> None:
    """Keep a picture of the page once it shows some words and has come to rest."""
    page.get_by_text(words).first.wait_for()
    page.wait_for_timeout(REST_MS)
    hide_home(page)
    page.screenshot(path=HERE / f"{name}.png")
    print(HERE / f"{name}.png")


def hide_home(page: Page) -> None:
    """Show no folder of this machine where the page suggests one."""
    script = "for (const each of document.querySelectorAll('input')) each.placeholder = each.placeholder"
    page.evaluate(f"{script}.replace(/^.*[\\\\/]/, '.../')")


def wait_for(address: str) -> None:
    """Return when a server answers."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"{address} does not answer.")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("Usage: python docs/pictures/make.py PROJECT.rbcal")
    with opened(Path(sys.argv[1])) as (page, address):
        draw(page, address)
