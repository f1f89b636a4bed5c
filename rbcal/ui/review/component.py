"""The canvas component, the walk that takes its place, and their companion.

Importing this needs a running Streamlit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from rbcal.review import canvas_drawing, cell_review
from rbcal.review import history as shapes
from rbcal.review.explanations import score_words
from rbcal.ui.review.desk import COMPANION, Desk, act
from rbcal.ui.review.easel import CANVAS

_JS = Path(__file__).parent / "js"
_companion = st.components.v2.component(
    "rbcal.companion",
    js="\n".join((_JS / f"{name}.js").read_text("utf-8") for name in ("look", "walk", "stage")),
)


def show_canvas(desk: Desk) -> None:
    """Show the image with its boxes to edit."""
    st_canvas(
        key=CANVAS,
        background_image=desk.picture,  # bytes: a picture object would be encoded anew at each rerun
        initial_drawing=desk.drawing,  # constant until we redraw; what comes back is never fed in again
        width=desk.frame.canvas_width,
        height=desk.frame.canvas_height,
        drawing_mode="labeled_rect",
        label=desk.pen.texts[desk.view.label],
        stroke_color=canvas_drawing.BLUE,
        stroke_width=desk.pen.line,  # type: ignore[arg-type]  # a float does, too
        fill_color="rgba(0, 0, 0, 0)",
        font_size=desk.pen.font,  # type: ignore[arg-type]
        on_change=lambda: act(None),
    )


def show_companion(desk: Desk) -> None:
    """Mount the companion beside the canvas; it shows something of its own only in the walk."""
    chosen = desk.history.find(desk.selected)
    walking = desk.walking and (chosen is not None or bool(desk.sheet))
    where = desk.place if chosen is None else chosen.box
    ring = None if where is None or walking else list(desk.frame.to_canvas(where))
    _companion(
        key=COMPANION,
        data={
            "mode": "walk" if walking else "draw" if desk.view.drawing else "edit",
            "keys": desk.keys,
            "ring": ring,
            "centre": desk.centre,
            "zoom": desk.view.zoom,
            "loaded": desk.loaded,
            "image": desk.image.id,
            "picture": desk.sha256,
            "ticket": desk.view.ticket,
            "answers": desk.answers,
            "look": desk.view.look,
            "walk": _walk_data(desk, chosen) if walking else None,
            "done": desk.view.done,  # it holds the mouse back until what it asked for is done
        },
        height="content",
        on_point_change=lambda: act(None),
        on_act_change=lambda: act(None),
    )


def _walk_data(desk: Desk, chosen: shapes.Shape | None) -> dict[str, Any]:
    """Return what the walk shows: a sheet of cells, or a cell, those around it, and the one after it."""
    size = {"width": desk.image.width, "height": desk.image.height}
    if chosen is None or desk.sheet:
        present = {each.id: each for each in desk.present}
        tiles = [present[key] for key in desk.sheet if key in present]
        n = len(cell_review.waiting(tiles))
        shown = chosen or (tiles[0] if tiles else desk.start[0])
        return {
            **size,
            **_cell_data(desk, shown),
            **({"id": -1, "label": -1, "scores": [], "box": [0, 0, 0, 0]} if chosen is None else {}),
            "sheet": [_cell_data(desk, each) for each in tiles],
            "head": f"Enter keeps {n}. First click those that are wrong, and press their class or Del."
            if n
            else "All of these are done. Enter shows the next.",
        }
    following = desk.waiting_after(desk.walk_cells(), chosen.id)
    after = None if following is None else desk.history.find(following)
    return {
        **size,
        **_cell_data(desk, chosen),
        "others": [
            [
                *(round(side, 1) for side in each.box),
                canvas_drawing.colour(each),
                canvas_drawing.colour(each) == canvas_drawing.RED,
            ]
            for each in desk.present
            if each.id != chosen.id
        ],
        "after": None if after is None else _cell_data(desk, after),
    }


def _cell_data(desk: Desk, shape: shapes.Shape) -> dict[str, Any]:
    """Return one cell of the walk, and what the model thinks of it."""
    cell = desk.cells.get(shape.detection_id or -1)
    start = next((each for each in desk.start if each.id == shape.id), shape)
    passes = cell.passes.tolist() if cell is not None and cell.passes is not None else None
    spot = shape.detection_id in desk.spots
    scores = (
        score_words(cell, desk.names, [each.label for each in desk.classes if each.rare], desk.ranking.config)
        if cell is not None and desk.ranking is not None
        else [("Found by an earlier model.", False)]
    )
    if desk.view.passes and passes is None:
        scores = [*scores, ("The boxes of the passes are kept from the next ranking on.", False)]
    did = {"kept": " · kept", "changed": " · changed"}.get(shape.review_status, "")
    return {
        "id": shape.id,
        "box": shape.box,
        "at": start.box,  # the crop stays where it is while the box is moved
        "stroke": canvas_drawing.colour(shape),
        "dashed": canvas_drawing.colour(shape) == canvas_drawing.RED,
        "passes": passes if desk.view.passes else None,
        "label": shape.label,
        "done": shape.review_status not in ("open", "accepted_in_bulk"),
        "classes": [
            {
                "label": k,
                "key": desk.keys[k],
                "name": desk.names[k],
                "p": None if cell is None else float(cell.probs[k + 1]),
            }
            for k in desk.choices
        ],
        "scores": scores,
        "head": ("Spot check: a green box, drawn at random" if spot else "What is this cell?") + did,
    }


def walk_place(desk: Desk) -> tuple[int, int, int]:
    """Return the place of the open cell in the walk from 1 on, the walk's length, and how many still wait."""
    cells = desk.walk_cells()
    ids = [each.id for each in cells]
    return (
        (ids.index(desk.selected) + 1 if desk.selected in ids else 0),
        len(ids),
        len(cell_review.waiting(cells)),
    )
