"""Review: the next image of the ranking, its boxes to correct, and why each red cell is red."""

from pathlib import Path

import streamlit as st

import rbcal.ui.review
from rbcal.review import edits, navigation
from rbcal.review.opening import open_editor
from rbcal.store.project import Project
from rbcal.ui.error_words import errors_as_words
from rbcal.ui.review.acts import has_canvas
from rbcal.ui.review.bar import show_bar
from rbcal.ui.review.component import show_canvas, show_companion
from rbcal.ui.review.open_image import display_copy, forget_other_project, hold_picture
from rbcal.ui.review.queue import Queue, following, queue_label, show_filmstrip, show_list
from rbcal.ui.review.shortcuts_help import show_keys
from rbcal.ui.review.sidebar import show_panel
from rbcal.ui.session import open_project_path, session

PATH = open_project_path()
STYLE = Path(rbcal.ui.review.__file__).with_name("review.css")


# ---- choose: which image is open ---------------------------------------------------------------------


def choose_image(project: Project, order: Queue) -> None:
    """Open the image that the expert wants: the one at work, else the first of the queue."""
    editor, wanted = session.editor, session.wanted_image
    session.wanted_image = None
    if editor is not None and editor.log.path == PATH:
        if wanted in (None, editor.image.id):
            ranking, ours = project.rankings.current(), editor.predictions.ranking
            same = (ranking and ranking.id) == (ours and ours.id)
            if same or editor.history.past or editor.image.revision:
                if not has_canvas():
                    editor.redraw()  # the canvas was away with its page; it knows nothing any more
                return
            wanted = editor.image.id
        edits.settle(editor, theirs_last=True)  # the expert went on without a choice; both are in the log
    if wanted is None:
        wanted = following(order, -1)
    session.editor = open_editor(project, wanted, session.view, display_copy(project, wanted), has_canvas)
    session.review_error = None


def is_reopened() -> bool:
    """Return whether the expert works on, or asked for, an image that was reviewed before."""
    editor = session.editor
    return session.wanted_image is not None or (editor is not None and editor.log.path == PATH)


# ---- show: the canvas and the panel ------------------------------------------------------------------


@st.fragment
@errors_as_words()
def show_editor() -> None:
    """Show the canvas and the panel; an edit reruns only this."""
    editor = session.editor
    if editor is None or session.wanted_image is not None:
        st.rerun()  # Streamlit may answer an edit and the Save right after it with one run of the fragment
    stage, panel = st.columns([3, 1], gap="small")
    with stage, st.container(key="stage"):
        with st.container(key="canvas_place"):
            if not editor.cell_review.is_open:
                show_canvas(editor)
        with st.container(key="overlay"):
            show_companion(editor)
    with panel, st.container(key="panel", height="stretch"):
        show_panel(editor)
    dialog, session.dialog = session.dialog, None
    match dialog:
        case "queue":
            show_list(editor.log.path, editor.view, editor.names)
        case "keys":
            show_keys(editor)


def show_nothing_left(project: Project) -> None:
    """Say that every image is reviewed, and what comes next."""
    session.editor = None
    counts = project.images.counts()
    st.success(
        f"Every image is reviewed: {counts.annotated_images} images, {counts.annotated_cells:,} cells."
    )
    st.page_link("pages/train.py", label="Train with them", icon=":material/model_training:")
    st.page_link("pages/project.py", label="Import more images", icon=":material/folder_open:")
    if st.button("Reopen an image", icon=":material/history:"):
        show_list(PATH, session.view, project.classes.names())


# ---- the page ----------------------------------------------------------------------------------------

st.set_page_config(initial_sidebar_state="collapsed")
with Project.open(PATH) as project:
    n_classes = len(project.classes.names())
    if not n_classes:
        st.info(
            "This project has no classes yet. Name them on the Project page, or import boxes.",
            icon=":material/label:",
        )
        st.page_link("pages/project.py", label="Go to Project")
        st.stop()
    forget_other_project(PATH)
    order = project.queue.order(queue_label(session.view, n_classes))
    if not order:
        order = project.queue.order()
        session.view.queue_label = None  # the last image of that class is done
    if not order and not is_reopened():
        show_nothing_left(project)
        st.stop()
    choose_image(project, order)
    editor, box = session.editor, session.wanted_box
    if box is not None:
        session.wanted_box = None
        navigation.point_at(editor, box)
    st.html(STYLE)
    hold_picture(project, editor.image.id, "now")
    show_bar(project, editor, order)
    with st.container(horizontal=True, key="workplace", gap="small"):
        with st.container(key="queue", width=104):
            show_filmstrip(project, editor, order)
        with st.container(key="bench", width="stretch"):
            show_editor()
    hold_picture(project, following(order, editor.image.id), "next")
