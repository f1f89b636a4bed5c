"""Putting an image on the desk, and getting the one after it ready."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from rbcal.formats import pictures
from rbcal.review import canvas_drawing, cell_review, explanations
from rbcal.review import history as shapes
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, StoredRanking
from rbcal.ui.review.desk import Desk
from rbcal.ui.review.easel import View

_JS = Path(__file__).parent / "js" / "picture.js"
_picture = st.components.v2.component("rbcal.picture", js=_JS.read_text("utf-8"))


def forget_other_project(path: Path) -> None:
    """Begin anew when the expert comes from another project; what the browser counts goes on."""
    view: View = st.session_state.get("view", View())
    if st.session_state.get("view_of") != path:
        view = View(pointed=view.pointed, ticket=view.ticket, done=view.done)
        for key in ("desk", "wanted_image", "wanted_box", "saved", "dialog", "review_error"):
            st.session_state.pop(key, None)
    st.session_state["view"], st.session_state["view_of"] = view, path


def open_image(path: Path, image_id: int, box: shapes.Box | None = None) -> None:
    """Leave for the Review page, with an image of a project on the desk, and one of its cells in sight."""
    forget_other_project(path)
    st.session_state["wanted_image"], st.session_state["wanted_box"] = image_id, box
    st.session_state["wanted_project"] = path.stem  # the choice does not outlive the switch
    st.switch_page("pages/review.py")


def open_desk(project: Project, image_id: int, view: View) -> Desk:
    """Return the desk with one image on it: unfinished work, else its last review, else the model's boxes."""
    image, work = project.images.get(image_id), project.log.work(image_id)
    sha256 = project.images.digest(image_id)
    classes = project.classes.all()
    ranking = project.rankings.current()
    begun = bool(image.revision) or work.boxes != work.start
    if begun or (work.version and work.ranking_id == (ranking and ranking.id)):
        begun, ranking = True, None if work.ranking_id is None else project.rankings.get(work.ranking_id)
    cells = project.rankings.cells(ranking.id, image_id) if ranking else []
    found = (
        explanations.verdicts(cells, project.classes.names(), project.classes.rare_labels(), ranking.config)
        if ranking
        else []
    )
    flagged = {verdict.detection_id for verdict in found if verdict.flagged}
    if begun:
        start, history = shapes.from_boxes(work.start, flagged), shapes.replay(work, flagged)
    else:
        start = _model_boxes(canvas_drawing.Frame.of(image.width, image.height), cells, flagged)
        history = shapes.History(start)
    own = [each.label for each in classes if each.merged_into is None]
    if view.label not in own:
        view.label = own[0]
    if isinstance(view.only, int) and view.only not in own:
        view.only = "all"
    if ranking is None and not history.present:
        view.drawing = True  # there is nothing else to do
    return Desk(
        path=project.path,
        image=image,
        sha256=sha256,
        picture=_display(sha256, image.layer, lambda: project.images.content(image_id)),
        classes=classes,
        ranking=ranking,
        cells={cell.detection_id: cell for cell in cells},
        verdicts={verdict.detection_id: verdict for verdict in found},
        reds=[cells[k].detection_id for k in explanations.most_uncertain_first(cells, found)],
        spots=[] if image.revision else _spots(ranking, cells, flagged),
        view=view,
        history=history,
        start=start,
        version=work.version,
        begun=begun,
        revision=image.revision,
        green=project.reviews.spot_checks(ranking.model_id) if ranking else (0, 0),
        seconds=work.seconds,
        logged=work.seconds,
    )


def _model_boxes(frame: canvas_drawing.Frame, cells: list[Cell], flagged: set[int]) -> shapes.Shapes:
    return tuple(
        shapes.Shape(
            number,
            frame.clip(tuple(cell.box.tolist())),
            cell.label,
            cell.detection_id,
            cell.detection_id in flagged,
        )
        for number, cell in enumerate(cells)
    )


def _spots(ranking: StoredRanking | None, cells: list[Cell], flagged: set[int]) -> list[int]:
    if ranking is None:
        return []
    green = [cell.detection_id for cell in cells if cell.detection_id not in flagged]
    return [detection for detection in green if cell_review.is_spot_check(ranking.id, detection)]


@st.cache_resource(max_entries=8, show_spinner=False)  # a resource: data would be copied at each look
def _display(sha256: str, layer: str, _read: Callable[[], bytes]) -> bytes:
    """Return the copy for the browser of the picture with these bytes; the last few are kept."""
    return pictures.display(_read(), layer)


def hold_picture(project: Project, image_id: int | None, name: str) -> None:
    """Give the browser a picture, for the walk; the next one ahead of its turn, so that it comes at once.

    Each message is the same at every run, so Streamlit sends it once.
    """
    with st.container(key=f"picture_{name}"):
        if image_id is not None:
            sha256, layer = project.images.digest(image_id), project.images.get(image_id).layer
            picture = _display(sha256, layer, lambda: project.images.content(image_id))
            kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
            url = f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
            _picture(key=f"held_{name}", data={"sha256": sha256, "url": url})
