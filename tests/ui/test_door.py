"""The door of the real server: whom it answers, whatever a browser on this PC was talked into asking."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit import config

from rbcal.store.project import Project
from rbcal.ui import door
from tests.browser.conftest import ROOT, free_port, wait_until_healthy

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}
UNPROTECTED = ["--server.enableCORS", "false", "--server.enableXsrfProtection", "false"]


@contextmanager
def started(folder: Path, *command: str) -> Iterator[tuple[int, str]]:
    """Run a server over a folder with one project; yield its port, and what it said."""
    Project.create(folder / "anaemia.rbcal").close()
    port, log = free_port(), folder / "log"
    environment = {**os.environ, "RBCAL_PROJECTS": str(folder)}
    full = [sys.executable, "-m", *(part.format(port=port) for part in command)]
    with log.open("w") as output:
        app = subprocess.Popen(full, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", app, log)
            yield port, log.read_text()
        finally:
            app.kill()
            app.wait()


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory) -> Iterator[int]:
    """The port of ``streamlit run app.py``, with all of Streamlit's own protection off."""
    run = ("streamlit", "run", "app.py", "--server.headless", "true", "--server.port", "{port}")
    with started(tmp_path_factory.mktemp("by_hand"), *run, *UNPROTECTED) as (port, said):
        assert f"Open rbcal at: http://127.0.0.1:{port}\n" in said
        yield port


@pytest.fixture(scope="module")
def on_the_network(tmp_path_factory) -> Iterator[tuple[int, str]]:
    """The port of ``rbcal app --address 0.0.0.0``, and what it said."""
    run = ("rbcal", "app", "--no-browser", "--port", "{port}", "--address", "0.0.0.0")
    with started(tmp_path_factory.mktemp("on_the_network"), *run) as server:
        yield server


def ask(port: int, path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Return the status, the text and the headers of an answer; a name like ``Set_Cookie`` has a dash."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(
            "GET", path, headers={name.replace("_", "-"): each for name, each in headers.items()}
        )
        answer = connection.getresponse()
        text = "" if answer.status == 101 else answer.read().decode()
        return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def stream(port: int, **headers: str) -> int:
    """Return the status of an attempt to open the web socket that the pages come through."""
    return ask(port, "/_stcore/stream", **UPGRADE, **headers)[0]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost@evil", ""]
)
def test_a_name_that_a_stranger_lets_point_here_gets_words_and_no_page(by_hand, host):
    name = host.format(port=by_hand)
    for path in ("/", "/review?project=anaemia", "/_stcore/host-config", "/_stcore/health"):
        status, text, _ = ask(by_hand, path, Host=name)
        assert (status, "answers to 127.0.0.1, localhost" in text) == (403, True)
        assert "anaemia" not in text
    assert stream(by_hand, Host=name, Origin=f"http://{name}") == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_this_pc_comes_in_by_hand_without_a_token(by_hand, host):
    name = f"{host}:{by_hand}"
    assert ask(by_hand, Host=name)[0] == 200
    assert stream(by_hand, Host=name, Origin=f"http://{name}") == 101


def test_a_page_of_another_site_or_port_gets_nothing(by_hand):
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):
        assert stream(by_hand, Host=f"127.0.0.1:{by_hand}", Origin=origin) == 403
        assert ask(by_hand, Host=f"127.0.0.1:{by_hand}", Origin=origin)[0] == 403


def test_no_page_is_shown_in_a_frame(by_hand):
    for path in ("/", "/review"):
        headers = ask(by_hand, path)[2]
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"] == "frame-ancestors 'none'"


def test_the_network_is_asked_for_the_token_and_told_where_it_is(on_the_network):
    port, said = on_the_network
    assert "It asks for the token" in said
    for headers in ({}, {"Cookie": f"rbcal_{port}=wrong"}):
        status, text, _ = ask(port, "/review?project=anaemia&token=wrong", **headers)
        assert (status, "opens with the address that it printed" in text, "anaemia" in text) == (
            403,
            True,
            False,
        )
        assert stream(port, **headers) == 403


def test_the_printed_address_opens_the_app_and_the_token_leaves_the_address(on_the_network):
    port, said = on_the_network
    query = re.search(rf"http://localhost:{port}/\?(token=\S+)", said)[1]
    status, _, headers = ask(port, f"/review?project=anaemia&{query}")
    assert (status, headers["location"]) == (303, "/review?project=anaemia")
    assert "HttpOnly" in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    assert ask(port, Cookie=cookie, Host=f"slides-pc:{port}")[0] == 200
    assert stream(port, Cookie=cookie) == 101
    assert stream(port, Cookie=cookie, Origin="http://evil.example") == 403


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.7", None])
def test_a_server_started_by_hand_for_others_makes_a_token_of_its_own(address, monkeypatch):
    real = config.get_option
    monkeypatch.setenv(door.TOKEN, "")
    monkeypatch.setattr(
        config, "get_option", lambda name: address if name == "server.address" else real(name)
    )
    assert len(door.token()) > 20
    assert door.token() in door.start_address()
