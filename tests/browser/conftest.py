"""The real app in a real browser: a server on a folder of projects, and a page."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import visitor
from tests.browser.driver import Canvas

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
collect_ignore = ["contract_app.py"]  # a page for the server, not a module for doctest
LOCAL = ("http://127.0.0.1:", "data:", "blob:", "about:")  # where a page may load from
PATIENCE_MS = 20_000  # a busy machine is slow, not broken
HARMLESS = "reading 'fire'"  # the canvas component, when the editing of a label ends

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m "not browser"` leaves them out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        assert "RBCAL_REQUIRE_BROWSER" not in os.environ, "CI needs Chromium"
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


def serve(script: Path, folder: Path, log: Path) -> Iterator[str]:
    """Run a Streamlit script on a free port; yield its address once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.headless", "true"]
    environment = {**os.environ, "RBCAL_PROJECTS": str(folder)}
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_healthy(address, server, log)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(log.read_text())


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server of this session looks for projects in."""
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="session")
def server(browser: Browser, projects: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app; one server serves all tests, each with a project of its own."""
    for address in serve(ROOT / "app.py", projects, tmp_path_factory.mktemp("log") / "server.log"):
        # Until app.py has run once, Streamlit takes pages/ for its own way of paging.
        first = browser.new_page()
        first.goto(address)
        expect(first.get_by_role("link", name="Progress")).to_have_count(1)
        expect(first.locator(".stMain")).to_contain_text("project", ignore_case=True)
        first.close()
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own session, whose errors fail the test."""
    context = visitor.context(browser, viewport={"width": 1700, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert [url for url in asked if not url.startswith(LOCAL)] == []
    assert not [error for error in errors if HARMLESS not in error]


@pytest.fixture
def open_review(page: Page, server: str) -> Callable[..., Canvas]:
    """A function that opens the Review page of a project and returns its canvas."""

    def open_it(name: str, width: int = 640) -> Canvas:
        page.goto(f"{server}/review?project={name}")
        return Canvas(page, width)

    return open_it
