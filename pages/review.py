"""Review: the next image of the ranking, its boxes to correct, and why each red cell is red."""

import streamlit as st

from rbcal.review.explanations import literal
from rbcal.review.image_explanations import brief, why
from rbcal.store.project import Project
from rbcal.ui.review.component import show_canvas, show_companion
from rbcal.ui.review.desk import Desk, act
from rbcal.ui.review.easel import CANVAS
from rbcal.ui.review.open_image import forget_other_project, hold_picture, open_desk
from rbcal.ui.review.queue import Queue, following, queue_label, save, show_list, show_strip, skip
from rbcal.ui.review.shortcuts_help import show_keys
from rbcal.ui.review.sidebar import show_panel
from rbcal.ui.session import open_project_path

PATH = open_project_path()
STYLE = """<style>
  /* The image is the page: no air around it, and the header is only what lies on it. */
  .stMainBlockContainer { padding: .6rem 1rem 0 1rem; }
  .stMainBlockContainer > .stVerticalBlock { gap: .4rem; }
  .stMain:focus-visible::before { display: none; }  /* a frame around the page at each key press */
  .stAppHeader { background: transparent; }
  .stAppHeader, .stAppHeader * { pointer-events: none; }  /* or it would lie on top of Save */
  .stAppHeader button, .stAppHeader button * { pointer-events: auto; }
  [data-testid="stStatusWidget"] { display: none; }
  .st-key-bar { padding-left: 2.2rem; min-height: 2.6rem; }
  .st-key-bar p, .st-key-chosen p, .st-key-status p { margin: 0; line-height: 1.3; }
  .st-key-stage { gap: 0; }
  .st-key-picture_now, .st-key-picture_next { display: none; }
  .st-key-workplace { flex-wrap: nowrap; }
  .st-key-queue { flex: none; }
  .st-key-bench { min-width: 0; }
  .stHorizontalBlock:has(> .stColumn .st-key-stage) { flex-wrap: nowrap; }
  .stColumn:has(.st-key-panel) { min-width: 0; }
  .st-key-panel { gap: .5rem; flex: none; height: calc(100vh - 76px) !important; min-height: 560px; }
  .st-key-panel > :has(> .st-key-reds) { flex: 1 1 0; min-height: 120px; }
  .st-key-reds { overflow-y: auto; height: 100%; scrollbar-width: thin; }
  :is(.st-key-tools, .st-key-steps, .st-key-kinds) { gap: .3rem; }
  :is(.st-key-tools, .st-key-steps, .st-key-kinds) button { padding: .2rem .5rem; min-height: 2.1rem; }
  .keys { font-size: .85rem; line-height: 1.3; }
  .keys h4 { font-size: .95rem; padding: .3rem 0; }
  .keys td { padding: .12rem .6rem .12rem 0; vertical-align: top; }
  .st-key-tools button { padding: .2rem .38rem; }
  .st-key-tools [data-testid="stPopoverButton"] div[aria-hidden="true"] { display: none; }  /* its arrow */
  .st-key-palette .stHorizontalBlock { gap: .25rem; }
  .st-key-palette button { padding: 0 .5rem; min-height: 1.7rem; height: 1.7rem; }
  .st-key-palette button p { font-size: .8rem; }
</style>"""


# ---- choose: which image is open ---------------------------------------------------------------------


def choose_desk(project: Project, order: Queue) -> None:
    """Put the image on the desk that the expert wants: the one at work, else the first of the queue."""
    desk: Desk | None = st.session_state.get("desk")
    wanted: int | None = st.session_state.pop("wanted_image", None)
    if desk is not None and desk.path == PATH and wanted in (None, desk.image.id):
        ranking = project.rankings.current()
        same = (ranking and ranking.id) == (desk.ranking and desk.ranking.id)
        if same or desk.history.past or desk.image.revision:
            if CANVAS not in st.session_state:
                desk.redraw()  # the canvas was away with its page; it knows nothing any more
            return
        wanted = desk.image.id
    if desk is not None and desk.path == PATH and desk.theirs is not None:
        desk.keep_theirs()  # the expert went on without a choice; both are in the log
    first = following(order, -1) if order else None
    st.session_state["desk"] = open_desk(
        project, first if wanted is None else wanted, st.session_state["view"]
    )
    st.session_state.pop("review_error", None)


def reopened() -> bool:
    """Return whether the expert works on, or asked for, an image that was reviewed before."""
    desk: Desk | None = st.session_state.get("desk")
    if st.session_state.get("wanted_image") is not None:
        return True
    return "wanted_image" not in st.session_state and desk is not None and desk.path == PATH


# ---- show: the bar, the canvas, the panel ------------------------------------------------------------


