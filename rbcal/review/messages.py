"""What the browser's part of the Review page says to Python, and how much of it was dealt with.

The companion (js/) sends two messages, and the filmstrip one; a test holds the names against the JavaScript.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

Press = tuple[float, float, float, int]  # x, y in canvas pixels, when, and the id of the image


class ActMessage(TypedDict):
    """Something that the expert asks for."""

    action: str  # one of rbcal.ui.review.acts.ACTS
    value: Any
    ticket: int  # one more than that of the message before
    image: int
    point: Press | None  # the press before it: the two may come in either order


class CompanionMessages(TypedDict, total=False):
    """What the companion said last."""

    point: Press | None
    act: ActMessage | None


class FilmstripMessages(TypedDict, total=False):
    """What the filmstrip said last: the id of the image to open, or "all" for the list."""

    open: int | str | None


@dataclass
class Inbox:
    """How far the messages of a browser were dealt with; outlives the image."""

    pressed_at: float = 0.0  # when the last press was that we know of
    ticket: int = 0  # of the last act that the companion asked for
    done: int = 0  # of the last one whose outcome is on the canvas
    answers: int = 0  # to buttons; the companion waits for one before it lets go of Save
