"""What makes a cell green, as the expert chooses it under *View*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import streamlit as st

from rbcal.jobs.colours import colour
from rbcal.review import edits
from rbcal.review.editor import Editor
from rbcal.store.colours import ColourBy
from rbcal.ui.session import session

COLOURS_BY: Mapping[ColourBy, str] = {"chance": "chance of an error", "paper": "the paper's thresholds"}
PROMISES = (0.01, 0.02, 0.05, 0.1)  # shares of the green cells


def choose_colours(editor: Editor) -> None:
    """Ask what makes a cell green; the image opens anew in its new colours, with all that was done to it."""
    now = editor.predictions.colours
    by = st.segmented_control(
        "Colours",
        get_args(ColourBy),
        default=now.by,
        required=True,
        format_func=COLOURS_BY.__getitem__,
        help="By the chance that you would change the cell, or by the paper's thresholds on U^d, U^c, U^r.",
    )
    promise = st.select_slider(
        "Of the green cells, wrong at most",
        sorted({*PROMISES, now.promise}),
        now.promise,
        format_func="{:.0%}".format,
        disabled=by == "paper",
        help="A cell is green only where this can be promised with 95 % confidence. The promise rests on "
        "cells whose truth is known: those of test images, and those that you kept or corrected.",
    )
    if (by, promise) != (now.by, now.promise):
        edits.settle(editor, theirs_last=True)  # the expert has not chosen yet: both are in the log then
        with editor.log.file.open() as project:
            project.colours.choose(by, promise)
            if (ranking := project.rankings.current()) is not None:
                colour(project, ranking)
        session.wanted_image, session.editor = editor.image.id, None
        st.rerun()
