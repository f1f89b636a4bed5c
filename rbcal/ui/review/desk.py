"""The desk of the Review page: what the expert does to the boxes of the open image, and the walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.review import cell_review
from rbcal.review import history as shapes
from rbcal.store.log import Kind
from rbcal.ui.review.easel import Easel

COMPANION = "companion"
_NEW_BOX = 24.0  # image pixels; where there is no other cell to take the size from


@dataclass
class Desk(Easel):
    """An image under review, and what can be done to it; `do` has the names that the keys go by."""

    sheet: list[int] = field(default_factory=list)  # ids of the boxes that the walk shows side by side
    answers: int = 0  # to buttons; the companion waits for one before it lets go of Save

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.view.walks and cell_review.waiting(self.walk_cells()):
            self.enter_walk()

    # ---- what the companion asks for ---------------------------------------------------------

    def obey(self) -> None:
        """Do what the companion asked for since, each thing once.

        Streamlit may answer several acts with one run, and then calls their callbacks in an order of its own:
        whichever comes first, a class key counts before the *Save* that was clicked after it.
        """
        said = st.session_state.get(COMPANION) or {}
        asked = said.get("act")
        if asked and asked["ticket"] > self.view.ticket:
            self._press(asked.get("point"))
            self.view.ticket = asked["ticket"]
            if asked["image"] == self.image.id:
                self.notice = ""
                st.session_state.pop("review_error", None)
                self.do(asked["what"], asked.get("value"))
        self._press(said.get("point"))  # it may have come after the act, never before the press above

    def _press(self, point: list[Any] | None) -> None:
        x, y, pressed_at, image_id = point or (0, 0, 0, None)
        if pressed_at > self.view.pointed:
            self.view.pointed = pressed_at
            if image_id == self.image.id:  # else it was meant for an image that is gone
                self.select_at(x, y)

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
            case "sheet":
                self.toggle_sheet()
            case "choose":
                self.selected = int(value) if int(value) in self.sheet else None
            case "passes":
                self.view.passes = not self.view.passes
            case "draw":
                self.toggle_drawing()
            case "zoom":
                self.view.zoom = float(value)
                self.redraw()
            case "over":
                self.start_over()
            case "mine" if self.theirs is not None:
                self.keep_mine()
            case "theirs" if self.theirs is not None:
                self.take_theirs()
            case "version":
                self.show_version(int(value))
            case "queue" | "keys":
                st.session_state["dialog"] = what

    # ---- boxes -------------------------------------------------------------------------------

    def relabel(self, label: int) -> None:
        """Give the box that the expert means a class; while drawing, the last one drawn and those to come."""
        target = self.selected
        if self.walking:
            if target is None:
                return  # a sheet, of which no cell is chosen
            order, chosen = self.walk_cells(), self.history.find(target)
            same = chosen is not None and chosen.label == label
            self.change(self.history.keep(target) if same else self.history.relabel(target, label))
            self.go_on(order, target)
            return
        if self.view.drawing:
            self.view.label = label
            drawn = {each.id for each in self.present if each.review_status == "drawn"} - self.opened_with
            target = max(drawn, default=None)
        if target is None:
            self.view.label = label
            if self.view.drawing:
                self.redraw()  # its report says that the canvas has the new class, too: boxes wait for it
        else:
            self.change(self.history.relabel(target, label), redraw=True)

    def keep(self) -> None:
        """Find the selected box right as it is, or all of a sheet that nobody mended."""
        if self.sheet:
            cells = [each for each in self.walk_cells() if each.id in self.sheet]
            self.change(self.history.keep_all([each.id for each in cell_review.waiting(cells)]))
            self.open_sheet()
        elif self.selected is not None:
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
        accepted = [b for a, b in zip(before.present, self.present, strict=True) if a is not b]
        n, hidden = len(accepted), sum(not self._shows(each) for each in accepted)
        self.notice = f"{n} green box{'es' * (n != 1)} accepted." if n else "No green box waits."
        if hidden and not self.walking:
            self.notice += f" {hidden} of them were not shown: the view is filtered."
        cells = self.walk_cells()
        spots = [each for each in cell_review.waiting(cells) if each.detection_id in self.spots]
        if n and spots:
            self.notice += f" {len(spots)} of them, drawn at random, for a look."
            if self.view.sheets:
                self.enter_walk()
            elif not self.walking:
                self.walking, self.selected = True, spots[0].id

    def undo(self) -> None:
        """Take the last change back, and point at what it brings back."""
        self._turn(self.history.undo(), "undo")

    def redo(self) -> None:
        """Repeat the change that was taken back last."""
        self._turn(self.history.redo(), "redo")

    def start_over(self) -> None:
        """Go back to what the model found; an undo brings the edits back."""
        self._turn(self.history.change(self.start), "edit")

    def point_at(self, box: shapes.Box) -> None:
        """Bring the cell of a box into sight, on the whole image; where nobody boxed it, the place."""
        self.walking, self.sheet = False, []
        shape = shapes.shape_like(self.present, box)
        if shape is not None and not self._shows(shape):
            self.view.only = "all"
        self.select(None if shape is None else shape.id, centre=True)
        if shape is None:
            self.place = self.frame.clip(box)

    def show_version(self, review_id: int) -> None:
        """Show the boxes of an earlier review; an undo goes back."""
        before = self.history
        self.walking, self.sheet = False, []
        self.restore(review_id)
        same = self.history is before
        self.notice = "These boxes are those of that version." + (
            "" if same else " Save makes them the newest."
        )

    def take_theirs(self) -> None:
        """Show what somebody else did meanwhile; an undo brings these boxes back."""
        self.walking, self.sheet = False, []
        self.keep_theirs()
        self.notice = "These are the boxes of the other window. Undo brings yours back."

    def _turn(self, history: shapes.History, kind: Kind) -> None:
        changed = history.changed(self.history)
        self.change(history, redraw=True, kind=kind)
        if history.find(changed) is not None:
            self.selected = changed
        if self.walking and (self.sheet or self.selected not in [each.id for each in self.walk_cells()]):
            self.enter_walk()

    # ---- what is shown -----------------------------------------------------------------------

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

    def go(self, right: int, down: int) -> None:
        """Point at the nearest box in a direction."""
        there = shapes.neighbour(self.drawn_now, self.history.find(self.selected), right, down)
        if there is not None:
            self.select(there.id, centre=True)

    def next_red(self) -> None:
        """Point at the first red cell that nobody looked at."""
        waiting = [each for each in cell_review.waiting(self.red_shapes()) if each.id not in self.seen]
        if waiting:
            self.select(waiting[0].id, centre=True)

    # ---- the walk ----------------------------------------------------------------------------

    def red_shapes(self) -> list[shapes.Shape]:
        """Return the boxes in the order of the list of red cells, those deleted left out."""
        return cell_review.walk(self.present, self.reds, ())

    def walk_cells(self) -> list[shapes.Shape]:
        """Return the cells of the walk as they are now."""
        return cell_review.walk(self.present, self.reds, self.spots)

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

    def enter_walk(self) -> None:
        """Show the cells of the walk one by one, from the first that waits."""
        cells = self.walk_cells()
        self.walking, self.sheet = True, []
        if not cells:
            self.leave_walk()
        elif self.view.sheets and cell_review.waiting(cells):
            self.open_sheet()
        else:
            self.selected = (cell_review.waiting(cells) or cells)[0].id

    def leave_walk(self) -> None:
        """Show the whole image."""
        self.walking, self.sheet = False, []
        self.select(self.selected, centre=True)

    def finish_walk(self) -> None:
        """Show the whole image: cells may be missing."""
        self.leave_walk()
        self.notice = "Every cell of the walk is done. Look for missed cells, then save."

    def toggle_sheet(self) -> None:
        """Show the cells of the walk side by side, or one by one."""
        self.view.sheets = not self.view.sheets
        if self.walking:
            self.enter_walk()

    def open_sheet(self) -> None:
        """Show the next cells of one class side by side; after the last, the whole image."""
        self.sheet = [each.id for each in cell_review.sheet(self.walk_cells())]
        self.selected = None
        if not self.sheet:
            self.finish_walk()

    def step(self, by: int) -> None:
        """Show the cell before or after this one."""
        order = [each.id for each in self.walk_cells()]
        if self.walking and self.selected in order:
            place = order.index(self.selected) + by
            self.selected = order[min(max(place, 0), len(order) - 1)]

    def go_on(self, order: list[shapes.Shape], from_id: int) -> None:
        """Show the next cell that waits after one of the walk; after the last, the whole image."""
        if self.walking and self.sheet:
            self.selected = None  # the sheet stays until an Enter: the next one must not be kept unseen
        elif self.walking:
            self.selected = self.waiting_after(order, from_id)
            if self.selected is None:
                self.finish_walk()

    def waiting_after(self, order: list[shapes.Shape], shape_id: int) -> int | None:
        """Return the id of the next cell that waits after one of the walk, round the end, or None."""
        ids = [each.id for each in order]
        place = ids.index(shape_id) + 1 if shape_id in ids else 0
        waiting = {each.id for each in cell_review.waiting(self.walk_cells())} - {shape_id}
        return next((key for key in ids[place:] + ids[:place] if key in waiting), None)


def act(what: str | Callable[..., None] | None, *arguments: Any) -> None:
    """Do what the expert means by a press, after the edits made before it; None: those edits are all.

    `what` is a name that :meth:`Desk.do` knows, or a function of the desk. It is not a method of a desk:
    Streamlit keeps the callbacks of widgets that are gone, and would keep every desk with them. The boundary
    in app.py does not see callbacks, so an error waits in the session for the panel to show it.
    """
    desk: Desk | None = st.session_state.get("desk")
    if desk is None:  # saved a moment ago; this is an echo of its canvas, or a second press
        return
    before, ticket = desk.serial, desk.view.ticket
    try:
        desk.listen()
        desk.obey()
        if what is not None:
            st.session_state.pop("review_error", None)
        if isinstance(what, str):
            desk.do(what, *arguments)
        elif what is not None:
            what(desk, *arguments)
    except RbcalError as err:
        st.session_state["review_error"] = str(err)
    desk.answers += what is not None
    if desk.view.ticket != ticket and (desk.serial == before or desk.loaded):
        desk.view.done = desk.view.ticket  # it drew nothing anew, so there is no drawing to wait for
