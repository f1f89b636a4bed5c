"""The canvas component and its companion, mounted. Importing this needs a running Streamlit."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from pages._desk import CANVAS, COMPANION, Desk, act
from rbcal.view import canvas

_companion = st.components.v2.component(
    "rbcal.companion", js=(Path(__file__).parent / "_companion.js").read_text("utf-8")
)


def show_canvas(desk: Desk) -> None:
    """Show the image with its boxes to edit."""
    st_canvas(
        key=CANVAS,
        background_image=desk.picture,  # bytes: a picture object would be encoded anew at each rerun
        initial_drawing=desk.drawing,  # constant until we redraw; what comes back is never fed in again
        width=desk.frame.canvas_width,
        height=desk.frame.canvas_height,
        drawing_mode="labeled_rect",
        label=desk.pen.texts[desk.view.label],
        stroke_color=canvas.BLUE,
        stroke_width=desk.pen.line,  # type: ignore[arg-type]  # a float does, too
        fill_color="rgba(0, 0, 0, 0)",
        font_size=desk.pen.font,  # type: ignore[arg-type]
        on_change=lambda: act(None),
    )


def show_companion(desk: Desk) -> None:
    """Mount the companion beside the canvas; it shows nothing of its own."""
    chosen = desk.history.find(desk.selected)
    _companion(
        key=COMPANION,
        data={
            "mode": "draw" if desk.view.drawing else "edit",
            "classes": len(desk.classes),
            "ring": None if chosen is None else list(desk.frame.to_canvas(chosen.box)),
            "centre": desk.centre,
            "zoom": desk.view.zoom,
            "image": desk.image.id,
            "done": desk.view.done,  # it holds the mouse back until what it asked for is done
        },
        height=1,
        on_point_change=lambda: act(None),
        on_act_change=lambda: act(None),
    )
