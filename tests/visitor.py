"""A visitor of the app who was asked already who annotates, and said: without a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ANSWERED = {"name": "rbcal_annotator", "value": "name%3A", "domain": "127.0.0.1", "path": "/"}  # a cookie


def app_test(script: Path, seconds: float) -> AppTest:
    """Return the app, not run yet, in a session that has a name."""
    at = AppTest.from_file(script, default_timeout=seconds)
    at.session_state["annotator"] = ""
    return at


def context(browser: Any, **options: Any) -> Any:
    """Return a new context of a Playwright browser, which keeps the answer."""
    new = browser.new_context(**options)
    new.add_cookies([ANSWERED])
    return new