def show_bar(project: Project, desk: Desk, order: Queue) -> None:
    """Show which image this is, why it comes now, and the ways to leave it."""
    ids = [image_id for image_id, _ in order]
    with st.container(horizontal=True, vertical_alignment="center", key="bar", gap="small"):
        st.markdown(
            f"**{literal(desk.image.name)}** · {place_words(desk, ids)}  \n"
            f":small[{why_words(project, desk, ids)}]",
            width="stretch",
        )
        st.button(
            "Skip", key="skip", on_click=act, args=(skip, desk.image.id), shortcut="S", help="Later (S)"
        )
        st.button(
            "Save & next",
            key="save",
            type="primary",
            on_click=act,
            args=(save, desk.image.id),
            shortcut="Enter",
        )


def place_words(desk: Desk, ids: list[int]) -> str:
    """Say where in the queue the image is, and what the queue is filtered by."""
    if desk.image.revision:
        return f"reviewed {desk.image.revision} time{'s' * (desk.image.revision > 1)} before"
    label = queue_label(desk.view, len(desk.names))
    only = "" if label is None else f" that may show {literal(desk.names[label])}"
    if desk.image.id not in ids:
        return f"not among the {len(ids)} images{only}"
    return f"{ids.index(desk.image.id) + 1} of {len(ids)}{only}"


def why_words(project: Project, desk: Desk, ids: list[int]) -> str:
    """Say why the image comes now, who ranked it, and when that is stale."""
    if desk.image.id not in ids:
        measured = "A test image: no model learns from it; all that follow are measured with these boxes. "
        test = measured if desk.image.split == "test" else ""
        return test + "Saving stores a new version; the earlier ones stay." if desk.image.revision else test
    [entry] = project.rankings.entries([desk.image.id])
    if entry.score is None or desk.ranking is None:
        return literal(why("relevance", entry, desk.names))
    strategy = desk.ranking.strategy
    words = why(strategy, entry, desk.names)
    if strategy.startswith("relevance"):
        words = f"{brief(strategy, entry.score)}: {words}"
    words = literal(words)
    words += f" · ranked by model {desk.ranking.model_id}, {literal(strategy)}"
    if desk.ranking.stale:
        words += " · :orange[another model serves by now: rank the pool again on the Train page]"
    return words


@st.fragment
def show_desk() -> None:
    """Show the canvas and the panel; an edit reruns only this."""
    desk: Desk | None = st.session_state.get("desk")
    if desk is None or "wanted_image" in st.session_state:
        st.rerun()  # Streamlit may answer an edit and the Save right after it with one run of the fragment
    stage, panel = st.columns([3, 1], gap="small")
    with stage, st.container(key="stage"):
        with st.container(key="easel"):
            if not desk.walking:
                show_canvas(desk)
        with st.container(key="overlay"):
            show_companion(desk)
    with panel, st.container(key="panel", height="stretch"):
        show_panel(desk)
    match st.session_state.pop("dialog", None):
        case "queue":
            show_list(desk.path, desk.view, desk.names)
        case "keys":
            show_keys(desk)


# ---- the page ----------------------------------------------------------------------------------------

st.set_page_config(initial_sidebar_state="collapsed")
with Project.open(PATH) as project:
    classes = project.classes.names()
    if not classes:
        st.info(
            "This project has no classes yet. Name them on the Project page, or import boxes.",
            icon=":material/label:",
        )
        st.page_link("pages/project.py", label="Go to Project")
        st.stop()
    forget_other_project(PATH)
    order = project.rankings.order(queue_label(st.session_state["view"], len(classes)))
    if not order:
        order = project.rankings.order()
        st.session_state["view"].queue_label = None  # the last image of that class is done
    if not order and not reopened():
        for key in ("desk", "wanted_image"):
            st.session_state.pop(key, None)
        counts = project.images.counts()
        st.success(
            f"Every image is reviewed: {counts.annotated_images} images, {counts.annotated_cells:,} cells."
        )
        st.page_link("pages/train.py", label="Train with them", icon=":material/model_training:")
        st.page_link("pages/project.py", label="Import more images", icon=":material/folder_open:")
        if st.button("Reopen an image", icon=":material/history:"):
            show_list(PATH, st.session_state["view"], classes)
        st.stop()
    choose_desk(project, order)
    desk = st.session_state["desk"]
    if (box := st.session_state.pop("wanted_box", None)) is not None:
        desk.point_at(box)
    st.html(STYLE)
    hold_picture(project, desk.image.id, "now")
    show_bar(project, desk, order)
    with st.container(horizontal=True, key="workplace", gap="small"):
        with st.container(key="queue", width=104):
            show_strip(project, desk, order)
        with st.container(key="bench", width="stretch"):
            show_desk()
    hold_picture(project, following(order, desk.image.id), "next")
