"""The health of a project: what is wrong with its classes, groups and test set, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import altair as alt
import pandas as pd

from rbcal.charts.colours import COLOURS
from rbcal.interchange.near_duplicates import MOST_PAIRS
from rbcal.store.classes import CellClass
from rbcal.store.images import Group, Image, Split
from rbcal.wording import count, listed

Level = Literal["error", "warning", "note"]
SIDES: Mapping[Split, str] = {"work": "To train on", "test": "Test set"}

_FEW_TEST = 10  # cells; one more or less right moves AP by up to a tenth
_FEW = 10  # annotated cells; a detector hardly learns a class from fewer
_NAMED = 6  # in one sentence; more are counted
_BAR = 11  # pixels a bar


@dataclass(frozen=True)
class NearDuplicates:
    """Two images that show the same field; `first` was imported first."""

    first: Image
    second: Image

    @property
    def leak(self) -> bool:
        """Whether one of them is in the test set and the other is not."""
        return self.first.split != self.second.split


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, and what to do about it."""

    level: Level
    what: str
    advice: str


def near_duplicates(images: Sequence[Image], pairs: Sequence[tuple[int, int]]) -> list[NearDuplicates]:
    """Return pairs of images, given by their ids, with those across the test boundary first."""
    by_id = {image.id: image for image in images}
    duplicates = [NearDuplicates(by_id[first], by_id[second]) for first, second in pairs]
    return sorted(duplicates, key=lambda pair: not pair.leak)


def findings(
    classes: Sequence[CellClass],
    cells: Mapping[Split, Mapping[int, int]],
    groups: Sequence[Group],
    pairs: Sequence[NearDuplicates],
    *,
    test_is_closed: bool,
) -> list[Finding]:
    """Return what is wrong with a project, the worst first; nothing for one that is healthy or still empty.

    Parameters
    ----------
    classes : sequence of CellClass
        Those that cells can have.
    cells : {side: {label: number}}
        Annotated cells of each class on each side of the test set.
    groups : sequence of Group
        Slides or patients.
    pairs : sequence of NearDuplicates
        Images that show the same field.
    test_is_closed : bool
        Whether a model was measured on the test set, which then takes no more images.
    """
    if not groups:
        return []
    has_cells = any(cells["work"].values())
    wrong = [*_leaks(pairs)]
    if any(group.split == "test" for group in groups):
        wrong += _test_cells(classes, cells["test"], is_closed=test_is_closed)
    wrong += _test_set(groups, has_cells=has_cells)
    if has_cells:
        wrong += _work_cells(classes, cells["work"])
    wrong += _repeated(pairs)
    return sorted(wrong, key=lambda each: get_args(Level).index(each.level))


def summary(groups: Sequence[Group], cells: Mapping[Split, Mapping[int, int]]) -> str:
    """Return in a line how the images and annotated cells lie on the two sides of the test set.

    >>> summary([Group("s1", "work", 8), Group("s2", "test", 1)], {"work": {0: 90}, "test": {0: 9}})
    'To train on: 8 images of 1 group, 90 cells. Test set: 1 image of 1 group, 9 cells.'
    """
    parts = []
    for side, words in SIDES.items():
        sizes = [group.images for group in groups if group.split == side]
        n_cells = count(sum(cells[side].values()), "cell")
        parts.append(f"{words}: {count(sum(sizes), 'image')} of {count(len(sizes), 'group')}, {n_cells}.")
    return " ".join(parts)


def balance(classes: Sequence[CellClass], cells: Mapping[Split, Mapping[int, int]]) -> pd.DataFrame:
    """Return one row for each class and side of the test set: how many annotated cells there are."""
    rows = [
        (each.name, words, cells[side].get(each.label, 0))
        for each in classes
        for side, words in SIDES.items()
    ]
    return pd.DataFrame(rows, columns=["Class", "Side", "Cells"])


def balance_chart(classes: Sequence[CellClass], cells: Mapping[Split, Mapping[int, int]]) -> alt.LayerChart:
    """Return the bars of :func:`balance`, with their numbers.

    The scale is logarithmic from 1 on and shows 0, too: a class of 5 cells is seen beside one of 5,000.
    """
    base = alt.Chart(balance(classes, cells)).encode(
        x=alt.X("Cells:Q", scale=alt.Scale(type="symlog"), axis=None),
        y=alt.Y("Class:N", sort=[each.name for each in classes], title=None, axis=alt.Axis(labelLimit=140)),
        yOffset=alt.YOffset("Side:N", sort=list(SIDES.values())),
        tooltip=["Class:N", "Side:N", alt.Tooltip("Cells:Q", format=",d")],
    )
    bars = base.mark_bar(height=_BAR - 2).encode(
        color=alt.Color(
            "Side:N",
            scale=alt.Scale(domain=list(SIDES.values()), range=[COLOURS[0], COLOURS[5]]),
            legend=alt.Legend(title=None, orient="top"),
        )
    )
    numbers = base.mark_text(align="left", dx=3, fontSize=10, color="#808080").encode(
        text=alt.Text("Cells:Q", format=",d")
    )
    return (bars + numbers).properties(height=alt.Step(_BAR, **{"for": "offset"}))


