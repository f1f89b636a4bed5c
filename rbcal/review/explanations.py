"""Why a cell is red, why an image comes when it does, and what its versions are, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rbcal.acquisition.change_model import FEWEST
from rbcal.acquisition.relevance import CellScores, Score, flags
from rbcal.acquisition.strategies import changes_words, explaining
from rbcal.config import ScoringConfig
from rbcal.evaluation.intervals import wilson
from rbcal.store.colours import ColourBy, StoredChangeModel
from rbcal.store.queue import QueueEntry
from rbcal.store.rankings import Cell
from rbcal.store.reviews import Version
from rbcal.types import Floats
from rbcal.wording import count, duration, signed

_ROUNDING = 1e-4  # float32 stores 0.29 as a little less
BATCH = 10  # images; what an expert reviews in one sitting
_NAMED = 2  # classes


@dataclass(frozen=True)
class Verdict:
    """Whether a cell is drawn red, and why."""

    detection_id: int
    flagged: bool
    reasons: tuple[str, ...]
    brief: str  # the same, for a row of a table: "S.D 31%? · class 60% · box 0.78"
    weight: float  # the higher, the sooner the cell comes


@dataclass(frozen=True)
class CellColours:
    """What makes a cell green, and how likely a change is; None: nobody knows how often the model errs."""

    by: ColourBy = "chance"
    promise: float = 0.02
    change: StoredChangeModel | None = None


def verdicts(
    cells: Sequence[Cell], names: Sequence[str], rare: Sequence[int], config: ScoringConfig
) -> list[Verdict]:
    """Return what the thresholds of equation (8) say of each cell, in the same order.

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
    answers = []
    for n, cell in enumerate(cells):
        terms = bool(fired.class_unsure[n]), bool(fired.box_unsure[n]), bool(fired.maybe_rare[n])
        reasons = _reasons(cell, terms, names, rare, config)
        answers.append(
            Verdict(
                cell.detection_id,
                flagged=any(terms),
                reasons=tuple(long for long, _ in reasons),
                brief=" · ".join(short for _, short in reasons),
                weight=terms[0] + terms[1] + config.gamma * terms[2],
            )
        )
    return answers


def by_chance(
    verdicts: Sequence[Verdict], cells: Sequence[Cell], own: Floats, change: StoredChangeModel | None
) -> list[Verdict]:
    """Return the verdicts of an image by the chance that the expert would change each cell.

    `own` (N, C + 1) are the distributions by the model itself; those of the cells may be by a live head.

    Where that is not known, or no chance keeps the promise, every cell is red.
    """
    if change is None or not cells:
        return [replace(each, flagged=True, reasons=(), brief="") for each in verdicts]
    named, image = np.stack([cell.probs for cell in cells]), np.zeros(len(cells), np.int64)
    chances, green = change.judged(own, named, image)
    return [
        replace(
            each,
            flagged=is_red,
            reasons=(f"{e:.0%} likely to need a change",) if is_red else (),
            brief=f"{e:.0%}" if is_red else "",
            weight=e,
        )
        for each, e, is_red in zip(verdicts, chances.tolist(), (~green).tolist(), strict=True)
    ]


def promise_words(colours: CellColours, wrong: int, checked: int) -> str:
    """Say what green means, and how far it can be trusted.

    Parameters
    ----------
    colours : CellColours
    wrong, checked : int
        Spot checks of this model's green cells.

    >>> promise_words(CellColours(), 0, 0)
    "Nothing is green yet: the model's errors are known once you have kept or corrected 200 of its cells."
    >>> from rbcal.acquisition.change_model import ChangeModel
    >>> change = StoredChangeModel(ChangeModel(0, -1, 0), None, 1000, 400)
    >>> promise_words(CellColours("chance", 0.02, change), 0, 0)
    'Nothing is green: the model still misnames 4 in 10 cells. Go through them side by side (G).'
    >>> promise_words(CellColours("chance", 0.02, replace(change, green_limit=0.1)), 1, 140)
    'Green: at most 2% wrong is promised; 1 of 140 checked was.'
    """
    change = colours.change
    if change is None:
        return (
            "Nothing is green yet: the model's errors are known once you have kept or corrected "
            f"{FEWEST} of its cells."
        )
    if change.green_limit is None:
        tenths = max(1, round(10 * change.n_wrong / change.n_cells))
        return (
            f"Nothing is green: the model still misnames {tenths} in 10 cells. Go through them side by "
            "side (G)."
        )
    words = f"Green: at most {colours.promise:.0%} wrong is promised"
    return (
        f"{words}; {wrong:,} of {checked:,} checked {'was' if wrong == 1 else 'were'}."
        if checked
        else f"{words}."
    )


