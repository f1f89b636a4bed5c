"""The desk of the Review page: one open image, its boxes with undo, and what the canvas shows of them.

Every fact goes to the project file as soon as it is one: an edit is a draft there. The desk itself lives in
``st.session_state`` and can be rebuilt from the file at any moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from rbcal.errors import ConflictError, RbcalError
from rbcal.store.classes import CellClass
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Ranking
from rbcal.store.reviews import Draft, Review
from rbcal.view import canvas, shapes, walk, words
from rbcal.view.keys import class_keys

CANVAS = "canvas"  # one fixed key: a new one for each image would switch Edit off
COMPANION = "companion"
_IDLE = 60.0  # seconds; a longer pause is not work
_NEAR = 6.0  # screen pixels around the selected box that still belong to it: its handles
_NEW_BOX = 24.0  # image pixels; where there is no other cell to take the size from


@dataclass
class View:
    """How the expert likes to see images; outlives the image."""

    zoom: float = 0.75  # what a window of 1280 x 720 comes to
    chips: str = "all"
    only: str | int = "all"  # boxes that are shown: "all", "flagged", or those of a class
    look: dict[str, Any] = field(default_factory=dict)  # brightness, contrast, gamma, channel, invert
    passes: bool = False  # whether the walk shows the boxes of the passes
    walks: bool = False  # whether an image opens with its walk
    queue_label: int | None = None  # the class that the queue is filtered by
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
    cells: dict[int, Cell]  # by detection
    verdicts: dict[int, words.Verdict]  # by detection
    reds: list[int]  # detections that wait for a look, the most uncertain first
    spots: list[int]  # green detections, drawn at random, that come back to be checked
    view: View
    history: shapes.History
    start: shapes.Shapes  # as the model left them, or the last review
    base_revision: int  # of the review that this one goes on from
    seconds: float = 0.0
    acted_at: float = field(default_factory=time.monotonic)
    walking: bool = False
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
        if self.view.walks:
            self.enter_walk()
        self.redraw()

    @property
    def token(self) -> str:
        """Names the drawing that the canvas should show."""
        return f"{self.image.id}:{self.serial}"

    @property
    def present(self) -> shapes.Shapes:
        """The boxes as they are now."""
        return self.history.present

    # ---- the canvas ------------------------------------------------------------------------------

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

    # ---- acts ------------------------------------------------------------------------------------

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
        if asked["image"] == self.image.id:
            self.notice = ""
            self.do(asked["what"], asked.get("value"))

    def do(self, what: str, value: Any = None) -> None:
        """Do one thing that a key or the companion stands for."""
        match what:
            case "label":
                self.relabel(int(value))
            case "keep":
                self.keep()
            case "remove":
                self.remove()
            case "box":
                self.move(self.frame.clip(tuple(map(float, value))))
            case "nudge":
                self.nudge(*map(float, value))
            case "insert":
                self.insert(float(value[0]), float(value[1]))
            case "green":
                self.keep_green()
            case "undo":
                self.undo()
            case "redo":
                self.redo()
            case "walk":
                self.toggle_walk()
            case "step":
                self.step(int(value))
            case "go":
                self.go(int(value[0]), int(value[1]))
            case "next":
                self.next_red()
            case "only":
                self.show_only("all" if self.view.only == "flagged" else "flagged")
            case "passes":
                self.view.passes = not self.view.passes
            case "draw":
                self.toggle_drawing()
            case "zoom":
                self.view.zoom = float(value)
                self.redraw()
            case "queue" | "keys":
                st.session_state["dialog"] = what

    def change(self, history: shapes.History, *, redraw: bool = False) -> None:
        """Make a change, and keep it as a draft in the project file."""
        if history is self.history:
            return
        self.history = history
        if history.find(self.selected) is None:
            self.selected = None
        if redraw:
            self.redraw()
        draft = Draft(
            shapes.to_json(self.present),
            self.seconds,
            self.base_revision,
            self.ranking.id if self.ranking else None,
        )
        with Project.open(self.path) as project:
            project.reviews.save_draft(self.image.id, draft)

    def relabel(self, label: int) -> None:
        """Give the box that the expert means a class; while drawing, the last one drawn and those to come."""
        target = self.selected
        if self.walking and target is not None:
            order = self.walk_cells()
            same = (self.history.find(target) or order[0]).label == label
            self.change(self.history.keep(target) if same else self.history.relabel(target, label))
            self.go_on(order, target)
            return
        if self.view.drawing:
            self.view.label = label
            target = max((each.id for each in self.present if each.detection_id is None), default=None)
        if target is None:
            self.view.label = label
        else:
            self.change(self.history.relabel(target, label), redraw=True)

    def keep(self) -> None:
        """Find the selected box right as it is."""
        if self.selected is not None:
            order, target = self.walk_cells(), self.selected
            self.change(self.history.keep(target), redraw=True)
            self.go_on(order, target)

    def remove(self) -> None:
        """Delete the selected box."""
        if self.selected is not None:
            order, target = self.walk_cells(), self.selected
            self.change(self.history.remove(target), redraw=True)
            self.go_on(order, target)

    def move(self, box: shapes.Box) -> None:
        """Put the sides of the selected box elsewhere."""
        if self.selected is not None:
            self.change(self.history.move(self.selected, box), redraw=True)

    def nudge(self, left: float, top: float, right: float, bottom: float) -> None:
        """Move the sides of the selected box by some pixels of the image."""
        chosen = self.history.find(self.selected)
        if chosen is not None:
            x1, y1, x2, y2 = chosen.box
            if x2 + right > x1 + left and y2 + bottom > y1 + top:
                self.move(self.frame.clip((x1 + left, y1 + top, x2 + right, y2 + bottom)))

    def insert(self, x: float, y: float) -> None:
        """Draw a box of the usual size around a point of the canvas, and select it."""
        x, y = x / self.frame.scale_x, y / self.frame.scale_y
        sides = sorted(max(each.box[2] - each.box[0], each.box[3] - each.box[1]) for each in self.present)
        half = (sides[len(sides) // 2] if sides else _NEW_BOX) / 2
        history = self.history.draw(
            self.frame.clip((x - half, y - half, x + half, y + half)), self.view.label
        )
        self.selected = history.present[-1].id
        self.change(history, redraw=True)

    def keep_green(self) -> None:
        """Accept every green box at once; a few of them, drawn at random, come back to be checked."""
        before = self.history
        self.change(before.keep_green(), redraw=True)
        n = sum(a is not b for a, b in zip(before.present, self.present, strict=True))
        self.notice = f"{n} green box{'es' * (n != 1)} accepted." if n else "No green box waits."
        cells = self.walk_cells()
        spots = [each for each in walk.waiting(cells) if each.detection_id in self.spots]
        if n and spots:
            self.notice += f" {len(spots)} of them, drawn at random, for a look."
            if not self.walking:
                self.walking, self.selected = True, spots[0].id

    def undo(self) -> None:
        """Take the last change back, and point at what it brings back."""
        self._turn(self.history.undo())

    def redo(self) -> None:
        """Repeat the change that was taken back last."""
        self._turn(self.history.redo())

    def _turn(self, history: shapes.History) -> None:
        changed = history.changed(self.history)
        self.change(history, redraw=True)
        if history.find(changed) is not None:
            self.selected = changed
        if self.walking and self.selected is None:
            self.enter_walk()

    def show_only(self, which: str | int) -> None:
        """Choose which boxes are shown; the others stay as they are."""
        self.view.only = which
        if isinstance(which, int):
            self.view.label = which
        self.redraw()

    def toggle_drawing(self) -> None:
        """Switch between editing and drawing boxes."""
        if self.walking:
            self.toggle_walk()
        self.view.drawing = not self.view.drawing
        self.select(None)

    # ---- which box -------------------------------------------------------------------------------

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

    @property
    def drawn_now(self) -> list[shapes.Shape]:
        """The boxes that the canvas shows, as they are now."""
        shown = {each.id for each in self.drawn}
        return [each for each in self.present if each.id in shown or each.id >= self.next_id]

    def go(self, right: int, down: int) -> None:
        """Point at the nearest box in a direction."""
        there = shapes.neighbour(self.drawn_now, self.history.find(self.selected), right, down)
        if there is not None:
            self.select(there.id, centre=True)

    def red_shapes(self) -> list[shapes.Shape]:
        """Return the boxes in the order of the list of red cells, those deleted left out."""
        return walk.walk(self.present, self.reds, ())

    def next_red(self) -> None:
        """Point at the first red cell that nobody looked at."""
        waiting = [each for each in walk.waiting(self.red_shapes()) if each.id not in self.seen]
        if waiting:
            self.select(waiting[0].id, centre=True)

    # ---- the walk --------------------------------------------------------------------------------

    def walk_cells(self) -> list[shapes.Shape]:
        """Return the cells of the walk as they are now."""
        return walk.walk(self.present, self.reds, self.spots)

    def enter_walk(self) -> None:
        """Show the cells of the walk one by one, from the first that waits."""
        cells = self.walk_cells()
        waiting = walk.waiting(cells)
        self.walking = bool(waiting or (cells and self.history.past))
        if self.walking:
            self.selected = (waiting or cells)[0].id

    def leave_walk(self) -> None:
        """Show the whole image."""
        self.walking = False
        self.select(self.selected, centre=True)

    def toggle_walk(self) -> None:
        """Go from the whole image to the walk, or back."""
        if self.walking:
            self.view.walks = False
            self.leave_walk()
            return
        self.view.walks, self.view.drawing = True, False
        self.enter_walk()
        if not self.walking:
            self.notice = "No red cell: there is nothing to walk through."

    def step(self, by: int) -> None:
        """Show the cell before or after this one."""
        order = [each.id for each in self.walk_cells()]
        if self.walking and self.selected in order:
            place = order.index(self.selected) + by
            self.selected = order[min(max(place, 0), len(order) - 1)]

    def go_on(self, order: list[shapes.Shape], from_id: int) -> None:
        """Show the next cell that waits after one of the walk; after the last, the whole image."""
        if not self.walking:
            return
        self.selected = self.waiting_after(order, from_id)
        if self.selected is None:
            self.leave_walk()
            self.notice = "Every cell of the walk is done. Look for missed cells, then save."

    def waiting_after(self, order: list[shapes.Shape], shape_id: int) -> int | None:
        """Return the id of the next cell that waits after one of the walk, round the end, or None."""
        ids = [each.id for each in order]
        place = ids.index(shape_id) + 1 if shape_id in ids else 0
        waiting = {each.id for each in walk.waiting(self.walk_cells())} - {shape_id}
        return next((key for key in ids[place:] + ids[:place] if key in waiting), None)

    # ---- the end ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Store the boxes as annotations; returns only when they are on disk."""
        with Project.open(self.path) as project:
            # A ranking that came since has dropped the detections of those before it.
            cells = project.rankings.cells(self.ranking.id, self.image.id) if self.ranking else []
            alive = {cell.detection_id for cell in cells}
            sources = [each.detection_id for each in self.present]
            checks = walk.spot_checks(self.present, self.spots) if alive else {}
            try:
                project.reviews.save(
                    self.image.id,
                    shapes.to_annotations(self.present),
                    origin="expert",
                    base_revision=self.base_revision,
                    detection_ids=[each if each in alive else None for each in sources],
                    how=[each.how for each in self.present],
                    spot_checks=checks,
                    ranking_id=self.ranking.id if self.ranking and (alive or not self.cells) else None,
                    seconds=self.seconds,
                )
            except ConflictError:
                self.theirs = project.reviews.current(self.image.id)
                raise

    def keep_mine(self) -> None:
        """Go on from what somebody else saved meanwhile; the next save stores these boxes after it."""
        if self.theirs is not None:
            self.base_revision, self.theirs = self.theirs.revision, None

    def take_theirs(self) -> None:
        """Show what somebody else saved meanwhile; an undo brings these boxes back."""
        theirs = self.theirs
        if theirs is not None:
            self.keep_mine()
            boxes = shapes.from_annotations(theirs.annotations, theirs.detection_ids, theirs.how)
            self.walking = False
            self.change(self.history.change(boxes), redraw=True)
            self.notice = "These are the boxes that were saved elsewhere. Undo brings yours back."

    def start_over(self) -> None:
        """Go back to what the model found; an undo brings the edits back."""
        self.change(self.history.change(self.start), redraw=True)


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
