"""What Streamlit lacks for whoever works without a mouse: where the focus is, and a way into a popover."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

# The page that Tab has reached in the menu looks almost like the others.
_STYLE = """<style>
  [data-testid="stSidebarNavLink"]:focus-visible { outline: 2px solid var(--st-primary-color, #1f6feb);
    outline-offset: -2px; }
  .st-key-keyboard { position: absolute; }  /* it shows nothing, and takes no room */
</style>"""
_keyboard = st.components.v2.component(
    "rbcal.keyboard", js=(Path(__file__).parent / "js" / "keyboard.js").read_text("utf-8")
)


def help_keyboard() -> None:
    """Show which page of the menu has the focus, and give it to a popover that a key opens."""
    st.html(_STYLE)
    with st.sidebar:
        _keyboard(key="keyboard", data={}, height=0)