def cells_words(n_read: int, n_waiting: int, n_red: int, colours: CellColours) -> str:
    """Say how far all cells that were found are done: read, green with their promise, or still to read.

    >>> from rbcal.acquisition.change_model import ChangeModel
    >>> change = StoredChangeModel(ChangeModel(0, -1, 0), 0.1, 1000, 400)
    >>> cells_words(604, 12_278, 7_158, CellColours("chance", 0.02, change))
    'Of 12,882 cells 604 are read, 5,120 are green (at most 2% wrong is promised), and 7,158 are red.'
    >>> cells_words(604, 12_278, 12_278, CellColours())
    'Of 12,882 cells 604 are read, and 12,278 are red.'
    """
    words = f"at most {colours.promise:.0%} wrong is promised"
    if colours.by == "paper":
        words = "by the paper's thresholds"
    elif colours.change is None or colours.change.green_limit is None:
        n_red = n_waiting  # nothing is promised
    parts = [f"{n_read:,} are read"]
    parts += [f"{n_waiting - n_red:,} are green ({words})"] if n_red < n_waiting else []
    return f"Of {n_read + n_waiting:,} cells {', '.join(parts)}, and {n_red:,} are red."


def most_uncertain_first(cells: Sequence[Cell], verdicts: Sequence[Verdict]) -> list[int]:
    """Return the positions of the red cells: those of the greatest weight first, then the least certain."""
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
        f"{wrong:,} of {checked:,} spot checks of green boxes wrong: {wrong / checked:.0%} "
        f"(95% interval {low:.0%} to {high:.0%})"
    )


def live_words(n_cells: int) -> str:
    """Say that names follow the expert's answers, and that nobody has measured them yet.

    >>> live_words(512)
    'Names learn from your answers as you work (512 cells so far); not yet measured on the test set.'
    """
    return (
        f"Names learn from your answers as you work ({count(n_cells, 'cell')} so far); "
        "not yet measured on the test set."
    )


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


def why(strategy: str, entry: QueueEntry, names: Sequence[str]) -> str:
    """Return in a phrase why an image is where the strategy put it.

    Parameters
    ----------
    strategy : str
        That ordered the queue.
    entry : QueueEntry
    names : C str
        Of the classes.

    >>> score = Score(12, 40, 9, 7, 3, 1, value=0.3, terms={"entropy": 0.312})
    >>> why("entropy", QueueEntry(1, "a.png", score), ["S.D"])
    'the class of its cells is 31% open on average'
    """
    score = entry.score
    if score is None:
        return "not sorted yet"
    words = "nothing found"
    if score.n_cells:
        likely = {f"may {label}": float(n) for label, n in entry.likely_cells.items()}
        score = replace(score, terms={**score.terms, **likely})
        words = explaining(strategy, score).explain(score, names, entry.rare_names)
    if score.propensity is not None:
        words = f"drawn at random, to check the order itself ({words})"
    return words


def brief(strategy: str, score: Score | None) -> str:
    """Return what a strategy goes by in a few letters.

    >>> brief("relevance", Score(12, 40, 9, 7, 3, 1, value=12.0))
    'R 12'
    """
    if score is None:
        return "not sorted"
    return explaining(strategy, score).brief(score) if score.n_cells else "nothing found"


def batch_words(entries: Sequence[QueueEntry], names: Sequence[str], shown: Sequence[int]) -> str:
    """Return what the next images are expected to bring, and what they cost of the expert's time.

    Parameters
    ----------
    entries : sequence of QueueEntry
    names : C str
        Of the classes.
    shown : sequence of int
        The labels of which it says how many cells may be of them, as a filter for the class counts them.

    >>> score = Score(12, 40, 9, 7, 3, 1, 0.3, {"new 0": 38.2, "new 1": 1.8, "change": 6, "minutes": 1.5})
    >>> batch_words([QueueEntry(1, "a.png", score, likely_cells={0: 40, 1: 2})], ["D", "S.D"], shown=[1])
    'The next image: about 40 cells (maybe 2 S.D), 6 of them to change, 1 min 30 s'
    """
    scores = [entry.score for entry in entries[:BATCH] if entry.score is not None and entry.score.terms]
    if not scores:
        return ""
    total = {name: sum(score.terms.get(name, 0.0) for score in scores) for name in scores[0].terms}
    likely = {k: sum(entry.likely_cells.get(k, 0) for entry in entries[:BATCH]) for k in shown}
    named = ", ".join(f"{n:,} {names[k]}" for k, n in likely.items() if n)
    which = "The next image" if len(scores) == 1 else f"The next {len(scores):,} images"
    n_cells = sum(score.n_cells for score in scores)
    words = f"{which}: about {count(n_cells, 'cell')}{f' (maybe {named})' if named else ''}"
    if "change" in total:
        sd = math.hypot(*(score.terms.get("change_sd", 0.0) for score in scores))
        changes = changes_words(total["change"], sd or None, n_cells)
        words += f", {changes} of them to change, {duration(60 * total['minutes'])}"
    return words


def version_words(version: Version) -> str:
    """Say in one line what a version of an image's annotations is."""
    did = "imported" if version.origin == "import" else "saved"
    cells = count(version.n_cells, "cell")
    return f"Version {version.revision}: {cells}, {did} {signed(version.created_at, version.who)}"
