"""The open image: its boxes with undo, what the canvas shows of them, and what the project file keeps.

Every fact goes to the project file as soon as it is one: an edit is a draft there. All this lives in
``st.session_state`` and can be rebuilt from the file at any moment.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from rbcal.errors import ConflictError
from rbcal.store.classes import CellClass
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Ranking
from rbcal.store.reviews import Draft, How, Review
from rbcal.view import canvas, shapes, walk, words
from rbcal.view.keys import class_keys

CANVAS = "canvas"  # one fixed key: a new one for each image would switch Edit off
_IDLE = 60.0  # seconds; a longer pause is not work
_NEAR = 6.0  # screen pixels around the selected box that still belong to it: its handles


@dataclass
class View:
    """How the expert likes to see images; outlives the image."""

    zoom: float = 0.75  # what a window of 1280 x 720 comes to
    chips: str = "all"
    only: str | int = "all"  # boxes that are shown: "all", "flagged", or those of a class
    look: dict[str, Any] = field(default_factory=dict)  # brightness, contrast, gamma, channel, invert
    passes: bool = False  # whether the walk shows the boxes of the passes
    walks: bool = False  # whether an image opens with its walk
    sheets: bool = False  # whether the walk shows several cells side by side
    queue_label: int | None = None  # the class that the queue is filtered by
    drawing: bool = False
    label: int = 0  # of new boxes
    pointed: float = 0.0  # when the browser's last press was that we know of
    ticket: int = 0  # of the last act that the companion asked for
    done: int = 0  # of the last one whose outcome is on the canvas


@dataclass
class Easel:
    """An image under review: its boxes as the history, the canvas and the project file know them."""

    path: Path
    image: Image
    sha256: str
    picture: bytes
    classes: tuple[CellClass, ...]
    ranking: Ranking | None
    cells: dict[int, Cell]  # by detection
    verdicts: dict[int, words.Verdict]  # by detection
    reds: list[int]  # detections that wait for a look, the most uncertain first
    spots: list[int]  # green detections, drawn at random, that come back to be checked
    view: View
    history: shapes.History
    start: shapes.Shapes  # as the model left them, or the last review
    base_revision: int  # of the review that this one goes on from
    drafted_from: int | None = None  # the ranking that the draft began with
    unknown: frozenset[int] = frozenset()  # ids of reviewed boxes of which nobody knows how they came about
    green: tuple[int, int] = (0, 0)  # wrong, checked: the model's green boxes so far
    seconds: float = 0.0
    acted_at: float = field(default_factory=time.monotonic)
    walking: bool = False  # the walk takes the place of the canvas
    selected: int | None = None  # id of a box
    seen: set[int] = field(default_factory=set)  # ids of boxes that were selected
    centre: bool = False  # bring the selected box into sight
    notice: str = ""  # what just happened, where the boxes do not show it
    theirs: Review | None = None  # what somebody else saved meanwhile
    serial: int = 0
    drawn: shapes.Shapes = ()
    next_id: int = 0  # of the next box that is drawn on the canvas
    pen: canvas.Pen = field(default_factory=lambda: canvas.Pen(()))
    drawing: canvas.Drawing = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frame = canvas.Frame.of(self.image.width, self.image.height)
        self.names = [each.name for each in self.classes]
        self.keys = class_keys(self.classes)
        self.opened_with = frozenset(each.id for each in self.present)
        self.redraw()

    @property
    def token(self) -> str:
        """Names the drawing that the canvas should show."""
        return f"{self.image.id}:{self.serial}"

    @property
    def present(self) -> shapes.Shapes:
        """The boxes as they are now."""
        return self.history.present

    @property
    def started_from(self) -> int | None:
        """The ranking whose boxes these are: the one on the desk if any is of it, else the draft's."""
        ours = any(each.detection_id in self.cells for each in self.present)
        return self.ranking.id if self.ranking is not None and ours else self.drafted_from

    @property
    def drawn_now(self) -> list[shapes.Shape]:
        """The boxes that the canvas shows, as they are now."""
        shown = {each.id for each in self.drawn}
        return [each for each in self.present if each.id in shown or each.id >= self.next_id]

    def redraw(self) -> None:
        """Put the boxes on the canvas anew; it forgets its selection. In the walk there is no canvas."""
        if self.walking:
            return
        self.serial = st.session_state["serial"] = st.session_state.get("serial", 0) + 1
        self.drawn = tuple(each for each in self.present if self._shows(each))
        self.next_id = max((each.id for each in self.present), default=-1) + 1
        self.pen = canvas.Pen(words.short_names(self.names), self.view.zoom, self.view.chips)
        self.drawing = canvas.drawing(self.drawn, self.frame, self.pen, self.token)

    def _shows(self, shape: shapes.Shape) -> bool:
        match self.view.only:
            case "all":
                return True
            case "flagged":
                return shape.flagged or shape.touched
            case label:
                return shape.label == label or shape.id == self.selected

    def listen(self) -> None:
        """Take over what the expert did on the canvas since."""
        now = time.monotonic()
        self.seconds += min(now - self.acted_at, _IDLE)
        self.acted_at = now
        raw = ((st.session_state.get(CANVAS) or {}).get("drawing") or {}).get("raw")
        if self.walking or raw is None or canvas.token_of(raw) != self.token:
            return
        self.view.done = self.view.ticket  # the canvas reports each new drawing once it is loaded
        shown = {each.id for each in self.drawn}
        hidden = [each for each in self.present if each.id not in shown and each.id < self.next_id]
        reading = canvas.read(raw, self.drawn, self.frame, self.pen, self.view.label, self.next_id)
        together = sorted([*hidden, *reading.shapes], key=lambda each: each.id)
        self.change(self.history.change(tuple(together)))
        if reading.litter:
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
        self.keep_draft()

    def keep_draft(self) -> None:
        """Store the boxes as an unfinished review."""
        boxes = shapes.to_json(self.present)
        draft = Draft(boxes, self.seconds, self.base_revision, self.started_from)
        with Project.open(self.path) as project:
            project.reviews.save_draft(self.image.id, draft)

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
        hit = shapes.shape_at(self.drawn_now, x, y)
        now = self.history.find(self.selected)
        if now is not None and hit is None:
            hit = shapes.shape_at([now], x, y, near)
        if hit is None:  # a box too small to be hit is as large as a fingertip to the canvas, too
            hit = shapes.shape_at(
                [each for each in self.drawn_now if canvas.is_tiny(each, self.frame, self.pen)], x, y, near
            )
        self.select(None if hit is None else hit.id)

    def save(self) -> None:
        """Store the boxes as annotations; returns only when they are on disk."""
        ranking_id = self.started_from
        try:
            with Project.open(self.path) as project, project.transaction():
                # A ranking that came since has dropped the detections of those before it.
                cells = project.rankings.cells(ranking_id, self.image.id) if ranking_id else []
                alive = {cell.detection_id for cell in cells}
                sources = [each.detection_id if each.detection_id in alive else None for each in self.present]
                fresh = alive and not self.base_revision
                project.reviews.save(
                    self.image.id,
                    shapes.to_annotations(self.present),
                    origin="expert",
                    base_revision=self.base_revision,
                    detection_ids=sources,
                    how=[self._how(each) for each in self.present],
                    spot_checks=walk.spot_checks(self.present, self.start, self.spots) if fresh else {},
                    ranking_id=ranking_id if alive or not self.cells else None,
                    seconds=self.seconds,
                )
        except ConflictError:
            with Project.open(self.path) as project:
                self.theirs = project.reviews.current(self.image.id)
            self.keep_draft()  # the other save has dropped it
            raise

    def _how(self, shape: shapes.Shape) -> How | None:
        """Return what became of a box; one that was changed, and changed back, was looked at and kept."""
        was = next((each for each in self.start if each.id == shape.id), None)
        if was is None or (was.box, was.label) != (shape.box, shape.label):
            return shape.how
        if shape.id in self.unknown and shape.how == "kept":
            return None
        return "kept" if shape.how == "changed" else shape.how

    def keep_mine(self) -> None:
        """Go on from what somebody else saved meanwhile; the next save stores these boxes after it."""
        if self.theirs is not None:
            self.base_revision, self.theirs = self.theirs.revision, None
            self.keep_draft()
