"""The pictures of a report, with their boxes and words: examples of errors, and the most uncertain cells."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rbcal.evaluation.matching import Kind
from rbcal.formats.crops import Crop
from rbcal.report.collect import ErrorExample, Errors, UncertainCell
from rbcal.store.classes import CellClass
from rbcal.types import Floats

_ROOM = 23  # letters of a class below a picture
Corners = Sequence[float]  # x1, y1, x2, y2 in pixels of the image
_UNLIKELY = 0.05  # a class less probable than this is not named beside a cell


@dataclass(frozen=True)
class Picture:
    """A cell with its surroundings: a data URL, the part of the image it shows, boxes, and lines of words."""

    url: str
    window: tuple[int, int, int, int]  # x, y, width, height
    boxes: Mapping[str, Corners | None]  # annotated, predicted
    lines: Sequence[tuple[str, str]]  # what it is that is said, and the words
    image: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind, and what they are."""

    title: str
    words: str
    pictures: Sequence[Picture]


def error_galleries(errors: Errors, classes: Sequence[CellClass]) -> list[Gallery]:
    """Return the galleries of errors that have a picture."""
    matrix = errors.confusion
    titles: Mapping[Kind, tuple[str, str]] = {
        "confused": ("Another class", f"{matrix.n_confused:,} cells."),
        "missed": ("Missed", f"{matrix.n_missed:,} cells."),
        "false": (
            "Nothing there",
            f"{matrix.n_false:,} detections. Some may be cells that nobody has annotated.",
        ),
    }
    return [
        Gallery(title, words, [_error(each, classes) for each in errors.examples[kind]])
        for kind, (title, words) in titles.items()
        if errors.examples[kind]
    ]


def _error(example: ErrorExample, classes: Sequence[CellClass]) -> Picture:
    mistake = example.mistake
    annotated, predicted = (
        "nothing" if label is None else _brief(classes[label].name)
        for label in (mistake.annotated, mistake.predicted)
    )
    certainty = {
        "confused": f"{1 - mistake.contradiction:.0%} for {annotated}",
        "missed": f"{1 - mistake.contradiction:.0%} for a cell",
        "false": f"{mistake.contradiction:.0%} for a cell",
    }
    lines = [("annotated", annotated), ("model", predicted), ("", certainty[mistake.kind])]
    boxes = {"annotated": mistake.annotated_box, "predicted": mistake.predicted_box}
    return _picture(example.image, example.crop, lines, boxes)


def uncertain_cell(example: UncertainCell, classes: Sequence[CellClass]) -> Picture:
    """Return a cell with its most probable classes and its uncertainty."""
    cell = example.cell
    lines = [
        ("a cell", f"{1 - cell.probs[0]:.0%}"),
        ("", _likely(cell.probs, classes)),
        ("U^c", f"{cell.u_c:.2f}, U^d {cell.u_d:.2f}"),
    ]
    return _picture(example.image, example.crop, lines, {"predicted": cell.box.tolist()})


def _likely(probs: Floats, classes: Sequence[CellClass]) -> str:
    """Return the two most probable classes; one where the second is next to impossible."""
    first, *second = probs[1:].argsort()[::-1][:2]
    named = [first, *(k for k in second if probs[k + 1] >= _UNLIKELY)]
    return ", ".join(f"{_brief(classes[k].name)} {probs[k + 1]:.0%}" for k in named)


def _brief(name: str) -> str:
    """Return a name that has room below a picture.

    >>> _brief("normoblast"), _brief("polychromatophilic erythroblast")
    ('normoblast', 'polychromatophilic ery…')
    """
    return name if len(name) <= _ROOM else f"{name[: _ROOM - 1]}…"


def _picture(
    image: str,
    crop: Crop,
    lines: Sequence[tuple[str, str]],
    boxes: Mapping[str, Corners | None],
) -> Picture:
    x1, y1, x2, y2 = crop.window
    url = "data:image/jpeg;base64," + b64encode(crop.jpeg()).decode()
    return Picture(url, (x1, y1, x2 - x1, y2 - y1), boxes, lines, image)