def group_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Return one row for each group: its images and its side of the test set, the largest first."""
    largest_first = sorted(groups, key=lambda group: -group.images)
    rows = [(group.name, group.images, SIDES[group.split]) for group in largest_first]
    return pd.DataFrame(rows, columns=["Group", "Images", "Side"])


def near_duplicate_table(pairs: Sequence[NearDuplicates]) -> pd.DataFrame:
    """Return one row for each pair of images that show the same field, and where they lie."""
    rows = [
        (pair.first.name, SIDES[pair.first.split], pair.second.name, SIDES[pair.second.split])
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=["Image", "Side", "Shows the same as", "Its side"])


def _leaks(pairs: Sequence[NearDuplicates]) -> Iterator[Finding]:
    leaks = [sorted((pair.first, pair.second), key=lambda image: image.split) for pair in pairs if pair.leak]
    if leaks:
        names = [f"{test.name} (test set) and {work.name}" for test, work in leaks]
        yield Finding(
            "error",
            f"{_n_pairs(len(leaks), pairs)} of images across the test boundary show{'s' * (len(leaks) == 1)} "
            f"the same field: {listed(names, most=3, comma='; ')}. A model that has learnt from one is "
            "measured on the other, and its figures are better than it is.",
            "The test set is frozen, so its image stays. Without boxes the other one teaches nothing: "
            "skip it, and it comes last in the queue. If it has boxes, export the project, delete one of the "
            "two pictures there, and import the rest into a new project.",
        )


def _test_set(groups: Sequence[Group], *, has_cells: bool) -> Iterator[Finding]:
    """Yield what is wrong with the groups of the test set; `has_cells`: there are cells to train on."""
    test = [group for group in groups if group.split == "test"]
    if not test and has_cells:
        yield Finding(
            "warning",
            "There is no test set: how good a model is, and whether it is better than the one before, "
            "cannot be measured.",
            "Import further slides with boxes, and let a part of their groups become the test set.",
        )
    if len(test) == 1 and test[0].images > 1:
        yield Finding(
            "warning",
            f"All test images are of one group, {test[0].name}: the figures say how good a model is on "
            "that slide or patient, and little about others.",
            "A test set of several slides tells more. It is drawn anew only in a new project.",
        )
    if test and len(groups) > 1 and all(group.images == 1 for group in groups):
        yield Finding(
            "note",
            "Every image is a group of its own. If several are of one slide, the test set holds "
            "neighbours of images that a model learns from, and flatters it.",
            "Name the slide or patient at the next import, or put the images of each into a folder.",
        )


def _test_cells(
    classes: Sequence[CellClass], cells: Mapping[int, int], *, is_closed: bool
) -> Iterator[Finding]:
    advice = (
        "A model was measured already, so the test set takes no more images: judge these classes by what you "
        "see on the Review page."
        if is_closed
        else "Import slides with annotated cells of them into the test set before the first training."
    )
    if none := _without_cell(classes, cells):
        yield Finding("warning", f"The test set cannot measure {none}: it has no such cell.", advice)
    if few := _with_few_cells(classes, cells, _FEW_TEST):
        yield Finding("note", f"Few test cells: {few}. Their AP moves by chance alone.", advice)


def _work_cells(classes: Sequence[CellClass], cells: Mapping[int, int]) -> Iterator[Finding]:
    if none := _without_cell(classes, cells):
        yield Finding(
            "warning",
            f"No annotated cell of {none}: a model cannot learn what it was never shown.",
            "Look for some and annotate them, or merge the class into another one.",
        )
    if few := _with_few_cells([each for each in classes if not each.rare], cells, _FEW):
        yield Finding(
            "note",
            f"Few annotated cells: {few}.",
            "Mark the class as rare: images that may hold such cells then come earlier in the queue.",
        )


def _repeated(pairs: Sequence[NearDuplicates]) -> Iterator[Finding]:
    if n := sum(not pair.leak for pair in pairs):
        yield Finding(
            "note",
            f"{_n_pairs(n, pairs)} of images on the same side of the test set show{'s' * (n == 1)} the same "
            "field.",
            "No figure is wrong by that. Annotating both is work done twice.",
        )


def _n_pairs(n: int, pairs: Sequence[NearDuplicates]) -> str:
    """Return so many of some pairs in words; the search for them may have ended before the last one."""
    return f"{'At least ' * (len(pairs) >= MOST_PAIRS)}{count(n, 'pair')}"


def _without_cell(classes: Sequence[CellClass], cells: Mapping[int, int]) -> str:
    return listed([each.name for each in classes if not cells.get(each.label)], _NAMED)


def _with_few_cells(classes: Sequence[CellClass], cells: Mapping[int, int], few: int) -> str:
    numbers = [(each.name, cells.get(each.label, 0)) for each in classes]
    return listed([f"{name} ({n})" for name, n in numbers if 0 < n < few], _NAMED)
