"""The menu *View* of the Review page: which boxes are shown, their colours, and how the picture looks."""

from __future__ import annotations

from typing import Any

import streamlit as st

from rbcal.review import navigation
from rbcal.review.editor import Editor
from rbcal.ui.review.acts import act
from rbcal.ui.review.colour_choice import choose_colours

_ONLY = {"all": "all", "flagged": "only red and blue (F)", "unsure": "only unsure"}
_LINES = (
    "The line of a box. **Red, dashed**: look here. **Green**: the model is sure. **Blue**: you kept or "
    "changed it. **Violet**: unsure. The name has the colour of its class."
)
NO_FILTERS = {"brightness": 0.0, "contrast": 1.0, "gamma": 1.0, "invert": False, "channel": "all"}


def show_view(editor: Editor) -> None:
    """Show how the picture and the boxes look, and the way back to the start."""
    view = editor.view
    names: list[str | int] = ["all", "flagged", "unsure", *editor.choices]
    only = st.selectbox(
        "Boxes",
        names,
        index=names.index(view.only),
        format_func=lambda each: _ONLY[each] if isinstance(each, str) else f"only {editor.names[each]}",
    )
    names_on = st.segmented_control(
        "Class names on",
        ["all", "flagged", "none"],
        default=view.names_on,
        required=True,
        key="names_on",
        format_func={"all": "all boxes", "flagged": "red and blue", "none": "no box"}.__getitem__,
    )
    st.caption(_LINES)
    choose_colours(editor)
    filters = _choose_filters(NO_FILTERS | view.filters)
    if filters != NO_FILTERS | view.filters:
        view.filters = filters
        st.rerun()
    if (names_on, only) != (view.names_on, view.only):
        view.names_on = names_on
        navigation.show_only(editor, only)
        st.rerun()
    if editor.is_from_nothing:
        with editor.log.file.open() as project:
            by_outline = project.by_outline
        st.toggle(
            "Box cells by outline",
            by_outline,
            key=f"by_outline_{by_outline}",
            help="Images that no model has seen open with their cells boxed. What the cells are, you say.",
            on_change=lambda: act(_box_by_outline, not by_outline),
        )
    first = "the boxes as they came" if editor.is_from_nothing else "the model's boxes"
    start = "the last review" if editor.image.revision else first
    st.button(
        f"Start over from {start}" if editor.log.start else "Remove all boxes",
        key="start_over",
        on_click=act,
        args=("start_over",),
        disabled=editor.boxes == editor.log.start,
        help="Undo takes it back.",
    )


def _box_by_outline(editor: Editor, box: bool) -> None:
    with editor.log.transaction() as project:
        project.box_by_outline(box=box)


def _choose_filters(now: dict[str, Any]) -> dict[str, Any]:
    """Return how the picture shall look."""
    left, right = st.columns(2)
    return {
        "brightness": left.slider("Brightness", -0.5, 0.5, now["brightness"], 0.05),
        "contrast": right.slider("Contrast", 0.5, 4.0, now["contrast"], 0.1),
        "gamma": left.slider("Gamma", 0.3, 3.0, now["gamma"], 0.1),
        "invert": right.toggle("Invert", now["invert"]),
        "channel": st.segmented_control(
            "Channel", ["all", "red", "green", "blue"], default=now["channel"], required=True
        ),
    }
