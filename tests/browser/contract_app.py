"""A page with nothing but the canvas component, that shows what the component reports."""

import json

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from rbcal.review.boxes import EditedBox
from rbcal.review.canvas_drawing import Frame, Pen, drawing, token_of

FRAME = Frame(400, 300, 400, 300)
BOXES = [(40, 40, 100, 90), (200, 150, 260, 210), (320, 220, 328, 228)]
CELLS = [EditedBox(k, box, k % 2) for k, box in enumerate(BOXES)]

serial = st.session_state.setdefault("serial", 1)
tokens = st.session_state.setdefault("tokens", [])
if st.button("Redraw"):
    serial = st.session_state["serial"] = serial + 1
if f"drawing {serial}" not in st.session_state:
    st.session_state[f"drawing {serial}"] = drawing(CELLS, FRAME, Pen(), f"7:{serial}")
st.space("medium")
result = st_canvas(
    key="canvas",
    initial_drawing=st.session_state[f"drawing {serial}"],
    width=400,
    height=300,
    drawing_mode="labeled_rect",
    label="",
    stroke_width=2,
    fill_color="rgba(0, 0, 0, 0)",
)
tokens.append(f"{serial}>{token_of(result.json_data)}")
st.text(json.dumps(result.json_data["objects"]))
st.text("tokens " + " ".join(tokens))
