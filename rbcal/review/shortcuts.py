"""The table of shortcuts: which key does what, where. The browser and the help follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rbcal.errors import ProjectError
from rbcal.store.classes import CellClass

Mode = Literal["everywhere", "cells", "image", "mouse"]


class Shortcut(NamedTuple):
    """Keys that do one thing.

    `keys` has each as the browser names it, with Ctrl+ and Shift+ before it, and the value that its action
    takes. What an action is, rbcal/ui/review/acts.py says, or js/keys.js where Python need not know.
    """

    mode: Mode
    printed: str  # as the help has the keys
    help: str
    action: str = ""
    keys: Mapping[str, Any] = {}


def _row(
    mode: Mode, printed: str, words: str, action: str = "", keys: Mapping[str, Any] | str = ""
) -> Shortcut:
    values = dict.fromkeys(keys.split()) if isinstance(keys, str) else keys
    return Shortcut(mode, printed, words, action, values)


_ARROWS = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}
_ZOOM = {"+": 1, "=": 1, "-": -1, "0": 0}  # steps; 0 is back to the start

# fmt: off
SHORTCUTS = (
    _row("everywhere", "1-9, ...", "class (the keys stand beside the class names; change them below)"),
    _row("everywhere", "Del", "delete the cell", "remove", "Delete Backspace"),
    _row("everywhere", "/", "unsure: nobody can tell, so nothing learns from it", "leave_unsure", "/"),
    _row("everywhere", "W", "walk through the red cells, or back to the whole image",
         "toggle_cell_review", "w"),
    _row("everywhere", "A", "accept every green box of the image at once", "keep_green", "a"),
    _row("everywhere", "U or Ctrl+Z", "undo", "undo", "u Ctrl+z"),
    _row("everywhere", "Ctrl+Shift+Z", "redo", "redo", "Ctrl+Shift+z Ctrl+y"),
    _row("everywhere", "Shift + arrows", "move the box by a pixel", "nudge",
         {f"Shift+{key}": (x, y, x, y) for key, (x, y) in _ARROWS.items()}),
    _row("everywhere", "Ctrl+Shift + arrows", "move its lower right corner by a pixel", "nudge",
         {f"Ctrl+Shift+{key}": (0, 0, x, y) for key, (x, y) in _ARROWS.items()}),
    _row("everywhere", "S", "skip the image for now", "skip", "s"),
    _row("everywhere", "Ctrl+Enter", "save, and open the next image", "save", "Ctrl+Enter"),
    _row("everywhere", "Q", "all images: jump, filter, reopen", "show_queue", "q"),
    _row("everywhere", "V", "view: brightness, channels, which boxes are shown", "show_view", "v"),
    _row("everywhere", "?", "this list of keys", "show_keys", "?"),
    _row("cells", "Enter",
         "the cell is right: keep it; side by side: keep all that you have not corrected", "keep", "Enter"),
    _row("cells", "left, right", "the cell before, the cell after; side by side: select a cell", "step",
         _ARROWS),
    _row("cells", "G", "twelve cells of one class side by side, or one by one again", "toggle_batches", "g"),
    _row("cells", "P", "show the box of each pass, each look at the cell", "toggle_passes", "p"),
    _row("cells", "H (held)", "hide the boxes", "hide", "h"),
    _row("cells", "+ -", "larger, smaller; 0: 300 %", "zoom_by", _ZOOM),
    _row("image", "Enter", "the selected cell is right: keep it, and go on to the next red one",
         "keep_and_go_on", "Enter"),
    _row("image", "N", "the next red cell", "next_red", "n"),
    _row("image", "arrows", "select the nearest box in that direction", "go", _ARROWS),
    _row("image", "K", "keep the selected box as it is: it is right", "keep", "k"),
    _row("image", "D", "draw boxes, or edit them", "toggle_drawing", "d"),
    _row("image", "Esc", "stop drawing, or unselect the cell", "let_go", "Escape"),
    _row("image", "B", "a new box in the middle of the view, without the mouse", "insert", "b"),
    _row("image", "Shift+O", "box the cells by outline, where no model has found any", "outline", "Shift+o"),
    _row("image", "F", "show only the red and blue boxes, or all", "toggle_flagged", "f"),
    _row("image", "H (held)", "hide the boxes", "hide", "h"),
    _row("image", "+ - 0", "zoom in, out, fit", "zoom_by", _ZOOM),
    _row("mouse", "click a box", "select it, then drag it or its corners"),
    _row("mouse", "drag beside boxes", "move the image"),
    _row("mouse", "Ctrl + wheel", "zoom at the cursor"),
    _row("mouse", "in the walk", "drag the box or its corners; click a class"),
)
# fmt: on
_OF_STREAMLIT = "cr"
_TAKEN = {key for each in SHORTCUTS for key in each.keys if len(key) == 1} | set(_OF_STREAMLIT)
_SPARE = "123456789" + "".join(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in _TAKEN)


def key_table() -> dict[str, dict[str, tuple[str, Any]]]:
    """Return the table for the browser: by mode and key, the action and its value."""
    return {
        mode: {
            key: (each.action, value)
            for each in SHORTCUTS
            if each.mode in ("everywhere", mode)
            for key, value in each.keys.items()
        }
        for mode in ("cells", "image")
    }


def printed(action: str, mode: Mode) -> str:
    """Return the key of an action as it is printed.

    >>> printed("skip", "everywhere"), printed("save", "everywhere")
    ('S', 'Ctrl+Enter')
    """
    return next(each.printed for each in SHORTCUTS if (each.action, each.mode) == (action, mode))


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
            raise ProjectError(f"The key {key.upper()} is taken: this page uses it. Choose another one.")
    return tuple(key or None for key in wanted)
