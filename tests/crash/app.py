"""A real server with a real browser at it; the server is killed after any act, and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

from playwright.sync_api import Page, sync_playwright

from rbcal.review.boxes import to_states
from rbcal.review.history import replay
from rbcal.store.project import Project
from tests.browser.conftest import ARGUMENTS, BROWSERS, wait_until_healthy
from tests.browser.driver import Canvas, eventually, plant
from tests.crash.editor import plain
from tests.crash.kill import ROOT, Tally, expect_sound
from tests.crash.scenes import expect, expect_acts

ACTS = 8  # at most, before the kill


def start(folder: Path) -> tuple[Any, str]:
    """Start the app on a folder of projects; return its process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.headless", "true"]
    log = folder / "server.log"
    with log.open("a") as output:
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "RBCAL_PROJECTS": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    wait_until_healthy(address, server, log)
    return server, address


class Server:
    """Boxes are edited with the keyboard; what the log has is what the page comes back with."""

    name = "the app, in a browser"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        folder = self.folder / f"app{number}"
        folder.mkdir()
        path = folder / "p.rbcal"
        image_id = plant(path, 1)[0]
        executable = next(filter(None, map(shutil.which, BROWSERS)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
            page = browser.new_context(viewport={"width": 1700, "height": 1000}).new_page()
            page.set_default_timeout(60_000)
            server, address = start(folder)
            try:
                acts = self._edit(page, address, path, image_id, rng)
            finally:
                server.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                server.wait()
            tally.midway += 1
            tally.acts += len(acts)
            expect_acts(path, acts)
            expect_sound(path)
            server, address = start(folder)
            try:
                self._expect_back(page, address, path, image_id)
            finally:
                server.kill()
                server.wait()
            browser.close()

    def _edit(self, page: Page, address: str, path: Path, image_id: int, rng: Random) -> list[dict[str, Any]]:
        """Walk from cell to cell by keys; each act is acknowledged when the page is settled."""
        _open(page, address)
        acts: list[dict[str, Any]] = []
        for _ in range(rng.randrange(3, ACTS)):
            before = _work(path, image_id).version
            page.keyboard.press(rng.choice(["1", "2", "3", "Delete", "Delete", "Control+z"]))
            page.wait_for_timeout(80)  # the page looks for what is settled every 60 ms
            page.locator("[data-settled=true]:visible").first.wait_for()
            work = _work(path, image_id)
            if work.version > before:
                acts.append({"image": image_id, "version": work.version, "boxes": plain(dict(work.boxes))})
        page.keyboard.press("Delete")  # and one that the kill may meet on its way
        page.wait_for_timeout(rng.uniform(0, 150))
        return acts

    def _expect_back(self, page: Page, address: str, path: Path, image_id: int) -> None:
        """The page shows the boxes of the log; undo and redo go on from there."""
        work = _work(path, image_id)
        history = replay(work)
        _open(page, address)
        n = len(work.boxes)
        page.get_by_text(f"{n} cells").first.wait_for()
        if history.past:
            page.keyboard.press("Control+z")
            wanted = to_states(history.past[-1])
            eventually(lambda: dict(_work(path, image_id).boxes) == wanted, "the undo of before the kill", 30)
            page.keyboard.press("Control+Shift+z")
            eventually(lambda: _work(path, image_id).boxes == work.boxes, "the redo after it", 30)
        expect(_work(path, image_id).boxes == work.boxes, "the boxes are not those of before")


def _open(page: Page, address: str) -> None:
    page.goto(f"{address}/review?project=p")
    Canvas(page, 640).ready()
    page.keyboard.press("w")  # the cell review: keys alone
    page.locator(".cell-review:not([hidden])[data-settled=true]").wait_for()


def _work(path: Path, image_id: int) -> Any:
    with Project.open(path) as project:
        return project.log.work(image_id)
