"""Keys: which one gives a cell which class, and what the others do."""

from __future__ import annotations

from collections.abc import Sequence

from rbcal.errors import ProjectError
from rbcal.store.classes import CellClass

Sheet = tuple[tuple[str, str], ...]

EVERYWHERE: Sheet = (
    ("1-9, ...", "class (the keys stand beside the class names; change them below)"),
    ("Del", "delete the cell"),
    ("W", "walk through the red cells, or back to the whole image"),
    ("A", "accept every green box of the image at once"),
    ("U or Ctrl+Z", "undo"),
    ("Ctrl+Shift+Z", "redo"),
    ("Shift + arrows", "move the box by a pixel"),
    ("Ctrl+Shift + arrows", "move its lower right corner by a pixel"),
    ("S", "skip the image for now"),
    ("Ctrl+Enter", "save, and open the next image"),
    ("Q", "all images: jump, filter, reopen"),
    ("V", "view: brightness, channels, which boxes are shown"),
    ("?", "this sheet"),
)
WALK: Sheet = (
    ("Enter", "the cell is right: keep it; on a sheet of twelve: keep all that are not mended"),
    ("left, right", "the cell before, the cell after; on a sheet: choose a cell"),
    ("G", "twelve cells of one class side by side, or one by one again"),
    ("P", "show where each of the passes saw the cell"),
    ("H (held)", "hide the boxes"),
    ("+ -", "larger, smaller; 0: 300 %"),
)
IMAGE: Sheet = (
    ("Enter", "save, and open the next image"),
    ("N", "the next red cell"),
    ("arrows", "choose the nearest box in that direction"),
    ("K", "keep the chosen box as it is: it is right"),
    ("D", "draw boxes, or edit them"),
    ("B", "a new box in the middle of the view, without the mouse"),
    ("F", "show only flagged boxes, or all"),
    ("H (held)", "hide the boxes"),
    ("+ - 0", "zoom in, out, fit"),
)
MOUSE: Sheet = (
    ("click a box", "choose it, then drag it or its corners"),
    ("drag beside boxes", "move the image"),
    ("Ctrl + wheel", "zoom at the cursor"),
    ("in the walk", "drag the box or its corners; click a class"),
)
_TAKEN = "abcdfghknpqrsuvw0+-=?"  # by the sheets above; c and r are Streamlit's own
_SPARE = "123456789" + "".join(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in _TAKEN)


def class_keys(classes: Sequence[CellClass]) -> tuple[str, ...]:
    """Return the key of each class: the user's choice, else the next free one; "" if none is left.

    A class that is merged into another one has none.

    >>> class_keys([CellClass(0, "S.D", True), CellClass(1, "D", False, "1"), CellClass(2, "E.1", False)])
    ('2', '1', '3')
    """
    chosen = {each.key for each in classes}
    spare = iter([key for key in _SPARE if key not in chosen])
    return tuple("" if each.merged_into is not None else each.key or next(spare, "") for each in classes)


def check_keys(keys: Sequence[str]) -> tuple[str | None, ...]:
    """Return keys that a user typed as the store keeps them; an empty one is None.

    Raises
    ------
    ProjectError
        When one is not a single digit or letter that is free.
    """
    wanted = [key.strip().lower() for key in keys]
    for key in wanted:
        if key and (len(key) > 1 or not key.isalnum() or not key.isascii()):
            raise ProjectError(f"A class key is one letter or digit, but got {key!r}.")
        if key and key in _TAKEN:
            raise ProjectError(f"The key {key.upper()} is taken by the sheet. Choose another one.")
    return tuple(key or None for key in wanted)
