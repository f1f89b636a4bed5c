"""What Streamlit lacks for whoever works without a mouse: where the focus is, and a way into a popover."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

# What Tab has reached looks almost like the others: a page of the menu, a switch; the buttons above a table
# and a chart are not seen at all without the mouse.
_STYLE = """<style>
  [data-testid="stSidebarNavLink"]:focus-visible, button[kind="elementToolbar"]:focus-visible,
  label[data-focus-visible]:has([role="switch"]) { outline: 2px solid var(--st-primary-color, #1f6feb);
    outline-offset: -2px; }
  [data-testid="stElementToolbar"]:focus-within { opacity: 1 !important; z-index: 20; }
  .st-key-keyboard { position: absolute; }  /* it shows nothing, and takes no room */
</style>"""
_keyboard = st.components.v2.component(
    "rbcal.keyboard", js=(Path(__file__).parent / "js" / "keyboard.js").read_text("utf-8")
)


def help_keyboard() -> None:
    """Show what has the focus, and give it to a popover that a key opens."""
    st.html(_STYLE)
    with st.sidebar:
        _keyboard(key="keyboard", data={}, height=0)
