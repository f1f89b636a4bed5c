"""The canvas component, the cell review that takes its place, and their companion.

Importing this needs a running Streamlit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from rbcal.charts.colours import class_colours, ink
from rbcal.review.boxes import EditedBox
from rbcal.review.canvas_drawing import BLUE, HIDDEN, RED, colour
from rbcal.review.cell_review import waiting
from rbcal.review.editor import Editor
from rbcal.review.edits import name_it
from rbcal.review.explanations import score_words
from rbcal.review.shortcuts import key_table
from rbcal.ui.review.acts import CANVAS, COMPANION, act
from rbcal.ui.session import session
from rbcal.wording import short_names

_JS = Path(__file__).parent / "js"
_PARTS = ("filters", "class_card", "cell_review", "messages", "keys", "names", "stage")
_companion = st.components.v2.component(
    "rbcal.companion", js="\n".join((_JS / f"{name}.js").read_text("utf-8") for name in _PARTS)
)


def show_canvas(editor: Editor) -> None:
    """Show the image with its boxes to edit."""
    canvas = editor.canvas
    st_canvas(
        key=CANVAS,
        background_image=editor.picture.content,  # bytes: a picture object is encoded anew at each rerun
        initial_drawing=canvas.drawing,  # constant until we redraw; what comes back is never fed in again
        width=canvas.frame.canvas_width,
        height=canvas.frame.canvas_height,
        drawing_mode="labeled_rect",
        label="",  # names lie beside the boxes: see names.js
        stroke_color=BLUE,
        stroke_width=canvas.pen.line,
        fill_color="rgba(0, 0, 0, 0)",
        on_change=lambda: act(None),
    )


def show_companion(editor: Editor) -> None:
    """Mount the companion beside the canvas; it shows something of its own only in the cell review."""
    chosen = editor.chosen
    by_cell = editor.cell_review.is_open and (chosen is not None or bool(editor.cell_review.batch))
    where = editor.place if chosen is None else chosen.box
    ring = None if where is None or by_cell else list(editor.canvas.frame.to_canvas(where))
    _companion(
        key=COMPANION,
        data={
            "mode": "cells" if by_cell else "draw" if editor.view.drawing else "edit",
            "keys": editor.keys,
            "shortcuts": key_table(),
            "ring": ring,
            "label": editor.view.label,  # of boxes to draw
            "names": None if by_cell else _names(editor),
            "centre": editor.centre,
            "zoom": editor.view.zoom,
            "loaded": editor.loaded,
            "image": editor.image.id,
            "picture": editor.picture.sha256,
            "ticket": session.inbox.ticket,
            "answers": session.inbox.answers,
            "filters": editor.view.filters,
            "review": _cell_review(editor, chosen) if by_cell else None,
            "done": session.inbox.done,  # it holds the mouse back until what it asked for is done
        },
        height="content",
        on_point_change=lambda: act(None),
        on_act_change=lambda: act(None),
    )


def _names(editor: Editor) -> dict[str, Any]:
    """Return what the boxes on the canvas are called, in canvas pixels."""
    frame, hidden = editor.canvas.frame, len(editor.names)
    described = zip(editor.names, short_names(editor.names), class_colours(editor.classes), strict=True)
    return {
        "size": [frame.canvas_width, frame.canvas_height],
        "classes": [
            {"name": name, "short": short, "colour": colour, "ink": ink(colour)}
            for name, short, colour in [*described, (HIDDEN, HIDDEN, "#FFFFFF")]
        ],
        "boxes": [
            [
                *(round(side, 1) for side in frame.to_canvas(each.box)),
                -1 if not editor.shows_name(each) else hidden if editor.is_hidden(each) else each.label,
                each.id == editor.selected,
            ]
            for each in editor.visible
        ],
    }


def _cell_review(editor: Editor, chosen: EditedBox | None) -> dict[str, Any]:
    """Return what the cell review shows: a batch, or a cell, those around it, and the one after it."""
    size = {"width": editor.image.width, "height": editor.image.height}
    if chosen is None or editor.cell_review.batch:
        return size | _batch(editor, chosen)
    following = editor.cell_review.next_waiting(editor.cells, chosen.id, editor.boxes)
    after = editor.history.find(following)
    return {
        **size,
        **_cell(editor, chosen),
        "others": [
            [*(round(side, 1) for side in each.box), colour(each), colour(each) == RED]
            for each in editor.boxes
            if each.id != chosen.id
        ],
        "after": None if after is None else _cell(editor, after),
    }


def _batch(editor: Editor, chosen: EditedBox | None) -> dict[str, Any]:
    """Return cells side by side; where none is chosen, no class and no score."""
    boxes = {each.id: each for each in editor.boxes}
    tiles = [boxes[key] for key in editor.cell_review.batch if key in boxes]
    n = len(waiting(tiles))
    shown = chosen or (tiles[0] if tiles else editor.log.start[0])
    return {
        **_cell(editor, shown),
        **({"id": -1, "label": -1, "scores": [], "box": [0, 0, 0, 0]} if chosen is None else {}),
        "batch": [_cell(editor, each) for each in tiles],
        "head": f"Enter keeps {n}. First click each wrong cell, and press its class key or Del."
        if n
        else "All of these are done. Enter shows the next.",
    }


def _cell(editor: Editor, box: EditedBox) -> dict[str, Any]:
    """Return one cell of the cell review, and what the model thinks of it."""
    cell = editor.predictions.cells.get(box.detection_id or -1)
    start = next((each for each in editor.log.start if each.id == box.id), box)
    spot, keys, hidden = box.detection_id in editor.cell_review.spots, editor.keys, editor.is_hidden(box)
    colours = class_colours(editor.classes)
    did = {"kept": " · kept", "changed": " · changed", "unsure": " · unsure"}.get(box.review_status or "", "")
    return {
        "id": box.id,
        "box": box.box,
        "at": start.box,  # the crop stays where it is while the box is moved
        "stroke": colour(box),
        "dashed": colour(box) == RED,
        "passes": _passes(editor, box) if editor.view.passes else None,
        "label": -1 if hidden else box.label,
        "done": not box.waits,
        "classes": [
            {
                "label": k,
                "key": keys[k],
                "name": editor.names[k],
                "colour": colours[k],
                "p": None if cell is None or hidden else float(cell.probs[k + 1]),
            }
            for k in editor.choices
        ],
        "scores": [(name_it(editor), False)] if hidden else _scores(editor, box),
        "head": ("Spot check: a green box, drawn at random" if spot else "What is this cell?") + did,
    }


def _passes(editor: Editor, box: EditedBox) -> list[list[float]] | None:
    """Return where each of the passes saw a cell."""
    cell = editor.predictions.cells.get(box.detection_id or -1)
    return None if cell is None or cell.passes is None else cell.passes.tolist()


def _scores(editor: Editor, box: EditedBox) -> list[tuple[str, bool]]:
    """Return what the model's scores say of a cell, and which of them make it red."""
    predictions = editor.predictions
    cell = predictions.cells.get(box.detection_id or -1)
    if cell is None or predictions.ranking is None:
        scores = [("Found by an earlier model.", False)]
    else:
        rare = [each.label for each in editor.classes if each.rare]
        scores = score_words(cell, editor.names, rare, predictions.ranking.config)
        if predictions.colours.by == "chance":  # then it is not these scores that make it red
            reasons = predictions.verdicts[cell.detection_id].reasons
            scores = [*((words, True) for words in reasons), *((words, False) for words, _ in scores)]
    if editor.view.passes and _passes(editor, box) is None:
        scores = [
            *scores,
            ("The boxes of the passes are stored from the next sorting of the images on.", False),
        ]
    return scores
