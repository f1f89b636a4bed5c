"""The reliability diagram on the Progress page, without a browser."""

from __future__ import annotations

from rbcal.jobs import colours
from tests.charts.test_calibration import evidence
from tests.ui.test_pages import words


def test_before_anything_is_known_the_page_says_what_it_waits_for(app, measured):
    assert "some of them wrong; 0 so far" in words(app("progress", "Details"))


def test_the_diagram_is_shown_from_the_first_ranking_on(app, measured, monkeypatch):
    monkeypatch.setattr(colours, "read_evidence", lambda *_: evidence(400, n_read=40))
    at = app("progress", "Details")
    assert "400 cells whose truth is known" in words(at)
    assert "calibration.png" in [each.key for each in at.get("download_button")]
