"""Which project is open."""

import runpy
from pathlib import Path

import streamlit as st


def open_project_path() -> Path:
    """Return the file of the project that app.py opened."""
    if "project" not in st.session_state:
        # A fresh server whose first request names a page takes pages/ for Streamlit's first way of paging
        # and runs that page without app.py. So run app.py now: it opens the project and the page again.
        runpy.run_path(str(Path(__file__).parents[1] / "app.py"), run_name="__main__")
        st.stop()
    return Path(st.session_state["project"])
