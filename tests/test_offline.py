"""Nothing that a test starts reaches beyond this machine: the guard itself is tried here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.offline import sitecustomize


def test_a_connection_to_another_machine_is_refused_here(monkeypatch):
    monkeypatch.delenv(sitecustomize.NOTES)
    with pytest.raises(ConnectionRefusedError, match="no test reaches beyond this machine"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(ConnectionRefusedError, match="asked for download"):
        socket.getaddrinfo("download.pytorch.org", 443)


def test_a_process_that_a_test_starts_is_refused_too_and_its_attempt_noted(tmp_path):
    notes = tmp_path / "attempts.txt"
    program = "import urllib.request; urllib.request.urlopen('http://example.org')"
    environment = os.environ | {sitecustomize.NOTES: str(notes)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert "example.org" in notes.read_text()


def test_this_machine_may_be_asked():
    for host in ("localhost", "127.0.0.1", b"::1", None):
        assert sitecustomize.is_local(host)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
