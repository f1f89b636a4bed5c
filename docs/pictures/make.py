"""Make the pictures of the documentation anew, from the real app over a copy of a project.

    python -m uv run rbcal demo pictures
    python -m uv run python docs/pictures/make.py projects/pictures.rbcal

The project needs a trained model, a ranked pool and a test set; that of `rbcal demo` has them.
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
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
SIZE = {"width": 1280, "height": 720}
PATIENCE_MS = 60_000


def main(project: Path) -> None:
    """Draw every picture from a project file, which is not touched."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("The pictures are taken with Chromium. Install it first.")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(project, Path(folder) / "smear.rbcal")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "rbcal", "app", "--no-browser", "--port", str(port)]
        app = subprocess.Popen([*command, "--projects", folder], env=dict(os.environ))
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/_stcore/health")
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                page = chromium.new_page(viewport=SIZE)
                page.set_default_timeout(PATIENCE_MS)
                draw(page, address)
                chromium.close()
        finally:
            app.terminate()
            app.wait()


def draw(page: Page, address: str) -> None:
    """Go through the screens, and keep a picture of each."""
    page.goto(f"{address}/?project=smear")
    keep(page, "project", "annotated with")
    page.goto(f"{address}/review?project=smear")
    keep(page, "review", "Save & next")
    page.keyboard.press("w")
    keep(page, "walk", "Save & next")
    page.keyboard.press("g")
    keep(page, "side_by_side", "Save & next")
    page.goto(f"{address}/progress?project=smear")
    keep(page, "progress", "What each annotated cell bought")
    page.get_by_text("What the model still gets wrong").scroll_into_view_if_needed()
    page.mouse.move(SIZE["width"] / 2, SIZE["height"] / 2)
    page.mouse.wheel(0, SIZE["height"] - 120)
    keep(page, "errors", "What the model still gets wrong")


def keep(page: Page, name: str, words: str) -> None:
    """Keep a picture of the page once it shows some words and has come to rest."""
    page.get_by_text(words).first.wait_for()
    page.wait_for_timeout(6000)  # charts and pictures come after the words
    page.screenshot(path=HERE / f"{name}.png")
    print(HERE / f"{name}.png")


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
    main(Path(sys.argv[1]))
