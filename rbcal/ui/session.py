"""Which project is open."""

import runpy
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx


def open_project_path() -> Path:
    """Return the file of the project that app.py opened."""
    if "project" not in st.session_state:
        # A fresh server whose first request names a page takes pages/ for Streamlit's first way of paging
        # and runs that page without app.py. So run app.py now: it opens the project and the page again.
        if (context := get_script_run_ctx()) is not None:
            runpy.run_path(context.main_script_path, run_name="__main__")
        st.stop()
    return Path(st.session_state["project"])
