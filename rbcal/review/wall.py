"""The wall of cells: which cells are on the screen, which come next, and what can be taken back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES, DEFAULT_CELL_STRATEGY
from rbcal.jobs.answered import HIDDEN, answered_cells
from rbcal.jobs.cells import AskedCell, cells_to_ask
from rbcal.review.boxes import Box
from rbcal.review.cell_answers import Answered, CellAnswer, Unsure, answer_cells, take_back
from rbcal.store.cell_filters import CellFilter
from rbcal.store.project import Project
from rbcal.wording import count

SIZES = (12, 24, 40)  # cells on a screen
_AHEAD = 8  # screens that are asked for at once
# Cells at random are asked for anew for each screen, with their new names. Of so many screens a class of a
# hundredth fills a whole one, and so comes as often as its share.
_AT_RANDOM = 40
_QUICK = 50_000  # cells that wait; those to come out of so many are asked for while a screen is read
_LIKE_AHEAD = 2  # the same of cells that look like one: asked for in a moment, so no more than are shown
_ANSWERED = 1000  # answered cells that are asked for at once
_PACED = 100  # settled cells; by fewer nobody's pace is known
_ALIKE = 3  # a class has a screen of its own if it fills a part of one, 1 / this

Mark = int | Unsure | Literal["later"] | None  # what was said of a cell; None: it is no cell


class Settled(NamedTuple):
    """A screen that was settled, what became of its answers, and the seconds that they took."""

    ranking_id: int
    screen: list[AskedCell]
    answered: Answered
    seconds: float
    serial: int = 0
    answers: Mapping[int, int | Unsure | None] = MappingProxyType({})

    def marks(self) -> dict[int, Mark]:
        """Return what was said of single cells, by their ids: what Enter alone would not have said."""
        return {
            cell.id: self.answers.get(cell.id, "later")
            for cell in self.screen
            if (cell.number is None and self.answers.get(cell.id, "later") != cell.label)
            or (cell.number is not None and cell.id in self.answers)
        }


@dataclass
class Wall:
    """The wall of one project's cells, of one ranking."""

    ranking_id: int = 0
    chosen: CellFilter = field(default_factory=CellFilter)
    like: AskedCell | None = None  # cells that look like this one come first
    size: int = SIZES[1]
    screen: list[AskedCell] = field(default_factory=list)
    ahead: list[AskedCell] = field(default_factory=list)  # the next screen: the browser has it already
    coming: list[AskedCell] = field(default_factory=list)
    n_waiting: int = 0  # cells that nobody has read, when the coming ones were asked for
    n_promised: int = 0  # of those, that are green: they need not be read
    later: set[int] = field(default_factory=set)  # ids of cells that were put off, or looked at again
    marks: dict[int, Mark] = field(default_factory=dict)  # of a screen that was taken back
    past: list[Settled] = field(default_factory=list)  # shared by the walls of one person: a reload keeps it
    serial: int = field(default_factory=lambda: time.time_ns() // 10**6)
    """Of the screen, and of no screen of another wall: an answer to an earlier one comes too late."""
    notice: str = ""

    @property
    def n_settled(self) -> int:
        """How many cells were answered here."""
        return sum(each.answered.n_stored for each in self.past)

    @property
    def n_to_read(self) -> int:
        """How many cells must be read until all are read or promised."""
        return max(0, self.n_waiting - self.n_promised)

    @property
    def can_undo(self) -> bool:
        """Whether there is a screen that can be taken back."""
        return bool(self.past) and self.past[-1].ranking_id == self.ranking_id

    def fill(self, project: Project) -> None:
        """Put the next cells on the screen, if none is on it, and those of the screen after it ahead."""
        current = project.rankings.current()
        of_wall = (cell.image_id for cell in (*self.screen, *self.ahead, *self.coming) if not cell.is_test)
        is_other = current is None or current.id != self.ranking_id
        if is_other or project.images.any_of_test(of_wall):  # a test image is drawn while the expert works
            self.ranking_id = 0 if current is None else current.id
            self._begin_anew()
        if current is None:
            return
        if not self.screen:
            self.screen, self.ahead = self.ahead or self._next(project), []
            self.serial += 1
        if self.screen and not self.ahead:
            self.ahead = self._next(project)

    def _next(self, project: Project) -> list[AskedCell]:
        """Return the cells of the screen that comes next; asks for more where it must or quickly can."""
        shown = {cell.id for cell in self.screen}
        if len(self.coming) < self.size or self._follows_names:
            self._ask(project, len(shown))
        coming = [cell for cell in self.coming if cell.id not in shown]
        screen = coming[: self.size] if self._is_in_order else next_screen(coming, self.size)
        shown |= {cell.id for cell in screen}
        self.coming = [cell for cell in coming if cell.id not in shown]
        return screen

    @property
    def _is_in_order(self) -> bool:
        """Whether the cells keep the order that they come in, whatever their classes."""
        return self.like is not None or self.chosen.by_size is not None or self.chosen.kind is not None

    @property
    def _is_at_random(self) -> bool:
        return self.chosen.strategy == "cells_random" and self.chosen.label is None and not self._is_in_order

    @property
    def _follows_names(self) -> bool:
        """Whether each screen is asked for anew, with the names and the order of now."""
        return self.chosen.kind is None and (self._is_at_random or self.n_waiting <= _QUICK)

    def _ask(self, project: Project, n_shown: int) -> None:
        """Ask for the cells that come, and how many wait."""
        if self.chosen.kind is not None:
            answered = answered_cells(project, self.chosen, _ANSWERED + len(self.later))
            self.coming = [cell for cell in answered if cell.id not in self.later]
            self.n_waiting, self.n_promised = len(self.coming), 0
            return
        like = None if self.like is None else self.like.embedding
        screens = _AT_RANDOM if self._is_at_random else _AHEAD if like is None else _LIKE_AHEAD
        query = cells_to_ask(
            project,
            screens * self.size + len(self.later) + n_shown,
            self.chosen.strategy,
            self.chosen.label,
            like,
            by_size=self.chosen.by_size,
            group=self.chosen.group,
            sample=self._is_at_random,
        )
        self.coming = [cell for cell in query.cells if cell.id not in self.later]
        self.n_waiting, self.n_promised = query.n_cells, query.n_promised

    def _begin_anew(self) -> None:
        """Forget the cells on the screen and after it; the browser's next screen is no longer the next."""
        self.screen, self.ahead, self.coming, self.marks = [], [], [], {}
        self.serial += 1

    def settle(
        self,
        project: Project,
        answers: Mapping[int, int | Unsure | None],
        later: Collection[int] = (),
        seconds: float = 0.0,
    ) -> None:
        """Store the answers on the cells of the screen, and clear it.

        Parameters
        ----------
        answers : {id: label, None or "unsure"}
            None: it is no cell.
        later : ids
            They stay as they are, and do not come again on this wall.
        """
        said = [
            CellAnswer(
                cell.image_id,
                cell.detection_id,
                sides_of(cell),
                answers[cell.id],
                cell.number,
                None if cell.label == HIDDEN else cell.label,
            )
            for cell in self.screen
            if cell.id in answers
        ]
        done = answer_cells(project, self._current(project), said, seconds)
        self.past.append(Settled(self.ranking_id, self.screen, done, seconds, self.serial, answers))
        self.later |= set(later)
        self.n_waiting -= done.n_stored
        late = f"Not stored: {count(done.n_late, 'cell')}, answered elsewhere meanwhile."
        self.notice = late if done.n_late else ""
        self.screen, self.marks = [], {}

    def undo(self, project: Project) -> None:
        """Take the last settled screen back, and show it again."""
        if not self.can_undo:
            self.notice = "There is nothing to take back."
            self.serial += 2  # the browser waits for an answer, and calls the screen after this one 1 more
            return
        last = self.past[-1]
        screen, done = last.screen, last.answered
        take_back(project, done)
        self.past.pop()
        self.marks = last.marks()
        self.coming = self.ahead + self.coming
        self.ahead, self.screen = self.screen, screen
        self.later -= {cell.id for cell in screen}
        self.n_waiting += done.n_stored
        self.notice = "The last screen is taken back."
        self.serial += 2

    def seconds_left(self) -> float | None:
        """Return how long the cells that wait, but for the promised ones, take at the pace of this wall.

        None while it is not known.
        """
        if self.chosen.kind is not None or self.n_settled < _PACED:
            return None
        return sum(each.seconds for each in self.past) / self.n_settled * self.n_to_read

    def _current(self, project: Project) -> int:
        """Return the ranking that holds by now: a new one may have come while a screen was read."""
        current = project.rankings.current()
        return self.ranking_id if current is None else current.id

    def restart(self, size: int, chosen: CellFilter) -> None:
        """Begin anew with screens of another size, with other cells or in another order."""
        self.size, self.chosen = size, chosen
        self._begin_anew()

    def more_like(self, cell: AskedCell | None) -> None:
        """Show the cells that look most like one, of any class; None: the most useful ones again."""
        if cell is not None and cell.is_test:
            self.notice = "Nothing is sought by the look of a cell of a test image."
            return
        self.like = cell
        self._begin_anew()


def sides_of(cell: AskedCell) -> Box:
    """Return the box of a cell as numbers."""
    x1, y1, x2, y2 = (float(side) for side in cell.box)
    return x1, y1, x2, y2


def as_of_now(project: Project, chosen: CellFilter) -> tuple[CellFilter, str]:
    """Return an earlier filter as the classes and slides of a project are by now, and what of it is gone."""
    merges, n_classes, gone = project.classes.merges(), len(project.classes.names()), []
    labels = [
        merges.target(label) if label is not None and label < n_classes else None
        for label in (chosen.label, chosen.resembles)
    ]
    if labels.count(None) > (chosen.label, chosen.resembles).count(None):
        gone.append("its class")
    group, strategy = chosen.group, chosen.strategy
    if group is not None and project.images.group_splits().get(group) not in chosen.splits:
        gone.append(f"the slide {group}")
        group = None
    if strategy not in CELL_STRATEGIES:
        gone.append("its order")
        strategy = DEFAULT_CELL_STRATEGY
    now = replace(chosen, label=labels[0], resembles=labels[1], group=group, strategy=strategy)
    return now, f"Left out, as it is not here: {', '.join(gone)}." if gone else ""


def next_screen(cells: Sequence[AskedCell], size: int) -> list[AskedCell]:
    """Return cells of one class for a screen: like with like, so that the odd one stands out.

    A class that has not a third of a screen shares one with others like it, or none of its cells ever came.
    Of all that could come, the screen of the first cell does.
    """
    n_of_class = Counter(cell.label for cell in cells)
    kinds = dict[int | None, list[AskedCell]]()
    for cell in cells:
        fills = n_of_class[cell.label] * _ALIKE >= size
        kinds.setdefault(cell.label if fills else None, []).append(cell)
    return side_by_side(next(iter(kinds.values()), [])[:size])


def side_by_side(cells: Sequence[AskedCell]) -> list[AskedCell]:
    """Return cells in an order in which each is next to one that looks like it, as far as that goes.

    From the first cell on the next is the nearest of those that are left: cells that are wrong in the same
    way come in a row, to be chosen by one drag.
    """
    left, order = list(cells), list[AskedCell]()
    while left:
        nearest = max(left, key=lambda cell: _similarity(cell, order[-1])) if order else left[0]
        left.remove(nearest)
        order.append(nearest)
    return order


def _similarity(a: AskedCell, b: AskedCell) -> float:
    """Return the cosine of the angle between two embeddings; 1: they look the same."""
    size = float(np.linalg.norm(a.embedding) * np.linalg.norm(b.embedding))
    return float(a.embedding @ b.embedding) / size if size else 0.0
