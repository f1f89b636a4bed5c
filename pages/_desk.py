"""The desk of the Review page: one open image, its boxes with undo, and what the canvas shows of them.

Every fact goes to the project file as soon as it is one: an edit is a draft there. The desk itself lives in
``st.session_state`` and can be rebuilt from the file at any moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.formats import pictures
from rbcal.store.classes import CellClass
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Ranking
from rbcal.store.reviews import Draft
from rbcal.view import canvas, shapes, words

CANVAS = "canvas"  # one fixed key: a new one for each image would switch Edit off
COMPANION = "companion"
_IDLE = 60.0  # seconds; a longer pause is not work
_NEAR = 6.0  # screen pixels around the selected box that still belong to it: its handles


@dataclass
class View:
    """How the expert likes to see images; outlives the image."""

    zoom: float = 0.75  # what a window of 1280 x 720 comes to
    chips: str = "all"
    drawing: bool = False
    label: int = 0  # of new boxes
    pointed: float = 0.0  # when the browser's last press was that we know of
    ticket: int = 0  # of the last act that the companion asked for
    done: int = 0  # of the last one whose outcome is on the canvas


@dataclass
class Desk:
    """One image under review."""

    path: Path
    image: Image
    picture: bytes
    classes: tuple[CellClass, ...]
    ranking: Ranking | None
    cells: list[Cell]
    verdicts: dict[int, words.Verdict]  # by detection
    reds: list[int]  # detections, the most uncertain first
    view: View
    history: shapes.History
    start: shapes.Shapes  # as the model left them
    seconds: float = 0.0
    acted_at: float = field(default_factory=time.monotonic)
    selected: int | None = None  # id of a box
    seen: set[int] = field(default_factory=set)  # ids of boxes that were selected
    centre: bool = False  # bring the selected box into sight
    serial: int = 0
    drawn: shapes.Shapes = ()
    pen: canvas.Pen = field(default_factory=lambda: canvas.Pen(()))
    drawing: canvas.Drawing = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frame = canvas.Frame.of(self.image.width, self.image.height)
        self.names = [each.name for each in self.classes]
        self.redraw()

    @property
    def token(self) -> str:
        """Names the drawing that the canvas should show."""
        return f"{self.image.id}:{self.serial}"

    @property
    def present(self) -> shapes.Shapes:
        """The boxes as they are now."""
        return self.history.present

    def redraw(self) -> None:
        """Put the boxes on the canvas anew; it forgets its selection."""
        self.serial = st.session_state["serial"] = st.session_state.get("serial", 0) + 1
        self.drawn = self.present
        self.pen = canvas.Pen(words.short_names(self.names), self.view.zoom, self.view.chips)
        self.drawing = canvas.drawing(self.drawn, self.frame, self.pen, self.token)

    def listen(self) -> None:
        """Take over what the expert did on the canvas since."""
        now = time.monotonic()
        self.seconds += min(now - self.acted_at, _IDLE)
        self.acted_at = now
        raw = ((st.session_state.get(CANVAS) or {}).get("drawing") or {}).get("raw")
        if raw is None or canvas.token_of(raw) != self.token:
            return
        self.view.done = self.view.ticket  # the canvas reports each new drawing once it is loaded
        reading = canvas.read(raw, self.drawn, self.frame, self.pen, self.view.label)
        self.change(self.history.change(reading.shapes))
        if reading.litter:
            self.redraw()

    def obey(self) -> None:
        """Do what the companion asked for since, each thing once.

        Streamlit may answer several acts with one run, and then calls their callbacks in an order of its own:
        whichever comes first, a class key counts before the *Save* that was clicked after it.
        """
        said = st.session_state.get(COMPANION) or {}
        asked = said.get("act")
        for press in (said.get("point"), asked and asked.get("point")):
            x, y, pressed_at, image_id = press or (0, 0, 0, None)
            if pressed_at > self.view.pointed:
                self.view.pointed = pressed_at
                if image_id == self.image.id:  # else it was meant for an image that is gone
                    self.select_at(x, y)
        if not asked or asked["ticket"] <= self.view.ticket:
            return
        self.view.ticket = asked["ticket"]
        if asked["image"] != self.image.id:
            return
        match asked["what"]:
            case "label":
                self.relabel(int(asked["value"]))
            case "remove":
                self.remove()
            case "undo":
                self.undo()
            case "redo":
                self.redo()
            case "next":
                self.next_red()
            case "zoom":
                self.view.zoom = float(asked["value"])
                self.redraw()

    def change(self, history: shapes.History, *, redraw: bool = False) -> None:
        """Make a change, and keep it as a draft in the project file."""
        if history is self.history:
            return
        self.history = history
        if history.find(self.selected) is None:
            self.selected = None
        if redraw:
            self.redraw()
        with Project.open(self.path) as project:
            project.reviews.save_draft(self.image.id, Draft(shapes.to_json(self.present), self.seconds))

    def select(self, shape_id: int | None, *, centre: bool = False) -> None:
        """Point at a box."""
        self.selected, self.centre = shape_id, centre
        if centre:
            self.redraw()  # or the canvas would still have another box selected, which Delete would hit
        if shape_id is not None:
            self.seen.add(shape_id)

    def select_at(self, x: float, y: float) -> None:
        """Point at the box around a point of the canvas; the selected one keeps what is near its handles."""
        x, y = x / self.frame.scale_x, y / self.frame.scale_y
        near = _NEAR / (self.view.zoom * self.frame.scale_x)
        hit = shapes.shape_at(self.present, x, y)
        now = self.history.find(self.selected)
        if now is not None and hit is None:
            x1, y1, x2, y2 = now.box
            hit = shapes.shape_at([replace(now, box=(x1 - near, y1 - near, x2 + near, y2 + near))], x, y)
        self.select(None if hit is None else hit.id)

    def relabel(self, label: int) -> None:
        """Give the box that the expert means a class; while drawing, the last one drawn and those to come."""
        target = self.selected
        if self.view.drawing:
            self.view.label = label
            target = max((each.id for each in self.present if each.detection_id is None), default=None)
        if target is None:
            self.view.label = label
        else:
            self.change(self.history.relabel(target, label), redraw=True)

    def remove(self) -> None:
        """Delete the selected box."""
        if self.selected is not None:
            self.change(self.history.remove(self.selected), redraw=True)

    def undo(self) -> None:
        """Take the last change back."""
        self.change(self.history.undo(), redraw=True)

    def redo(self) -> None:
        """Repeat the change that was taken back last."""
        self.change(self.history.redo(), redraw=True)

    def red_shapes(self) -> list[shapes.Shape]:
        """Return the boxes in the order of the list of red cells, those deleted left out."""
        by_detection = {each.detection_id: each for each in self.present}
        return [by_detection[detection] for detection in self.reds if detection in by_detection]

    def next_red(self) -> None:
        """Point at the first red cell that nobody looked at."""
        waiting = [each for each in self.red_shapes() if each.id not in self.seen and not each.touched]
        if waiting:
            self.select(waiting[0].id, centre=True)

    def save(self) -> None:
        """Store the boxes as annotations; returns only when they are on disk."""
        annotations, detection_ids = shapes.to_annotations(self.present)
        with Project.open(self.path) as project:
            # A ranking that came since has dropped the detections of those before it.
            cells = project.rankings.cells(self.ranking.id, self.image.id) if self.ranking else []
            alive = {cell.detection_id for cell in cells}
            sources = [each if each in alive else None for each in detection_ids]
            started_from_it = bool(alive.intersection(sources)) or not self.cells
            project.reviews.save(
                self.image.id,
                annotations,
                origin="expert",
                base_revision=self.image.revision,
                detection_ids=sources,
                ranking_id=self.ranking.id if self.ranking and started_from_it else None,
                seconds=self.seconds,
            )


def open_desk(project: Project, image_id: int, view: View) -> Desk:
    """Return the desk with one image on it, and the draft of it where there is one."""
    image = project.images.get(image_id)
    classes = project.classes.all()
    ranking = project.rankings.current()
    cells = project.rankings.cells(ranking.id, image_id) if ranking else []
    found = (
        words.verdicts(cells, project.classes.names(), project.classes.rare_labels(), ranking.config)
        if ranking
        else []
    )
    frame = canvas.Frame.of(image.width, image.height)
    start = tuple(
        shapes.Shape(
            number, frame.clip(tuple(cell.box.tolist())), cell.label, cell.detection_id, verdict.flagged
        )
        for number, (cell, verdict) in enumerate(zip(cells, found, strict=True))
    )
    draft = project.reviews.draft(image_id)
    view.label = min(view.label, max(0, len(classes) - 1))
    return Desk(
        path=project.path,
        image=image,
        picture=shown(project.images.content(image_id)),
        classes=classes,
        ranking=ranking,
        cells=cells,
        verdicts={verdict.detection_id: verdict for verdict in found},
        reds=[cells[k].detection_id for k in words.most_uncertain_first(cells, found)],
        view=view,
        history=shapes.History(shapes.from_json(draft.boxes) if draft else start),
        start=start,
        seconds=draft.seconds if draft else 0.0,
    )


@st.cache_data(max_entries=8, show_spinner=False)
def shown(content: bytes) -> bytes:
    """Return a picture as a browser can show it; the last few are kept, for going back and forth."""
    return pictures.display(content)


def act(what: Callable[..., None] | None, *arguments: Any) -> None:
    """Run what the expert means by a press, after the edits made before it; None: those edits are all.

    The boundary in app.py does not see callbacks, so an error waits in the session for the panel to show it.
    """
    desk: Desk | None = st.session_state.get("desk")
    if desk is None:  # saved a moment ago; this is an echo of its canvas, or a second press
        return
    before, ticket = desk.serial, desk.view.ticket
    try:
        desk.listen()
        desk.obey()
        if what is not None:
            what(*arguments)
            st.session_state.pop("review_error", None)
    except RbcalError as err:
        st.session_state["review_error"] = str(err)
    if desk.view.ticket != ticket and desk.serial == before:
        desk.view.done = desk.view.ticket  # it drew nothing anew, so there is no drawing to wait for
