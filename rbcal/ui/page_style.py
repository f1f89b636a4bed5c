"""What pages with a grid of pictures ask of the layout: less room above it than Streamlit leaves."""

from __future__ import annotations

import streamlit as st

_COMPACT = """<style>
  .stMainBlockContainer:has(.rbcal-compact) { padding-top: 3rem; padding-bottom: 3rem; }
</style><span class="rbcal-compact" hidden>.</span>"""


def compact_page() -> None:
    """Leave little room above what follows, so that more pictures fit on the first screen."""
    st.html(_COMPACT)
