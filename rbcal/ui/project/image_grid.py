"""The images of the project as a grid of small copies; a click opens one on the Review page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from rbcal.store.images import Image, ImageFilter, Split, Status
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.review.open_image import open_image
from rbcal.ui.session import session
from rbcal.ui.thumbnails import thumbnail
from rbcal.wording import count

_PER_PAGE = 24
_KEY = "image_grid"
_SIDES: dict[Split | None, str] = {None: "All images", "work": "To learn from", "test": "Test set"}
_STATES: dict[Status | None, str] = {
    None: "In any state",
    "waiting": "Waiting for review",
    "annotated": "Reviewed",
    "in part": "Read in part",
}
_grid = st.components.v2.component(
    "rbcal.image_grid", js=(Path(__file__).parent / "js" / "image_grid.js").read_text("utf-8")
)


@st.fragment
def show_images(file: ProjectFile) -> None:
    """Show the images that the user chose to see, a page at a time."""
    if (asked := session.asked_image) is not None:  # kept, for a run that a click interrupts is begun anew
        session.asked_image = None
        open_image(file, asked)
    with file.open() as project:
        which = _ask_for_filter(project)
        n = project.images.count(which)
        leaves = max(1, -(-n // _PER_PAGE))
        leaf = st.pagination(leaves, key=f"images_{leaves}") if leaves > 1 else 1
        shown = project.images.listed(which, _PER_PAGE, (leaf - 1) * _PER_PAGE)
        if not shown:
            st.info("No image here. Choose others above.")
            return
        items = [_item(project, image) for image in shown]
        _grid(key=_KEY, data={"items": items}, on_open_change=_ask_for_image, height="content")


def _ask_for_image() -> None:
    asked = (st.session_state.get(_KEY) or {}).get("open")
    if asked is not None:
        session.asked_image = int(asked)


def _ask_for_filter(project: Project) -> ImageFilter:
    groups, counts = project.images.groups(), project.images.counts()
    side, slide, state = st.columns(3)
    split = side.selectbox("Use", list(_SIDES), format_func=_SIDES.__getitem__, key="images_split")
    names = [each.name for each in groups] if len(groups) < counts.images else []  # else each stands alone
    group = slide.selectbox(
        "Slide or patient",
        [None, *names],
        format_func=lambda name: "All slides" if name is None else name,
        key="images_group",
        disabled=not names,
    )
    status = state.selectbox(
        "State",
        list(_STATES),
        format_func=_STATES.__getitem__,
        key="images_status",
        help="Read in part: it was saved with boxes that nobody has kept, accepted, named or left unsure.",
    )
    return ImageFilter(split, group, status)


def _item(project: Project, image: Image) -> dict[str, object]:
    return {
        "id": image.id,
        "picture": thumbnail(project, image.id),
        "name": image.name,
        "title": f"{image.name}, of {image.group}: open it",
        "state": state_words(image),
        "test": image.split == "test",
    }


def state_words(image: Image) -> str:
    """Say how far an image is."""
    if image.review_id is None:
        return "waiting"
    unread = f", {image.n_unread:,} not read" if image.n_unread else ""
    return count(image.n_cells, "cell") + unread
