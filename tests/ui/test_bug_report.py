"""The text for a bug report: offered below an error, made when it is asked for, and closed again."""

from __future__ import annotations

import pytest

from rbcal.config import TrainConfig
from rbcal.doctor import collect as doctor
from rbcal.store.job_requests import TrainJob
from tests.test_doctor import CPU
from tests.ui.test_pages import button, words

OFFER = "Text for a bug report"


@pytest.fixture(autouse=True)
def _torch_is_not_asked(monkeypatch):
    monkeypatch.setattr(doctor, "_devices", lambda: CPU)


def labels(at):
    return [each.label for each in at.button]


def text(at):
    return "\n".join(each.value for each in at.code)


def test_below_an_error_it_is_offered_and_not_made(app, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "collect", lambda *_, **__: pytest.fail("nobody asked"))
    (tmp_path / "bad.rbcal").write_bytes(b"nonsense")
    assert OFFER in labels(app())


def test_it_comes_when_asked_for_and_goes_when_closed(app, tmp_path):
    (tmp_path / "bad.rbcal").write_bytes(b"nonsense")
    at = app()
    button(at, OFFER).click().run()
    assert "Error     ProjectError < rbcal.store.project:" in text(at)
    assert "1: 0.0 MB, format unknown; NOT WHOLE: ProjectError" in text(at)
    assert "bad" not in text(at)
    assert "bad.rbcal is not an rbcal project" in words(at)
    button(at, "Close").click().run()
    assert text(at) == ""


def test_it_stays_while_the_user_goes_on_and_is_made_once(app, tmp_path, monkeypatch):
    (tmp_path / "bad.rbcal").write_bytes(b"nonsense")
    at = app()
    button(at, OFFER).click().run()
    monkeypatch.setattr(doctor, "collect", lambda *_, **__: pytest.fail("it is there"))
    at.run()
    assert "ProjectError" in text(at)


def test_a_page_without_an_error_offers_none(app, project):
    assert OFFER not in labels(app())


def test_below_an_error_that_nobody_foresaw_it_is_offered_too(app, project, monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError("slides")

    at = app()
    monkeypatch.setattr("rbcal.store.images.Images.counts", stumble)
    at.run()
    assert at.exception
    button(at, OFFER).click().run()
    assert "Error     ZeroDivisionError < project.py:" in text(at)


def test_a_failed_job_offers_it(app, project):
    project.jobs.end(project.jobs.add(TrainJob(TrainConfig())), "failed", "ValueError: slides")
    at = app("train")
    button(at, OFFER).click().run()
    assert "last job: train failed, ValueError" in text(at)
