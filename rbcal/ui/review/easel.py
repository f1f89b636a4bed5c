"""The open image: its boxes with undo, what the canvas shows of them, and what the project file keeps.

Every act goes to the log of the project file as soon as it is one. All this lives in ``st.session_state``
and can be rebuilt from the file at any moment, undo and redo with it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import streamlit as st

from rbcal.errors import ConflictError
from rbcal.review import canvas_drawing, cell_review, explanations
from rbcal.review import history as shapes
from rbcal.review.shortcuts import class_keys
from rbcal.store.classes import CellClass
from rbcal.store.images import Image
from rbcal.store.log import BoxState, Kind, ReviewStatus, Work
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, StoredRanking

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
    ranking: StoredRanking | None
    cells: dict[int, Cell]  # by detection
    verdicts: dict[int, explanations.Verdict]  # by detection
    reds: list[int]  # detections that wait for a look, the most uncertain first
    spots: list[int]  # green detections, drawn at random, that come back to be checked
    view: View
    history: shapes.History
    start: shapes.Shapes  # as the model left them, or the last review
    version: int = 0  # of the boxes in the log
    begun: bool = False  # whether the log knows what the expert started from
    revision: int = 0  # how often the image was reviewed
    green: tuple[int, int] = (0, 0)  # wrong, checked: the model's green boxes so far
    seconds: float = 0.0  # of the expert's time since the start
    logged: float = 0.0  # of them, those that the log has
    gone: frozenset[int] = frozenset()  # detections that a newer ranking dropped
    acted_at: float = field(default_factory=time.monotonic)
    walking: bool = False  # the walk takes the place of the canvas
    selected: int | None = None  # id of a box
    seen: set[int] = field(default_factory=set)  # ids of boxes that were selected
    centre: bool = False  # bring the selected box into sight
    place: shapes.Box | None = None  # where the expert shall look while no box is selected
    notice: str = ""  # what just happened, where the boxes do not show it
    theirs: Work | None = None  # what somebody else did meanwhile
    serial: int = 0
    heard: str = ""  # the token of the last drawing that the canvas is known to show
    drawn: shapes.Shapes = ()
    next_id: int = 0  # of the next box that is drawn on the canvas
    pen: canvas_drawing.Pen = field(default_factory=lambda: canvas_drawing.Pen(()))
    drawing: canvas_drawing.Drawing = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frame = canvas_drawing.Frame.of(self.image.width, self.image.height)
        self.names = [each.name for each in self.classes]
        self.keys = class_keys(self.classes)
        self.choices = [each.label for each in self.classes if each.merged_into is None]
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
    def drawn_now(self) -> list[shapes.Shape]:
        """The boxes that the canvas shows, as they are now."""
        shown = {each.id for each in self.drawn}
        return [each for each in self.present if each.id in shown or each.id >= self.next_id]

    @property
    def loaded(self) -> bool:
        """Whether the canvas shows what it should; in the walk there is none to wait for."""
        return self.walking or self.heard == self.token

    def redraw(self) -> None:
        """Put the boxes on the canvas anew; it forgets its selection. In the walk there is no canvas."""
        if self.walking:
            return
        self.serial = st.session_state["serial"] = st.session_state.get("serial", 0) + 1
        self.drawn = tuple(each for each in self.present if self._shows(each))
        self.next_id = max((each.id for each in self.present), default=-1) + 1
        self.pen = canvas_drawing.Pen(explanations.short_names(self.names), self.view.zoom, self.view.chips)
        self.drawing = canvas_drawing.drawing(self.drawn, self.frame, self.pen, self.token)
        if CANVAS not in st.session_state:  # a canvas that comes with a drawing does not always report it
            self.heard = self.token

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
        if self.walking or raw is None or canvas_drawing.token_of(raw) != self.token:
            return
        self.heard = self.token  # the canvas reports each new drawing once it is loaded
        self.view.done = self.view.ticket
        shown = {each.id for each in self.drawn}
        hidden = [each for each in self.present if each.id not in shown and each.id < self.next_id]
        reading = canvas_drawing.read(raw, self.drawn, self.frame, self.pen, self.view.label, self.next_id)
        together = sorted([*hidden, *reading.shapes], key=lambda each: each.id)
        self.change(self.history.change(tuple(together)))
        if reading.litter:
            self.redraw()

    def change(
        self,
        history: shapes.History,
        *,
        redraw: bool = False,
        kind: Kind = "edit",
        review_id: int | None = None,
    ) -> None:
        """Make a change; the log has it when this returns.

        Raises
        ------
        ConflictError
            When somebody else changed this image; then the change is on the desk alone until the expert
            has chosen.
        """
        if history is self.history:
            return
        try:
            with Project.open(self.path) as project:
                self._record(project, kind, history.present, review_id)
        except ConflictError:
            self._show(history, redraw=redraw)
            self._see_theirs()
            raise
        self._show(history, redraw=redraw)

    def _show(self, history: shapes.History, *, redraw: bool) -> None:
        self.history = history
        if history.find(self.selected) is None:
            self.selected = None
        if redraw:
            self.redraw()

    def _record(self, project: Project, kind: Kind, now: shapes.Shapes, review_id: int | None = None) -> None:
        """Log an act, and before the first one what the expert started from."""
        with project.transaction():
            version = self._begin(project)
            version = project.log.record(
                self.image.id,
                kind,
                self._boxes(now),
                version=version,
                seconds=self.seconds - self.logged,
                review_id=review_id,
            )
        self.version, self.begun, self.logged = version, True, self.seconds

    def _begin(self, project: Project) -> int:
        """Log what the expert starts from, unless it is there, and return the version of it."""
        if self.begun:
            return self.version
        ranking_id = None if self.ranking is None else self.ranking.id
        there = project.rankings.cells(ranking_id, self.image.id) if ranking_id else []
        self.gone = frozenset(self.cells) - {cell.detection_id for cell in there}
        return project.log.record(
            self.image.id, "begin", self._boxes(self.start), version=self.version, ranking_id=ranking_id
        )

    def _boxes(self, now: shapes.Shapes) -> dict[int, BoxState]:
        return {
            number: state._replace(detection_id=None) if state.detection_id in self.gone else state
            for number, state in shapes.to_boxes(now).items()
        }

    def select(self, shape_id: int | None, *, centre: bool = False) -> None:
        """Point at a box."""
        self.selected, self.centre, self.place = shape_id, centre, None
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
                [each for each in self.drawn_now if canvas_drawing.is_tiny(each, self.frame, self.pen)],
                x,
                y,
                near,
            )
        self.select(None if hit is None else hit.id)

    def save(self) -> None:
        """Store the boxes as annotations; returns only when they are on disk."""
        now = tuple(replace(each, review_status=self._review_status(each)) for each in self.present)
        try:
            with Project.open(self.path) as project, project.transaction():
                version = self._begin(project)
                project.reviews.save_boxes(
                    self.image.id,
                    self._boxes(now),
                    origin="expert",
                    version=version,
                    spot_checks={}
                    if self.gone
                    else cell_review.spot_checks(self.present, self.start, self.spots),
                    ranking_id=None if self.ranking is None else self.ranking.id,
                    seconds=self.seconds - self.logged,
                )
        except ConflictError:
            self._see_theirs()
            raise

    def _review_status(self, shape: shapes.Shape) -> ReviewStatus | None:
        """Return what became of a box; one that was changed, and changed back, was looked at and kept."""
        was = next((each for each in self.start if each.id == shape.id), None)
        back = was is not None and (was.box, was.label) == (shape.box, shape.label)
        return "kept" if back and shape.review_status == "changed" else shape.review_status

    def restore(self, review_id: int) -> None:
        """Put the boxes of an earlier review on the desk; an undo takes them away again."""
        with Project.open(self.path) as project:
            boxes = shapes.from_boxes(project.log.reviewed(review_id), self.flagged)
        self.change(self.history.change(boxes), redraw=True, kind="restore", review_id=review_id)

    @property
    def flagged(self) -> set[int]:
        """The detections that are red while nobody has dealt with them."""
        return {key for key, verdict in self.verdicts.items() if verdict.flagged}

    # ---- somebody else was faster ------------------------------------------------------------

    def _see_theirs(self) -> None:
        with Project.open(self.path) as project:
            self.theirs = project.log.work(self.image.id)

    def keep_mine(self) -> None:
        """Put these boxes after what somebody else did meanwhile; an undo shows theirs."""
        self._settle(theirs_last=False)

    def keep_theirs(self) -> None:
        """Put what somebody else did meanwhile after these boxes; an undo brings these back."""
        self._settle(theirs_last=True)

    def _settle(self, *, theirs_last: bool) -> None:
        with Project.open(self.path) as project, project.transaction():
            theirs = project.log.work(self.image.id)  # by now
            self.version, self.begun = theirs.version, True
            self._record(project, "edit", self.present)
            if theirs_last:
                self._record(project, "edit", shapes.from_boxes(theirs.boxes, self.flagged))
            work, self.revision = project.log.work(self.image.id), project.reviews.revision(self.image.id)
        self.theirs = None
        self.start = shapes.from_boxes(work.start, self.flagged)
        self.history = shapes.replay(work, self.flagged)
        if self.revision:
            self.spots = []  # they are for the first review alone
        self.redraw()
