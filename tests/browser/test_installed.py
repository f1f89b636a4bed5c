"""The wheel: unpacked elsewhere, `rbcal app` starts the app with its pages, and a project can be made."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, free_port, wait_until_healthy


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("site packages Ж")
    built = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built], cwd=ROOT, check=True
    )
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    return folder


@pytest.fixture
def address(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The app, started from a folder with a name that breaks what is put together by hand."""
    here = tmp_path / "Müller's slides"
    here.mkdir()
    port, log = free_port(), tmp_path / "log"
    search = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": search}
    environment.pop("RBCAL_PROJECTS", None)
    command = [sys.executable, "-m", "rbcal", "app", "--no-browser", "--port", str(port)]
    with log.open("w") as output:
        app = subprocess.Popen(command, cwd=here, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", app, log)
            yield re.findall(r"Open rbcal at: (\S+)", log.read_text())[0]
        finally:
            app.terminate()
            app.wait(20)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)), "the app outlived its command"


def test_the_installed_app_makes_a_project(page: Page, address: str, installed: Path, tmp_path: Path):
    page.goto(address)
    page.get_by_label("Name").fill("anaemia")
    page.get_by_label("Name").press("Tab")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_text("Import images").first).to_be_visible()
    assert (tmp_path / "Müller's slides" / "projects" / "anaemia.rbcal").exists()
    page.get_by_role("link", name="Review").click()
    expect(page.get_by_text("Which kinds of cells will you name?")).to_be_visible()


def test_a_port_that_is_taken_is_said(address: str):
    port = str(urlsplit(address).port)
    command = [sys.executable, "-m", "rbcal", "app", "--no-browser", "--port", port]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"Port {port} is taken" in refused.stderr
