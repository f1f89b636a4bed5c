"""Opening an image on the Review page, and getting the one after it ready."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from rbcal.formats import pictures
from rbcal.review.boxes import Box
from rbcal.review.editor import Picture
from rbcal.review.view import View
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.session import session

_JS = Path(__file__).parent / "js" / "picture.js"
_picture = st.components.v2.component("rbcal.picture", js=_JS.read_text("utf-8"))


def forget_other_project(file: ProjectFile) -> None:
    """Begin anew when the expert comes from another project; what the browser counts goes on."""
    if session.view_of != file:
        session.view, session.view_of = View(), file
        session.editor = session.wanted_image = session.wanted_box = None
        session.saved = session.dialog = session.review_error = None


def open_image(file: ProjectFile, image_id: int, box: Box | None = None) -> None:
    """Leave for the Review page, with an image of a project open, and one of its cells in sight."""
    forget_other_project(file)
    session.wanted_image, session.wanted_box = image_id, box
    session.view.by_cells = False
    session.wanted_project = file.path.stem  # the choice does not outlive the switch
    st.switch_page("pages/review.py")


def display_copy(project: Project, image_id: int) -> Picture:
    """Return an image as the browser gets it."""
    sha256, layer = project.images.digest(image_id), project.images.get(image_id).layer
    return Picture(sha256, _display(sha256, layer, lambda: project.images.content(image_id)))


@st.cache_resource(max_entries=8, show_spinner=False)  # a resource: data would be copied each time
def _display(sha256: str, layer: str, _read: Callable[[], bytes]) -> bytes:
    """Return the copy for the browser of the picture with these bytes; the last few are kept."""
    return pictures.display(_read(), layer)


def hold_picture(project: Project, image_id: int | None, name: str) -> None:
    """Give the browser a picture, for the cell review; the next one early, so that it comes at once.

    Each message is the same at every run, so Streamlit sends it once.
    """
    with st.container(key=f"picture_{name}"):
        if image_id is not None:
            sha256, content = display_copy(project, image_id)
            kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
            url = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
            _picture(key=f"held_{name}", data={"sha256": sha256, "url": url})
