"""The wall on the Review page: cells of all images, a screen at a time."""

from __future__ import annotations

import base64
from collections import defaultdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rbcal.charts.colours import class_colours
from rbcal.formats import crops, pictures
from rbcal.jobs import live_thread
from rbcal.jobs.cells import AskedCell
from rbcal.review.shortcuts import class_keys
from rbcal.review.wall import SIZES, Settled, Wall, sides_of
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.review.references import hold_references
from rbcal.ui.review.wall_filters import choose_cells, menu_of_filters, offer_to_save, show_kind, show_saved
from rbcal.ui.session import session
from rbcal.wording import count, literal, roughly

_AROUND = 2.2  # sides of the usual cell that a crop shows
STYLE = Path(__file__).with_name("review.css")
_UNITS = ("Images", "Cells")
_UNIT_KEY, _KEY = "review_unit", "wall_cells"
_JS = Path(__file__).parent / "js"
_cells = st.components.v2.component(
    "rbcal.wall", js="\n".join((_JS / f"{name}.js").read_text("utf-8") for name in ("class_card", "wall"))
)
_KEEPS = "**Enter** keeps all cells that you have not corrected."
_STAYS = "You answered these cells before. **Enter** leaves them as they are, except those that you correct."
_OF_TEST = (
    "Test images: no model learns from them, later ones are measured with what you say. "
    "**Enter** leaves the rest as it is."
)
_HELP = (
    "Point at a wrong one and press its class key. Select several by click, drag, Shift and click, or "
    "Ctrl+A. **Del**: no cell. **/**: unsure, nobody can tell. **.**: later. **U** takes back an answer, or "
    "the last screen. A double click shows a cell in its image. **Ctrl+M** shows the cells that look like it."
)


def choose_unit() -> None:
    """Let the expert go through images, or through cells of all images."""
    st.session_state[_UNIT_KEY] = _UNITS[bool(session.view.by_cells)]  # a page may have changed it
    st.segmented_control(
        "Review",
        _UNITS,
        required=True,
        key=_UNIT_KEY,
        on_change=_take_unit,
        label_visibility="collapsed",
        width="content",
    )


def _take_unit() -> None:
    session.view.by_cells = st.session_state[_UNIT_KEY] == _UNITS[True]


def is_by_cells(project: Project) -> bool:
    """Return whether cells come, not images: as the expert chose; else once names can learn as they do.

    A test image that waits comes first, and so does an image that another page asked for.
    """
    view = session.view
    if view.by_cells is None:
        ranking = project.rankings.current()
        has_head = ranking is not None and project.live_heads.get(ranking.id) is not None
        is_asked = session.wanted_image is not None or session.editor is not None
        if not has_head or is_asked or project.splits.waiting():
            return False
        view.by_cells = True
    return view.by_cells


def show_wall(project: Project) -> None:
    """Show the next cells to name, or say that none waits."""
    if project.rankings.current() is None:
        choose_unit()
        _say_what_comes_first(project)
        return
    wall = _wall_of(project.file)
    st.html(STYLE)
    unit, *head = st.columns([2.3, 3.1, 2.3, 2.3, 2.2, 2.2, 2.4], vertical_alignment="bottom")
    with unit:
        choose_unit()
    wall.fill(project)
    _show_head(project, wall, *head)
    if not wall.screen:
        which = " of these" if wall.chosen.n_limits or wall.chosen.label is not None else ""
        st.success(f"No cell waits{which}. Choose others above, or go on with *Images*.")
        if wall.can_undo:
            st.button("Take back the last screen", icon=":material/undo:", on_click=_take_back)
        return
    hold_references(project)
    _cells(
        key=_KEY,
        data={
            "serial": wall.serial,
            "size": wall.size,
            "classes": _classes(project),
            "cells": _drawn(project, wall.screen),
            "ahead": _drawn(project, wall.ahead),
            "said": list(wall.marks.items()),
            "stored": wall.past[-1].serial if wall.past else None,
            "remember": f"rbcal wall of {project.file.project_id}",
        },
        on_settle_change=_settle,
        on_undo_change=_undo,
        on_open_change=_open,
        on_like_change=_more_like,
        height="content",
    )
    st.caption(f"{_words(wall.screen)} {_HELP}")


def _words(screen: list[AskedCell]) -> str:
    """Return what Enter does to the rest of a screen; others may have been chosen since it came."""
    if any(cell.is_test for cell in screen):
        return _OF_TEST
    return _KEEPS if all(cell.number is None for cell in screen) else _STAYS


def _say_what_comes_first(project: Project) -> None:
    """Say what to do while no model has found cells."""
    if session.running_job is None and not project.images.counts().annotated_cells:
        words = (
            "A model finds these cells. First name the cells of a few images under *Images*, then train it."
        )
        st.info(words, icon=":material/grid_view:")
        return
    comes = "the model is in training" if session.running_job else "train a model first"
    st.info(f"No cell is found yet: {comes}.", icon=":material/grid_view:")
    st.page_link("pages/train.py", label="Go to Train")


def _wall_of(file: ProjectFile) -> Wall:
    if session.wall is None or session.wall_of != file:
        past = _settled(file.path.resolve())[file.project_id, session.annotator]
        session.wall, session.wall_of = Wall(past=past), file
    return session.wall


@st.cache_resource(max_entries=64, show_spinner=False)
def _settled(path: Path) -> defaultdict[tuple[str | None, str | None], list[Settled]]:
    """Return the screens that were settled in a file since the app was started, by project and person."""
    del path  # only the key
    return defaultdict(list)


def forget_wall(path: Path) -> None:
    """Begin anew on the wall of a file that holds another state now: no earlier screen can be taken back."""
    for past in _settled(path.resolve()).values():
        past.clear()  # walls that are open elsewhere have the same list
    session.wall = session.wall_of = None


