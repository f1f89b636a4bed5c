"""The thread in which names learn: one at a time, the last answer counts, and no error is lost."""

from __future__ import annotations

import threading

import pytest

from rbcal.errors import ProjectError
from rbcal.jobs import live, live_thread
from rbcal.store.project import ProjectFile


@pytest.fixture
def calls(monkeypatch):
    """What the thread was asked to do, and a gate that it waits at."""
    done, gate = [], threading.Event()

    def update(project, open_image):
        gate.wait(10)
        done.append(open_image)

    monkeypatch.setattr(live, "update", update)
    return done, gate


def test_saves_meanwhile_make_one_more_round_with_the_last_of_them(project, calls):
    done, gate = calls
    live_thread.start(project.file, 1)
    for image_id in (2, 3, 4):
        live_thread.start(project.file, image_id)
    assert done == []  # whoever saves does not wait
    gate.set()
    live_thread.join(project.file)
    assert done[-1] == 4
    assert len(done) <= 2
    assert live_thread.last_error(project.file) is None


@pytest.mark.parametrize("err", [ProjectError("No disk."), ZeroDivisionError("None.")])
def test_an_error_is_said_until_names_learn_again(project, calls, monkeypatch, err, caplog):
    def fail(project, open_image):
        raise err

    with monkeypatch.context() as patch:
        patch.setattr(live, "update", fail)
        live_thread.start(project.file)
        live_thread.join(project.file)
    assert str(err) in live_thread.last_error(project.file)
    assert "did not learn" in caplog.text
    calls[1].set()
    live_thread.start(project.file)
    live_thread.join(project.file)
    assert live_thread.last_error(project.file) is None


def test_a_project_that_is_gone_is_an_error_in_words(tmp_path, calls):
    calls[1].set()
    gone = ProjectFile(tmp_path / "gone.rbcal")
    live_thread.start(gone)
    live_thread.join(gone)
    assert "no project" in live_thread.last_error(gone)
