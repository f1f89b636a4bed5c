"""Errors of ours as words on the screen, in the parts that rerun by themselves: app.py does not see those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from rbcal.errors import RbcalError


@contextmanager
def errors_as_words() -> Iterator[None]:
    """Show an error of ours where it happens, instead of a traceback; it decorates a fragment, too."""
    try:
        yield
    except RbcalError as err:
        st.error(str(err), icon=":material/error:")
