"""The reliability diagram on the Progress page, without a browser."""

from __future__ import annotations

from tests.charts.test_calibration import reviewed
from tests.ui import test_pages
from tests.ui.test_pages import words

app, measured = test_pages.app, test_pages.measured  # fixtures


def test_before_the_first_reviews_the_page_says_what_it_waits_for(app, measured):
    assert "0 so far" in words(app("progress"))


def test_the_diagram_is_shown_once_reviews_were_foreseen(app, measured, monkeypatch):
    monkeypatch.setattr("rbcal.store.reviews.Reviews.outcomes", lambda _: reviewed(30))
    at = app("progress")
    assert "400 cells that you looked at" in words(at)
    assert "calibration.png" in [each.key for each in at.get("download_button")]
