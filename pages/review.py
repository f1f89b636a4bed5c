"""Review: the next image of the ranking, its boxes to correct, and why each red cell is red."""

import streamlit as st

from pages._canvas import show_canvas, show_companion
from pages._desk import CANVAS, Desk, View, act, open_desk
from pages._open import open_project_path
from pages._panel import show_panel
from rbcal.store.project import Project
from rbcal.store.rankings import QueueEntry
from rbcal.view.guide import duration
from rbcal.view.words import literal, rare_names, relevance_words

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
  .st-key-companion { position: absolute; height: 0; overflow: hidden; }
  .st-key-panel { gap: .5rem; flex: none; height: calc(100vh - 76px) !important; min-height: 560px; }
  .st-key-panel > :has(> .st-key-reds) { flex: 1 1 0; min-height: 120px; }
  .st-key-reds { overflow-y: auto; height: 100%; scrollbar-width: thin; }
  .st-key-palette .stHorizontalBlock { gap: .25rem; }
  .st-key-palette button { padding: 0 .5rem; min-height: 1.7rem; height: 1.7rem; }
  .st-key-palette button p { font-size: .8rem; }
</style>"""


# ---- choose: which image is open ---------------------------------------------------------------------


def place_of(queue: list[QueueEntry], image_id: int | None) -> int | None:
    """Return the place of an image in the queue, or None."""
    return next((place for place, entry in enumerate(queue) if entry.image_id == image_id), None)


def choose_desk(project: Project, queue: list[QueueEntry]) -> None:
    """Put the image on the desk that the expert wants: the one at work, else the first of the queue."""
    desk: Desk | None = st.session_state.get("desk")
    wanted: int | None = st.session_state.pop("wanted_image", None)
    if desk is not None and desk.path == PATH and wanted in (None, desk.image.id):
        ranking = project.rankings.current()
        same = (ranking and ranking.id) == (desk.ranking and desk.ranking.id)
        if same or desk.history.past:
            if CANVAS not in st.session_state:
                desk.redraw()  # the canvas was away with its page; it knows nothing any more
            return
        wanted = desk.image.id
    place = place_of(queue, wanted)
    view = st.session_state.setdefault("view", View())
    st.session_state["desk"] = open_desk(project, queue[place or 0].image_id, view)
    st.session_state.pop("review_error", None)


def go_on(queue: list[QueueEntry], image_id: int) -> None:
    """Open the image after this one; after the last, the first."""
    after = (place_of(queue, image_id) or 0) + 1
    st.session_state["wanted_image"] = queue[after % len(queue)].image_id


def save(desk: Desk, queue: list[QueueEntry]) -> None:
    """Store the boxes, then say so, then open the next image."""
    desk.save()
    st.session_state["saved"] = (
        f"Saved {literal(desk.image.name)}: {len(desk.present)} cells, {duration(desk.seconds)}"
    )
    go_on(queue, desk.image.id)
    st.session_state.pop("desk")


def skip(desk: Desk, queue: list[QueueEntry]) -> None:
    """Leave the image for later; its draft stays."""
    go_on(queue, desk.image.id)


def jump(key: str) -> None:
    """Open the image that was chosen in the list."""
    st.session_state["wanted_image"] = st.session_state[key]


# ---- show: the bar, the canvas, the panel ------------------------------------------------------------


def show_bar(desk: Desk, queue: list[QueueEntry]) -> None:
    """Show which image this is, why it comes now, and the ways to leave it."""
    place = place_of(queue, desk.image.id)
    entry = None if place is None else queue[place]
    score = entry.score if entry else None
    rare = [each.label for each in desk.classes if each.rare]
    likely = rare_names(desk.cells, desk.names, rare, desk.ranking.config) if desk.ranking else []
    with st.container(horizontal=True, vertical_alignment="center", key="bar", gap="small"):
        where = "no longer in the queue" if place is None else f"{place + 1} of {len(queue)}"
        relevance = f" · R {score.relevance:.0f}" if score else ""
        st.markdown(
            f"**{literal(desk.image.name)}** · {where}{relevance}  \n"
            f":small[{literal(relevance_words(score, likely))}{stale_words(desk)}]",
            width="stretch",
        )
        key = f"jump_{desk.image.id}"
        st.selectbox(
            "Jump to an image",
            [each.image_id for each in queue],
            index=place,
            format_func=dict(zip((e.image_id for e in queue), jump_names(queue), strict=True)).__getitem__,
            key=key,
            on_change=lambda: act(jump, key),
            label_visibility="collapsed",
            placeholder="Jump to …",
            width=190,
        )
        st.button("Skip", key="skip", on_click=act, args=(skip, desk, queue), shortcut="S", help="Later")
        st.button(
            "Save & next",
            key="save",
            type="primary",
            on_click=act,
            args=(save, desk, queue),
            shortcut="Enter",
        )


def jump_names(queue: list[QueueEntry]) -> list[str]:
    """Return what the list of the queue shows for each image."""
    return [
        f"{place}. {entry.name}" + (f" · R {entry.score.relevance:.0f}" if entry.score else "")
        for place, entry in enumerate(queue, start=1)
    ]


def stale_words(desk: Desk) -> str:
    """Say that the serving model has not scored the pool yet."""
    if desk.ranking is None or not desk.ranking.stale:
        return ""
    return " · :orange[ranked by a model that does not serve: rank the pool again on the Train page]"


@st.fragment
def show_desk() -> None:
    """Show the canvas and the panel; an edit reruns only this."""
    desk: Desk | None = st.session_state.get("desk")
    if desk is None or "wanted_image" in st.session_state:
        st.rerun()  # Streamlit may answer an edit and the Save right after it with one run of the fragment
    stage, panel = st.columns([3, 1], gap="small")
    with stage, st.container(key="stage"):
        show_canvas(desk)
        show_companion(desk)
    with panel, st.container(key="panel", height="stretch"):
        show_panel(desk)


# ---- the page ----------------------------------------------------------------------------------------

st.set_page_config(initial_sidebar_state="collapsed")
with Project.open(PATH) as project:
    queue = project.rankings.queue()
    if not project.classes.names():
        st.info("This project has no classes yet. They come with the first import.", icon=":material/label:")
        st.page_link("pages/project.py", label="Go to Project")
        st.stop()
    if not queue:
        st.session_state.pop("desk", None)
        counts = project.images.counts()
        st.success(
            f"Every image is reviewed: {counts.annotated_images} images, {counts.annotated_cells:,} cells."
        )
        st.page_link("pages/train.py", label="Train with them", icon=":material/model_training:")
        st.page_link("pages/project.py", label="Import more images", icon=":material/folder_open:")
        st.stop()
    choose_desk(project, queue)

st.html(STYLE)
show_bar(st.session_state["desk"], queue)
show_desk()