def _left_words(wall: Wall) -> str:
    """Say how many cells wait, which of them need not be read, and how long the others take."""
    if wall.chosen.kind is not None:
        return f"{wall.n_waiting:,} are left"
    if wall.n_waiting and not wall.n_to_read:
        return f"{wall.n_waiting:,} wait, all of them green: done but for spot checks"
    words = f"{wall.n_waiting:,} wait"
    if wall.n_promised:
        words += f", {wall.n_promised:,} of them green"
    if (seconds := wall.seconds_left()) is not None:
        words += f", {roughly(seconds)} at your pace{' for the others' if wall.n_promised else ''}"
    return words


def _show_head(
    project: Project,
    wall: Wall,
    left: DeltaGenerator,
    which: DeltaGenerator,
    place: DeltaGenerator,
    middle: DeltaGenerator,
    more: DeltaGenerator,
    right: DeltaGenerator,
) -> None:
    now = wall.chosen
    named = f"**{count(wall.n_settled, 'cell')} named**, {_left_words(wall)}."
    doubtful, n_answers = live_thread.doubtful(project.file)
    with left.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{named} {literal(wall.notice)}", width="content")
        if wall.like is not None:
            st.button("Back to the chosen order", key="end_like", on_click=wall.more_like, args=(None,))
        if doubtful and now.kind is None:
            st.button(
                f"Check {count(doubtful, 'answer')}",
                key="check_answers",
                icon=":material/rule:",
                on_click=show_kind,
                args=("doubtful",),
                help=f"{doubtful:,} of {n_answers:,} answers contradict others on cells that look alike.",
            )
    filters = menu_of_filters(more, now.n_limits)
    saved = filters.container()
    chosen = choose_cells(project, now, which, place, middle, filters)
    show_saved(project, chosen, saved)
    with filters:
        offer_to_save(project, chosen)
    size = right.segmented_control("On a screen", SIZES, default=wall.size, required=True, key="wall_size")
    if (size, chosen) != (wall.size, now):
        wall.restart(size, chosen)
        st.rerun()


def _classes(project: Project) -> list[dict[str, Any]]:
    every, own = project.classes.all(), project.classes.own()
    keys, colours = class_keys(every), class_colours(own)
    return [
        {"label": each.label, "key": keys[each.label], "name": each.name, "colour": colour}
        for each, colour in zip(own, colours, strict=True)
    ]


def _drawn(project: Project, screen: list[AskedCell]) -> list[dict[str, Any]]:
    """Return the cells as the browser draws them: each in the middle of a crop, all of one scale."""
    if not screen:
        return []
    usual = float(np.median([max(box[2] - box[0], box[3] - box[1]) for box in (cell.box for cell in screen)]))
    drawn = []
    for cell in screen:
        picture, part = _crop(project, cell, usual)
        drawn.append(
            {
                "id": cell.id,
                "image": cell.image,
                "label": cell.label,
                "p": cell.p if cell.number is None else None,
                "keeps": cell.number is None,
                "hint": cell.hint,
                "mark": "test" if cell.is_test else "",
                "picture": picture,
                "part": part,
            }
        )
    return drawn


def _crop(project: Project, cell: AskedCell, usual: float) -> tuple[str, list[float]]:
    """Return a picture of a cell with what is around it, and which part of the picture the box is."""
    x1, y1, x2, y2 = sides_of(cell)
    half = max(_AROUND * usual, 1.1 * (x2 - x1), 1.1 * (y2 - y1)) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    pixels = _pixels(project.images.digest(cell.image_id), project, cell.image_id)
    cut = crops.crop(pixels, [[x - half, y - half, x + half, y + half]], margin=0)
    left, top, right, bottom = cut.window
    part = [(x1 - left) / (right - left), (y1 - top) / (bottom - top)]
    part += [(x2 - left) / (right - left), (y2 - top) / (bottom - top)]
    return "data:image/jpeg;base64," + base64.b64encode(cut.jpeg()).decode("ascii"), part


@st.cache_resource(max_entries=64, show_spinner=False)
def _pixels(sha256: str, _project: Project, _image_id: int) -> pictures.Pixels:
    """Return the pixels of the image with these bytes; the last few are kept."""
    return pictures.decode(_project.images.content(_image_id), _project.images.get(_image_id).layer)


def _message(name: str) -> Any:
    return cast(dict[str, Any], st.session_state.get(_KEY) or {}).get(name)


def _settle() -> None:
    said, wall, file = _message("settle"), session.wall, session.wall_of
    if not said or wall is None or file is None or said["serial"] != wall.serial or not wall.screen:
        return
    with file.open() as project:
        answers = {int(each): label for each, label in said["answers"]}
        wall.settle(project, answers, list(map(int, said["later"])), float(said["seconds"]))
    live_thread.start(file)


def _undo() -> None:
    if session.wall is not None and _message("undo") == session.wall.serial:
        _take_back()


def _take_back() -> None:
    wall, file = session.wall, session.wall_of
    if wall is not None and file is not None:
        with file.open() as project:
            wall.undo(project)
        live_thread.start(file)


def _cell_of(name: str) -> AskedCell | None:
    """Return the cell of the screen that a message names."""
    asked, wall = _message(name), session.wall
    return next((each for each in wall.screen if each.id == asked), None) if wall else None


def _open() -> None:
    cell = _cell_of("open")
    if cell is not None:
        session.wanted_image, session.wanted_box = cell.image_id, sides_of(cell)
        session.view.by_cells = False


def _more_like() -> None:
    wall, cell = session.wall, _cell_of("like")
    if wall is not None and cell is not None:
        wall.more_like(cell)
