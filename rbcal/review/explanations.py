"""Why a cell is red and an image is early in the queue, in words; and names short enough for a chip."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from rbcal.acquisition.relevance import CellScores, flags
from rbcal.config import ScoringConfig
from rbcal.evaluation.metrics import wilson
from rbcal.store.rankings import Cell
from rbcal.store.reviews import Version

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$~:&])")
_SIGNS = re.compile(r"([:<>~=-])")
_ROUNDING = 1e-4  # float32 stores 0.29 as a little less
_CHIP = 4  # letters; a chip is as wide as a small cell


@dataclass(frozen=True)
class Verdict:
    """What the thresholds of equation (8) say of one cell: the reasons why it is red; none if it is green."""

    detection_id: int
    reasons: tuple[str, ...]
    brief: str  # the same, for a row of a table: "S.D 31%? · class 60% · box 0.78"
    weight: float  # what the cell adds to R, equation (8)

    @property
    def flagged(self) -> bool:
        """Whether the cell is drawn red."""
        return bool(self.reasons)


def verdicts(
    cells: Sequence[Cell], names: Sequence[str], rare: Sequence[int], config: ScoringConfig
) -> list[Verdict]:
    """Return a verdict for each cell, in the same order.

    Parameters
    ----------
    cells : N Cells
    names : C str
        The names of the classes.
    rare : sequence of int
        The labels of the rare ones.
    config : ScoringConfig
        Its thresholds are those of the ranking that found the cells.
    """
    scores = CellScores(*(np.array([getattr(cell, u) for cell in cells]) for u in ("u_d", "u_c", "u_r")))
    fired = flags(scores, config)
    found = []
    for n, cell in enumerate(cells):
        terms = bool(fired.class_unsure[n]), bool(fired.box_unsure[n]), bool(fired.maybe_rare[n])
        reasons = _reasons(cell, terms, names, rare, config)
        found.append(
            Verdict(
                cell.detection_id,
                reasons=tuple(long for long, _ in reasons),
                brief=" · ".join(short for _, short in reasons),
                weight=terms[0] + terms[1] + config.gamma * terms[2],
            )
        )
    return found


def most_uncertain_first(cells: Sequence[Cell], verdicts: Sequence[Verdict]) -> list[int]:
    """Return the positions of the flagged cells: what adds most to R first, then the least certain."""
    flagged = [position for position, verdict in enumerate(verdicts) if verdict.flagged]
    return sorted(flagged, key=lambda k: (-verdicts[k].weight, cells[k].u_c, cells[k].u_d))


def green_words(wrong: int, checked: int) -> str:
    """Return in a phrase how often green boxes were wrong, with the 95 % interval.

    >>> green_words(1, 40)
    '1 of 40 spot checks of green boxes wrong: 2% (95% interval 0% to 13%)'
    """
    if not checked:
        return "No green box of this model was checked yet."
    low, high = wilson(wrong, checked)
    return (
        f"{wrong} of {checked} spot checks of green boxes wrong: {wrong / checked:.0%} "
        f"(95% interval {low:.0%} to {high:.0%})"
    )


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


def score_words(
    cell: Cell, names: Sequence[str], rare: Sequence[int], config: ScoringConfig
) -> list[tuple[str, bool]]:
    """Return the three scores of a cell in words, and whether each makes it red: class, box, rare."""
    [verdict] = verdicts([cell], names, rare, config)
    fired = {reason.split()[0]: reason for reason in verdict.reasons}
    likely = max(rare, key=lambda k: cell.probs[k + 1], default=None)
    calm = {
        "class": f"class: the passes agree at {cell.u_c:.0%}",
        "box": f"box: the passes overlap at {_floor(cell.u_d):.2f}",
        "maybe": "no rare class in this project"
        if likely is None
        else f"rare: {names[likely]} at most {cell.probs[likely + 1]:.0%}",
    }
    return [(fired.get(term, words), term in fired) for term, words in calm.items()]


def _floor(share: float) -> float:
    """Round down to two digits: rounded up, a score might seem above its threshold."""
    return math.floor(100 * share + _ROUNDING) / 100


def _reasons(
    cell: Cell,
    terms: tuple[bool, bool, bool],
    names: Sequence[str],
    rare: Sequence[int],
    config: ScoringConfig,
) -> list[tuple[str, str]]:
    """Return, for each term of equation (8) that fires, its words, long and short."""
    class_unsure, box_unsure, maybe_rare = terms
    reasons = []
    if maybe_rare:
        chances = sorted(
            ((float(cell.probs[k + 1]), names[k]) for k in rare if cell.probs[k + 1] > config.rare_threshold),
            reverse=True,
        )
        long = ", ".join(f"{name} ({p:.0%})" for p, name in chances) or "rare"
        reasons.append((f"maybe {long}", ", ".join(f"{name} {p:.0%}?" for p, name in chances) or "rare?"))
    if class_unsure:
        agree = _floor(cell.u_c)
        long = f"class unsure: the passes agree at {agree:.0%} (threshold {config.alpha:.0%})"
        reasons.append((long, f"class {agree:.0%}"))
    if box_unsure:
        overlap = _floor(cell.u_d)
        long = f"box unsure: the passes overlap at {overlap:.2f} (threshold {config.beta:.2f})"
        reasons.append((long, f"box {overlap:.2f}"))
    return reasons


def signed(at: str, who: str) -> str:
    """Return when, on the clock of this PC, and by whom something was done.

    >>> signed("2026-11-03T14:02:33.120+00:00", "Ann").endswith(" by Ann")
    True
    """
    moment = datetime.fromisoformat(at).astimezone().strftime("%d %b %Y %H:%M")
    return f"{moment} by {who}" if who else moment


def version_words(version: Version) -> str:
    """Say in one line what a version of an image's annotations is."""
    did = "imported" if version.origin == "import" else "saved"
    cells = f"{version.n_cells} cell{'s' * (version.n_cells != 1)}"
    return f"Version {version.revision}: {cells}, {did} {signed(version.created_at, version.who)}"
