"""Reference cells: a few read cells that show what a class is, those first that the expert pinned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rbcal.evaluation.matching import SAME_CELL
from rbcal.store.classes import read_merges
from rbcal.store.database import Database, now
from rbcal.types import iou

Sides = tuple[float, float, float, float]  # x1, y1, x2, y2 in image pixels
Place = tuple[int, Sides]  # of a cell: its image, and its box there


class References:
    """The reference cells of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def pinned(self) -> list[Place]:
        """Return the pinned cells, the newest first. Their class is what the newest review says."""
        rows = self._db.tuples("SELECT image_id, x1, y1, x2, y2 FROM reference_cell ORDER BY id DESC")
        return [(image_id, (x1, y1, x2, y2)) for image_id, x1, y1, x2, y2 in rows]

    def is_pinned(self, image_id: int, box: Sides) -> bool:
        """Return whether a cell is pinned."""
        return bool(self._pins_of(image_id, box))

    def toggle(self, image_id: int, box: Sides) -> bool:
        """Pin a cell, or let it go if it is pinned; return whether it is pinned now."""
        if there := self._pins_of(image_id, box):
            for _, sides in there:
                self._db.write(
                    "DELETE FROM reference_cell WHERE image_id = ? AND (x1, y1, x2, y2) = (?, ?, ?, ?)",
                    (image_id, *sides),
                )
            return False
        self._db.write(
            "INSERT INTO reference_cell (image_id, x1, y1, x2, y2, pinned_at) VALUES (?, ?, ?, ?, ?, ?)",
            (image_id, *box, now()),
        )
        return True

    def of_class(self, label: int, n: int = 1) -> list[Place]:
        """Return cells that show what a class is: pinned ones first, the newest first.

        The others are whole, the smallest first, and of sizes as usual as n can be: one is of middling size.
        They are there to learn from, never of the test set; cells of classes that are merged into this one
        count. Fewer, if fewer were read.
        """
        merges = read_merges(self._db)
        labels = [k for (k,) in self._db.tuples("SELECT id FROM class") if merges.target(k) == label]
        rows = self._db.tuples(
            f"""
            SELECT image_id, x1, y1, x2, y2,
                   x1 > 1 AND y1 > 1 AND x2 < width - 1 AND y2 < height - 1 AS is_whole
            FROM read_annotation JOIN image ON image.id = image_id
            WHERE read_annotation.split = 'work' AND class_id IN ({", ".join("?" * len(labels))})
            ORDER BY is_whole DESC, (x2 - x1) * (y2 - y1), read_annotation.id
            """,  # noqa: S608  our own text
            labels,
        )
        cells: list[Place] = [(image_id, (x1, y1, x2, y2)) for image_id, x1, y1, x2, y2, _ in rows]
        n_whole = sum(is_whole for *_, is_whole in rows)
        first = same_cells(cells, self.pinned())[:n]
        others = [cell for cell in cells[: n_whole or len(cells)] if cell not in first]
        n_others = min(n - len(first), len(others))
        return first + [others[(2 * k + 1) * len(others) // (2 * n_others)] for k in range(n_others)]

    def _pins_of(self, image_id: int, box: Sides) -> list[Place]:
        return same_cells([cell for cell in self.pinned() if cell[0] == image_id], [(image_id, box)])


def same_cells(cells: Sequence[Place], pinned: Sequence[Place]) -> list[Place]:
    """Return the cells that pinned ones are of by now, in the order of those."""
    same = []
    for image_id, box in pinned:
        near = [cell for cell in cells if cell[0] == image_id]
        if near:
            overlap = iou(np.array([sides for _, sides in near], np.float32), np.array(box, np.float32))
            if overlap.max() >= SAME_CELL:
                same.append(near[int(overlap.argmax())])
    return same
