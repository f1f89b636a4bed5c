"""Review: the next image of the ranking, its boxes to correct, and why each red cell is red."""

import streamlit as st

from rbcal.review import edits, navigation
from rbcal.review.editor import Editor
from rbcal.review.opening import open_editor
from rbcal.store.project import Project
from rbcal.ui.annotator import ask_annotator
from rbcal.ui.project.classes import show_first_classes
from rbcal.ui.review.acts import has_canvas
from rbcal.ui.review.bar import show_bar
from rbcal.ui.review.component import show_canvas, show_companion
from rbcal.ui.review.open_image import display_copy, forget_other_project, hold_picture
from rbcal.ui.review.queue import (
    Queue,
    first,
    following,
    queue_label,
    show_filmstrip,
    show_list,
    show_nothing_left,
)
from rbcal.ui.review.references import hold_references
from rbcal.ui.review.save_questions import ask_before_save
from rbcal.ui.review.shortcuts_help import show_keys
from rbcal.ui.review.sidebar import show_panel
from rbcal.ui.review.wall import STYLE, is_by_cells, show_wall
from rbcal.ui.review.way_back import leave_if_wanted
from rbcal.ui.session import open_project, session

FILE = open_project()


# ---- choose: which image is open ---------------------------------------------------------------------


def choose_image(project: Project, order: Queue) -> None:
    """Open the image that the expert wants: the one at work, else the first of the queue."""
    editor, wanted = session.editor, session.wanted_image
    session.wanted_image = None
    if editor is not None and is_of(editor, project):
        editor.log.file = FILE  # it may be a copy by now
        if wanted in (None, editor.image.id):
            ranking, ours = project.rankings.current(), editor.predictions.ranking
            same = (ranking and ranking.id) == (ours and ours.id)
            is_at_work = same or editor.history.past or editor.image.revision
            if is_at_work and not editor.log.is_stale(project):  # the wall answers cells of it, too
                if not has_canvas():
                    editor.redraw()  # the canvas was away with its page; it knows nothing any more
                return
            wanted = editor.image.id
        edits.settle(editor, theirs_last=True)  # the expert went on without a choice; both are in the log
    if wanted is None:
        wanted = first(project, order)
    session.editor = open_editor(project, wanted, session.view, display_copy(project, wanted), has_canvas)
    session.review_error = None


def is_reopened(project: Project) -> bool:
    """Return whether the expert works on, or asked for, an image that was reviewed before."""
    editor = session.editor
    return session.wanted_image is not None or (editor is not None and is_of(editor, project))


def is_of(editor: Editor, project: Project) -> bool:
    """Return whether an image was opened in this project and is still in it: after a restore, ids return."""
    return editor.log.file == FILE and project.images.digest(editor.image.id) == editor.log.sha256


# ---- show: the canvas and the panel ------------------------------------------------------------------


@st.fragment
def show_editor() -> None:
    """Show the canvas and the panel; an edit reruns only this."""
    editor = session.editor
    if editor is None or session.wanted_image is not None or session.view.by_cells:
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
            show_list(editor.log.file, editor.view, editor.names)
        case "keys":
            show_keys(editor)
        case "save":
            ask_before_save(editor)


def show_image(project: Project, order: Queue) -> None:
    """Show the open image with everything around it."""
    choose_image(project, order)
    editor, box = session.editor, session.wanted_box
    if box is not None:
        session.wanted_box = None
        navigation.point_at(editor, box)
    st.html(STYLE)
    hold_picture(project, editor.image.id, "now")
    hold_references(project)
    show_bar(project, editor, order)
    with st.container(horizontal=True, key="workplace", gap="small"):
        with st.container(key="queue", width=104):
            show_filmstrip(project, editor, order)
        with st.container(key="bench", width="stretch"):
            show_editor()
    hold_picture(project, following(order, editor.image.id), "next")


def show_review(project: Project, n_classes: int) -> None:
    """Show the image that is open, or the next of the queue, or that none is left."""
    forget_other_project(FILE)
    if is_by_cells(project):
        show_wall(project)
        return
    order = project.queue.order(queue_label(session.view, n_classes))
    if not order:
        order = project.queue.order()
        session.view.queue_label = None  # the last image of that class is done
    if order or project.splits.waiting() or is_reopened(project):
        show_image(project, order)
    else:
        show_nothing_left(project)


# ---- the page ----------------------------------------------------------------------------------------

st.set_page_config(initial_sidebar_state="collapsed")
leave_if_wanted()
with FILE.open() as project:
    if not (n_classes := len(project.classes.names())):
        show_first_classes(project)
    elif session.annotator is None:
        ask_annotator(project)
    else:
        show_review(project, n_classes)
