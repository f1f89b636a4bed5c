"""The way back from an image: what was chosen on the page before is chosen again."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from rbcal.ui.review import way_back
from rbcal.ui.session import WayBack


def page() -> None:
    import streamlit as st

    from rbcal.ui.review.way_back import restore_widgets

    if not st.session_state.get("is_away"):
        restore_widgets("progress")
        st.text_input("Kind", key="errors_kind")


def test_a_page_that_a_late_edit_empties_is_as_it_was_left_and_what_is_chosen_then_stays(monkeypatch):
    at = AppTest.from_function(page)
    at.session_state["way_back"] = WayBack(1, "progress", {"errors_kind": "missed"})
    assert at.run().text_input[0].value == "missed"
    at.session_state["is_away"] = True
    at.run()
    at.session_state["is_away"] = False
    assert at.run().text_input[0].value == "missed"
    assert at.text_input[0].set_value("doubles").run().text_input[0].value == "doubles"
    monkeypatch.setattr(way_back.time, "monotonic", lambda: 1e12)
    at.run()
    assert "way_back" not in at.session_state
    assert at.text_input[0].value == "doubles"
