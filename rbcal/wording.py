"""What the expert does next, how long things take, when they were, and names as they are shown, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rbcal.store.images import Counts
from rbcal.store.models import Model
from rbcal.store.rankings import StoredRanking

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$~:&])")
_SIGNS = re.compile(r"([:<>~=-])")
_CHIP = 4  # letters; a chip is as wide as a small cell


@dataclass(frozen=True)
class Step:
    """What to do next, in words, and the page to do it on; None where it is the one that shows this."""

    words: str
    page: str | None


def next_step(counts: Counts, model: Model | None, ranking: StoredRanking | None) -> Step:
    """Return what brings the project on from where it is."""
    if not counts.images:
        return Step("Import images, and boxes if you have some.", None)
    if not counts.annotated_cells:
        return Step(
            "No cell is annotated yet. Draw the boxes of a few images by hand, or import boxes.", "review"
        )
    if model is None:
        return Step(
            f"{counts.annotated_cells:,} cells on {counts.annotated_images} images are annotated. "
            "Train the first model.",
            "train",
        )
    fresh = counts.annotated_cells - model.n_cells
    if not counts.pool_images:
        return Step("Every image is reviewed. Import more, or look at the progress.", "progress")
    if ranking is None or ranking.stale:
        return Step("Let the serving model score the pool, so that the best images come first.", "train")
    if fresh > 0:
        return Step(
            f"{fresh:,} cells are new since the last training. Review more images, or train again.", "review"
        )
    return Step("The pool is ranked. Review the images at the top.", "review")


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(42.4), duration(200), duration(7300)
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def signed(at: str, who: str) -> str:
    """Return when, on the clock of this PC, and by whom something was done.

    >>> signed("2026-11-03T14:02:33.120+00:00", "Ann").endswith(" by Ann")
    True
    """
    moment = datetime.fromisoformat(at).astimezone().strftime("%d %b %Y %H:%M")
    return f"{moment} by {who}" if who else moment


def literal(name: str) -> str:
    r"""Return a name as Markdown that Streamlit shows letter by letter.

    Beyond Markdown, Streamlit turns ``:material/bolt:`` into an icon and ``->`` into an arrow even where they
    are escaped; an invisible word joiner inside them prevents it.
    """
    return _MARKDOWN.sub(r"\\\1", _SIGNS.sub("\\1\u2060", name.replace("\n", " ")))


def short_names(names: Sequence[str], length: int = _CHIP) -> tuple[str, ...]:
    """Return names of a few letters, all different: the first letters, or a number where they are the same.

    >>> short_names(["S.D", "normal", "normoblast"])
    ('S.D', 'norm', 'nor3')
    """
    short: list[str] = []
    for position, name in enumerate(names, start=1):
        text = name[:length].strip()
        if not text or text.casefold() in (each.casefold() for each in short):
            number = str(position)
            text = name[: max(0, length - len(number))].strip() + number
        short.append(text)
    return tuple(short)
