"""The way of an act from the browser to the project file, from top to bottom.

1. The browser: a key, a click or a drag. js/keys.js looks keys up in the table of rbcal/review/shortcuts.py,
   js/messages.js sends the action with a ticket. Every message calls `act`, and so does a button of the page.
2. `act` reads what was drawn on the canvas before, then does what the browser asked for, each thing once.
3. `ACTS` has the function of each action, in rbcal/review/edits.py and navigation.py. An edit makes a new
   history, which `Editor.change` gives to the log: the project file has it when the act returns.
4. `Editor.redraw` makes a new drawing where boxes changed; the page runs again and shows it. The browser
   holds the mouse back until the ticket is `done`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.review import edits, navigation
from rbcal.review.editor import Editor
from rbcal.review.messages import CompanionMessages, Press
from rbcal.ui.session import session

CANVAS, COMPANION = "canvas", "companion"  # fixed keys: a new one for each image would switch Edit off


def show_queue(_editor: Editor) -> None:
    """Open the list of all images."""
    session.dialog = "queue"


def show_keys(_editor: Editor) -> None:
    """Open the help for the keys."""
    session.dialog = "keys"


# fmt: off
ACTS: Mapping[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        edits.relabel, edits.keep, edits.keep_and_go_on, edits.remove, edits.move, edits.nudge, edits.insert,
        edits.leave_unsure, edits.outline, edits.pin,
        edits.keep_green, edits.undo, edits.redo, edits.start_over, edits.show_version, edits.keep_mine,
        edits.show_theirs,
        navigation.toggle_cell_review, navigation.toggle_batches, navigation.toggle_passes,
        navigation.toggle_flagged, navigation.toggle_drawing, navigation.choose, navigation.step,
        navigation.go, navigation.let_go, navigation.next_red, navigation.zoom_to, show_queue, show_keys,
    )
}
# fmt: on


def act(action: str | Callable[..., None] | None, *arguments: Any) -> None:
    """Do what the expert means by a press, after the edits made before it; None: those edits are all.

    `action` is a name of `ACTS`, or a function of the editor. Streamlit keeps the callbacks of widgets that
    are gone, so none may hold an editor. The boundary in app.py does not see callbacks, so an error waits in
    the session for the panel to show it.
    """
    editor, inbox = session.editor, session.inbox
    if editor is None:  # saved a moment ago; this is an echo of its canvas, or a second press
        return
    serial, ticket = editor.canvas.serial, inbox.ticket
    try:
        _read_canvas(editor)
        _obey_companion(editor)
        if action is not None:
            session.review_error = None
            do(editor, action, *arguments)
    except RbcalError as err:
        session.review_error = str(err)
    inbox.answers += action is not None
    if inbox.ticket != ticket and (editor.canvas.serial == serial or editor.loaded):
        inbox.done = inbox.ticket  # it drew nothing anew, so there is no drawing to wait for


def has_canvas() -> bool:
    """Return whether the page has a canvas now."""
    return CANVAS in st.session_state


def do(editor: Editor, action: str | Callable[..., None], *arguments: Any) -> None:
    """Do one act."""
    (ACTS[action] if isinstance(action, str) else action)(editor, *arguments)


def _read_canvas(editor: Editor) -> None:
    """Take over what the expert did on the canvas since."""
    editor.log.count_time()
    raw = ((st.session_state.get(CANVAS) or {}).get("drawing") or {}).get("raw")
    if raw is not None and not editor.cell_review.is_open and editor.canvas.accept(raw):
        session.inbox.done = session.inbox.ticket
        editor.take_drawing(raw)


def _obey_companion(editor: Editor) -> None:
    """Do what the companion asked for since, each thing once.

    Streamlit may answer several acts with one run, and then calls their callbacks in an order of its own:
    whichever comes first, a class key counts before the *Save* that was clicked after it.
    """
    said = cast(CompanionMessages, st.session_state.get(COMPANION) or {})
    message, inbox = said.get("act"), session.inbox
    if message and message["ticket"] > inbox.ticket:
        _take_press(editor, message.get("point"))
        inbox.ticket = message["ticket"]
        if message["image"] == editor.image.id:
            if message["action"] != "zoom_to":  # the browser's own; the expert has not read what happened yet
                editor.notice, session.review_error = "", None
            value = message.get("value")
            values = [] if value is None else value if isinstance(value, list) else [value]
            do(editor, message["action"], *values)
    _take_press(editor, said.get("point"))  # it may have come after the act, never before the press above


def _take_press(editor: Editor, point: Press | None) -> None:
    x, y, pressed_at, image_id = point or (0, 0, 0, None)
    if pressed_at > session.inbox.pressed_at:
        session.inbox.pressed_at = pressed_at
        if image_id == editor.image.id:  # else it was meant for an image that is gone
            editor.select_at(x, y)
