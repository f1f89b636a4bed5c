"""What *Save* asks first: what becomes of boxes that nobody read, and whether an image has no cells."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from rbcal.review import edits
from rbcal.review.editor import Editor
from rbcal.ui.review.acts import act
from rbcal.ui.review.queue import save_as_read
from rbcal.wording import count

_QUIET = "quiet_unread"  # the key of the checkbox


def ask_before_save(editor: Editor) -> None:
    """Ask what it means to save these boxes."""
    if editor.boxes:
        ask_of_unread(editor)
    else:
        ask_of_no_cells(editor)


@st.dialog("Boxes that were not read")
def ask_of_unread(editor: Editor) -> None:
    """Ask what becomes of the boxes that are still open."""
    were = "was" if editor.n_unread == 1 else "were"
    words = f"**{count(editor.n_unread, 'box', 'boxes')} of this image {were} not read.** "
    words += "A box is read once you have kept, accepted or named it, or left it unsure. "
    words += "One that nobody read teaches that a cell is there, but not of which class."
    if editor.image.split == "test":
        words += " A model is measured on a test image only when all its boxes are read."
    st.markdown(words)
    st.checkbox("Do not ask again in this project: save as read in part", key=_QUIET)
    this = (editor.image.id,)
    in_part = st.button(
        "Save as read in part",
        key="save_in_part",
        type="primary",
        on_click=act,
        args=(_save_in_part, *this),
    )
    all_read = not any(map(editor.is_hidden, editor.boxes)) and st.button(
        "I looked at all: keep the rest",
        key="save_all",
        on_click=act,
        args=(_keep_rest_and_save, *this),
        help="Marks them as kept, then saves. One undo takes back all of them.",
    )
    named = editor.is_from_nothing and _offer_name_for_rest(editor)
    if st.button("Go on reading", key="go_on_reading") or in_part or all_read or named:
        st.rerun()


def _offer_name_for_rest(editor: Editor) -> bool:
    """Let the expert say what all boxes are that have no name; return whether he did."""
    usual = _usual_class(editor)
    key = f"class_of_rest_{editor.image.id}_{usual}"  # what was chosen on another image is no answer here
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rest = st.selectbox(
            "Those without a name are",
            editor.choices,
            index=usual,
            format_func=editor.names.__getitem__,
            placeholder="Choose a class",
            key=key,
        )
        return st.button(
            "I looked at all: name them, save",
            key="name_rest",
            disabled=rest is None,
            on_click=act,
            args=(_name_rest_and_save, editor.image.id, key),
            help="In one act that an undo takes back, then saves.",
        )


def _usual_class(editor: Editor) -> int | None:
    """Return the place of the class that most cells of the image were named; None: none was named yet."""
    named = Counter(
        each.label for each in editor.boxes if each.label in editor.choices and not editor.is_hidden(each)
    )
    return editor.choices.index(named.most_common(1)[0][0]) if named else None


@st.dialog("No cells in this image?")
def ask_of_no_cells(editor: Editor) -> None:
    """Ask whether an image without a box has no cells."""
    st.markdown("The image has no box. Saved like that, it teaches the model that there is no cell in it.")
    boxed = editor.is_from_nothing and st.button(
        "Box the cells by outline", key="outline_first", type="primary", on_click=act, args=("outline",)
    )
    empty = st.button(
        "It has no cells: save",
        key="save_empty",
        type="secondary" if editor.is_from_nothing else "primary",
        on_click=act,
        args=(save_as_read, editor.image.id),
    )
    if st.button("Go on looking", key="go_on_looking") or empty or boxed:
        st.rerun()


def _save_in_part(editor: Editor, image_id: int) -> None:
    if st.session_state.get(_QUIET):
        with editor.log.transaction() as project:
            project.ask_of_unread(ask=False)
    save_as_read(editor, image_id)


def _name_rest_and_save(editor: Editor, image_id: int, key: str) -> None:
    if editor.image.id == image_id:
        edits.name_rest(editor, st.session_state[key])
        save_as_read(editor, image_id)


def _keep_rest_and_save(editor: Editor, image_id: int) -> None:
    if editor.image.id == image_id:
        edits.keep_rest(editor)
        save_as_read(editor, image_id)
