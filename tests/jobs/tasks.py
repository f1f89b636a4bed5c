"""What the tests have workers do; a module of its own, since a worker imports it, and torch takes seconds."""

from __future__ import annotations

import os
import time

from rbcal.errors import ScoringError


def nothing() -> None:
    """Poll."""


def squared(number: int) -> int:
    """Return the square, not always at once."""
    if number == 13:
        raise ScoringError("There is no 13.")
    time.sleep(0.01 * (number % 3))
    return number * number


def always_killed(task: int) -> None:
    """End the worker."""
    os._exit(1)


def weighed(shard: object) -> int:
    """Return something small for something large that came along."""
    return 1
