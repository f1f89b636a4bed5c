"""Whoever wants to know how far the work is."""

from __future__ import annotations

from threading import Lock
from typing import Protocol

WRITING = Lock()  # held while a training or a model is written down: a worker does not leave then


class ProgressReporter(Protocol):
    """Is told how far the work is; any of these may raise to stop it."""

    def stage(self, name: str, steps: int = 0, done: int = 0) -> None:
        """Begin a stage of so many steps, some of which may be done already."""

    def advance(self, step: int, loss: float | None = None) -> None:
        """Say how many steps are done."""

    def log(self, line: str) -> None:
        """Append a line to the log."""
