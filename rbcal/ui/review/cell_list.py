"""The list of cells beside the image: the red ones, or all, and why each is what it is."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from rbcal.review.boxes import EditedBox
from rbcal.review.canvas_drawing import HIDDEN
from rbcal.review.cell_review import waiting
from rbcal.review.editor import Editor
from rbcal.ui.review.acts import act
from rbcal.ui.session import session

_ROW, _HEAD = 28, 38  # pixels
_STATUS = {"accepted_in_bulk": "accepted in bulk", None: "imported"}


def show_cells(editor: Editor) -> None:
    """Show the red cells of the image, or all of them; a row points at its box."""
    reds, every = editor.red_cells, editor.boxes
    if not every:
        st.info(empty_words(editor))
        if editor.is_from_nothing and not editor.log.revision:
            st.button(
                "Box the cells by outline",
                key="outline",
                type="primary",
                icon=":material/select_all:",
                on_click=act,
                args=("outline",),
                help="Boxes what is darker than the slide, here and on the next images, without a model. "
                "What the cells are, you say. Shift+O",
            )
        return
    with st.container(horizontal=True, vertical_alignment="center", key="list_head"):
        left = waiting(reds)
        words = "No red cell. Look over the image, then save."
        if reds:
            words = f"{len(reds) - len(left)} of {len(reds)} done"
        st.markdown(f":small[{words}]", width="stretch")
        if reds:
            kinds = {False: f"Red {len(left)}", True: f"All {len(every)}"}
            editor.view.lists_all = st.segmented_control(
                "Cells in the list",
                list(kinds),
                format_func=kinds.__getitem__,
                default=editor.view.lists_all,
                required=True,
                key="lists_all",
                label_visibility="collapsed",
            )
            st.button(
                "Next",
                key="next_red",
                help="The next red cell (N)",
                on_click=act,
                args=("next_red",),
                disabled=all(each.id in editor.visited for each in left),
            )
    rows = listed(editor)
    table = pd.DataFrame(
        {
            "Class": [class_words(editor, each) for each in rows],
            "Why": [why_words(editor, each) for each in rows],
        }
    )
    key = f"cells_{editor.image.id}_{editor.view.lists_all}"  # another list has other rows
    with st.container(key="reds", height="stretch"):
        st.dataframe(
            table,
            key=key,
            hide_index=True,
            height=_ROW * len(rows) + _HEAD,  # whole: the container scrolls, as high as the window lets it
            row_height=_ROW,
            on_select=lambda: act(choose_row, key),
            selection_mode="single-cell",
            column_config={"Class": st.column_config.TextColumn(width=115)},
        )


def listed(editor: Editor) -> list[EditedBox]:
    """Return the cells of the list: the red ones first, then those of a class together."""
    reds = editor.red_cells
    if reds and not editor.view.lists_all:
        return reds
    red = {each.id for each in reds}
    rest = [each for each in editor.boxes if each.id not in red]
    return reds + sorted(rest, key=lambda each: (editor.is_hidden(each) or each.label, each.box[1]))


def class_words(editor: Editor, box: EditedBox) -> str:
    """Say what a cell is called, and whether it is done."""
    return ("" if box.review_status == "open" else "✓ ") + (
        HIDDEN if editor.is_hidden(box) else editor.names[box.label]
    )


def why_words(editor: Editor, box: EditedBox) -> str:
    """Say what the expert did with a cell, or else what the model thinks of it."""
    verdict = editor.predictions.verdicts.get(box.detection_id or -1)
    if box.review_status == "open":
        return "" if verdict is None else verdict.brief
    if editor.is_from_nothing and box.review_status == "kept":
        return "named"
    return _STATUS.get(box.review_status, box.review_status or "")


def empty_words(editor: Editor) -> str:
    """Say what to do with an image that comes without boxes."""
    draw = "Drag a box around each cell" if editor.view.drawing else "Press D and drag a box around each cell"
    by_hand = f"{draw}; the class stays until you press another key. An image without cells is saved, too."
    if editor.log.revision:
        return f"It was saved as an image without cells. {draw} that is missing, and save again."
    if editor.predictions.ranking is None and session.running_job is not None:
        return f"The model is in training: its boxes come when it has sorted the images. {by_hand}"
    if editor.predictions.ranking is None:
        return f"There is no model yet. Box the cells by outline and name them, or draw them. {by_hand}"
    return f"The model found nothing here. {by_hand}"


def choose_row(editor: Editor, key: str) -> None:
    """Point at the cell whose row was clicked."""
    cells = st.session_state[key]["selection"]["cells"]
    if cells:
        editor.select(listed(editor)[cells[0][0]].id, centre=True)
