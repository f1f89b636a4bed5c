"""The progress bar of a command, on stderr; there is none where nobody is at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from tqdm import tqdm


def progress_bar(words: str) -> Callable[[Any], Any]:
    """Return what wraps the items of some work, to show how far it is."""
    return partial(tqdm, desc=words, file=sys.stderr, leave=False, disable=None)
