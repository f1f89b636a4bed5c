"""The health of a project: what is wrong with its classes, groups and test set, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt
import pandas as pd

from rbcal.charts.learning_curve import COLOURS
from rbcal.store.classes import CellClass
from rbcal.store.images import Group, Image, Split

Level = Literal["error", "warning", "note"]
SIDES: Mapping[Split, str] = {"work": "To train on", "test": "Test set"}

_FEW_TEST = 10  # cells; one more or less right moves AP by up to a tenth
_FEW = 10  # annotated cells; a detector hardly learns a class from fewer
_NAMED = 6  # in one sentence; more are counted
_BAR = 11  # pixels a bar


@dataclass(frozen=True)
class Twins:
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


def twins(images: Sequence[Image], pairs: Sequence[tuple[int, int]]) -> list[Twins]:
    """Return pairs of images, given by their ids, with those across the test boundary first."""
    known = {image.id: image for image in images}
    found = [Twins(known[first], known[second]) for first, second in pairs]
    return sorted(found, key=lambda pair: not pair.leak)


def findings(
    classes: Sequence[CellClass],
    cells: Mapping[Split, Mapping[int, int]],
    groups: Sequence[Group],
    pairs: Sequence[Twins],
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
    pairs : sequence of Twins
        Images that show the same field.
    test_is_closed : bool
        Whether a model was measured on the test set, which then takes no more images.
    """
    if not groups:
        return []
    found = [*_leaks(pairs), *_test_set(classes, cells, groups, test_is_closed=test_is_closed)]
    if any(cells["work"].values()):
        found += _classes(classes, cells["work"])
    found += _repeated(pairs)
    return sorted(found, key=lambda each: ("error", "warning", "note").index(each.level))


def summary(groups: Sequence[Group], cells: Mapping[Split, Mapping[int, int]]) -> str:
    """Return in a line how the images and annotated cells lie on the two sides of the test set.

    >>> summary([Group("s1", "work", 8), Group("s2", "test", 1)], {"work": {0: 90}, "test": {0: 9}})
    'To train on: 8 images of 1 group, 90 cells. Test set: 1 image of 1 group, 9 cells.'
    """
    parts = []
    for side, words in SIDES.items():
        mine = [group for group in groups if group.split == side]
        images, n_cells = sum(group.images for group in mine), sum(cells[side].values())
        parts.append(
            f"{words}: {_count(images, 'image')} of {_count(len(mine), 'group')}, {_count(n_cells, 'cell')}."
        )
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
    ordered = sorted(groups, key=lambda group: -group.images)
    return pd.DataFrame(
        {
            "Group": [group.name for group in ordered],
            "Images": [group.images for group in ordered],
            "Side": [SIDES[group.split] for group in ordered],
        }
    )


def twin_table(pairs: Sequence[Twins]) -> pd.DataFrame:
    """Return one row for each pair of images that show the same field, and where they lie."""
    return pd.DataFrame(
        {
            "Image": [pair.first.name for pair in pairs],
            "Side": [SIDES[pair.first.split] for pair in pairs],
            "Shows the same as": [pair.second.name for pair in pairs],
            "Its side": [SIDES[pair.second.split] for pair in pairs],
        }
    )


def _leaks(pairs: Sequence[Twins]) -> list[Finding]:
    leaks = [pair for pair in pairs if pair.leak]
    if not leaks:
        return []
    ordered = [sorted((pair.first, pair.second), key=lambda image: image.split) for pair in leaks]
    named = [f"{test.name} (test set) and {work.name}" for test, work in ordered]
    return [
        Finding(
            "error",
            f"{_count(len(leaks), 'pair')} of images across the test boundary show{'s' * (len(leaks) == 1)} "
            f"the same field: {_named(named, most=3, then='; ')}. A model that has learnt from one is "
            "measured on the other, and its figures are better than it is.",
            "The test set is frozen, so its image stays. Without boxes the other one teaches nothing: "
            "skip it, and it comes last in the queue. If it has boxes, export the project, delete one of the "
            "two pictures there, and import the rest into a new project.",
        )
    ]


def _test_set(
    classes: Sequence[CellClass],
    cells: Mapping[Split, Mapping[int, int]],
    groups: Sequence[Group],
    *,
    test_is_closed: bool,
) -> list[Finding]:
    test, work = ([group for group in groups if group.split == side] for side in ("test", "work"))
    if not test:
        if not any(cells["work"].values()):
            return []
        return [
            Finding(
                "warning",
                "There is no test set: how good a model is, and whether it is better than the one before, "
                "cannot be measured.",
                "Import further slides with boxes, and let a part of their groups become the test set.",
            )
        ]
    found = []
    more = (
        "A model was measured already, so the test set takes no more images: judge these classes by what you "
        "see on the Review page."
        if test_is_closed
        else "Import slides with annotated cells of them into the test set before the first training."
    )
    if none := [each.name for each in classes if not cells["test"].get(each.label)]:
        found.append(
            Finding("warning", f"The test set cannot measure {_named(none)}: it has no such cell.", more)
        )
    if few := [
        f"{each.name} ({cells['test'][each.label]})"
        for each in classes
        if 0 < cells["test"].get(each.label, 0) < _FEW_TEST
    ]:
        found.append(
            Finding(
                "note",
                f"Few test cells: {_named(few)}. Their AP moves by chance alone.",
                more,
            )
        )
    if len(test) == 1 and test[0].images > 1:
        found.append(
            Finding(
                "warning",
                f"All test images are of one group, {test[0].name}: the figures say how good a model is on "
                "that slide or patient, and little about others.",
                "A test set of several slides tells more. It is drawn anew only in a new project.",
            )
        )
    if len(groups) > 1 and all(group.images == 1 for group in [*test, *work]):
        found.append(
            Finding(
                "note",
                "Every image is a group of its own. If several are of one slide, the test set holds "
                "neighbours of images that a model learns from, and flatters it.",
                "Name the slide or patient at the next import, or put the images of each into a folder.",
            )
        )
    return found


def _classes(classes: Sequence[CellClass], cells: Mapping[int, int]) -> list[Finding]:
    found = []
    if none := [each.name for each in classes if not cells.get(each.label)]:
        found.append(
            Finding(
                "warning",
                f"No annotated cell of {_named(none)}: a model cannot learn what it was never shown.",
                "Look for some and annotate them, or merge the class into another one.",
            )
        )
    if few := [
        f"{each.name} ({cells[each.label]})"
        for each in classes
        if not each.rare and 0 < cells.get(each.label, 0) < _FEW
    ]:
        found.append(
            Finding(
                "note",
                f"Few annotated cells: {_named(few)}.",
                "Mark the class as rare: images that may hold such cells then come earlier in the queue.",
            )
        )
    return found


def _repeated(pairs: Sequence[Twins]) -> list[Finding]:
    n = sum(not pair.leak for pair in pairs)
    if not n:
        return []
    return [
        Finding(
            "note",
            f"{_count(n, 'pair')} of images on the same side of the test set show{'s' * (n == 1)} the same "
            "field.",
            "No figure is wrong by that. Annotating both is work done twice.",
        )
    ]


def _named(names: Sequence[str], most: int = _NAMED, then: str = ", ") -> str:
    """Return names as a phrase."""
    shown = names[:most]
    if len(names) > most:
        shown = [*shown, f"{len(names) - most} more"]
    last = "; and " if then == "; " else " and "
    return last.join([then.join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'s' * (n != 1)}"
