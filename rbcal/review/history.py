"""The history of the open image's boxes: undo and redo, as values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from rbcal.review.boxes import Box, EditedBox, EditedBoxes, from_state, from_states, unnamed
from rbcal.store.log import Work

_STEPS = 200  # of undo; more than anybody takes back on one image


@dataclass(frozen=True)
class History:
    """The boxes as they are, as they were before each change, and as they were before each undo."""

    present: EditedBoxes
    past: tuple[EditedBoxes, ...] = ()
    future: tuple[EditedBoxes, ...] = ()

    def change(self, boxes: EditedBoxes) -> History:
        """Return the history after a change; what was undone before it is forgotten."""
        if boxes == self.present:
            return self
        return History(boxes, (*self.past, self.present)[-_STEPS:])

    def undo(self) -> History:
        """Return the history one change earlier; itself where there is none."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (*self.future, self.present))

    def redo(self) -> History:
        """Return the history with the last undo taken back; itself where there is none."""
        if not self.future:
            return self
        return History(self.future[-1], (*self.past, self.present), self.future[:-1])

    def relabel(self, box_id: int, label: int) -> History:
        """Return the history after the expert gave a box a class."""
        return self._alter([box_id], lambda each: each.named(label))

    def move(self, box_id: int, box: Box) -> History:
        """Return the history after the expert moved the sides of a box."""
        return self._alter([box_id], lambda each: each.altered(box=box))

    def keep(self, *box_ids: int) -> History:
        """Return the history after the expert looked at boxes and found them right, in one change."""
        return self._alter(box_ids, _kept)

    def answer(self, label: int, *box_ids: int) -> History:
        """Return the history after the expert said what boxes are; the name that one has counts, too."""
        return self._alter(box_ids, lambda each: _named(each, label))

    def leave_unsure(self, box_id: int) -> History:
        """Return the history after the expert looked at a box and could not say what it is."""
        return self._alter([box_id], lambda each: replace(each, review_status="unsure"))

    def note(self, box_id: int, text: str) -> History:
        """Return the history after the expert wrote a sentence beside a box."""
        return self._alter([box_id], lambda each: replace(each, note=text))

    def keep_green(self) -> History:
        """Return the history after the expert accepted every green box at once."""
        green = [each.id for each in self.present if each.review_status == "open" and not each.flagged]
        return self._alter(green, lambda each: replace(each, review_status="accepted_in_bulk"))

    def draw(self, box: Box, label: int) -> History:
        """Return the history after the expert drew a box."""
        new_id = max((each.id for each in self.present), default=-1) + 1
        return self.change((*self.present, EditedBox(new_id, box, label, review_status="drawn")))

    def outline(self, outlines: Sequence[Box], label: int) -> History:
        """Return the history after boxes joined that nobody read or named yet."""
        first = max((each.id for each in self.present), default=-1) + 1
        return self.change((*self.present, *unnamed(outlines, label, first)))

    def remove(self, box_id: int) -> History:
        """Return the history after the expert deleted a box."""
        return self.change(tuple(each for each in self.present if each.id != box_id))

    def changed(self, before: History) -> int | None:
        """Return the id of the one box that differs from another history's present, or None."""
        was = {each.id: each for each in before.present}
        now = {each.id: each for each in self.present}
        differ = [key for key in was.keys() | now.keys() if was.get(key) != now.get(key)]
        return differ[0] if len(differ) == 1 else None

    def find(self, box_id: int | None) -> EditedBox | None:
        """Return the box with this id as it is now, or None."""
        return next((each for each in self.present if each.id == box_id), None)

    def _alter(self, box_ids: Collection[int], alter: Callable[[EditedBox], EditedBox]) -> History:
        return self.change(tuple(alter(each) if each.id in box_ids else each for each in self.present))


def _kept(box: EditedBox) -> EditedBox:
    return box if box.touched else replace(box, review_status="kept")


def _named(box: EditedBox, label: int) -> EditedBox:
    """Return a box without a name as the expert named it; what no model named he did not change."""
    if box.detection_id is None:
        return replace(box, label=label, review_status="kept")
    return _kept(box.named(label))


def replay(work: Work, flagged: Collection[int | None] = ()) -> History:
    """Return the history of unfinished work as it was when its last act was made: undo goes on from there."""
    boxes = {each.id: each for each in from_states(work.start, flagged)}
    history = History(tuple(boxes.values()))
    for act in work.acts:
        for event in act.events:
            if event.after is None:
                del boxes[event.box]
            else:
                boxes[event.box] = from_state(event.box, event.after, flagged)
        match act.kind:
            case "undo":
                history = history.undo()
            case "redo":
                history = history.redo()
        # no change where the history turned to these very boxes
        history = history.change(tuple(boxes[number] for number in sorted(boxes)))
    return history
