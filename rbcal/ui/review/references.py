"""Reference cells: a few read cells of each class, for the card that its button shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from rbcal.charts.colours import class_colours
from rbcal.store.classes import CellClass
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.thumbnails import address, cell_picture

_N = 3  # of each class: pinned ones, else a small one, one of middling size, a large one
_references = st.components.v2.component(
    "rbcal.references", js=(Path(__file__).parent / "js" / "references.js").read_text("utf-8")
)


def hold_references(project: Project) -> None:
    """Give the browser the reference cells of each class; it is sent once, for it stays the same."""
    ranking = project.rankings.current()
    with st.container(key="references"):
        pinned = tuple(project.references.pinned())
        cards = _cards(project.file, None if ranking is None else ranking.id, pinned, project.classes.own())
        _references(key="held_references", data={"classes": cards})


@st.cache_data(max_entries=8, show_spinner=False)
def _cards(
    file: ProjectFile, ranking_id: int | None, pinned: tuple[Any, ...], classes: tuple[CellClass, ...]
) -> list[dict[str, Any]]:
    """Return the cards; others come with the next ranking, so that they do not change under the expert."""
    del ranking_id, pinned  # only a key
    cards = []
    with file.open() as project:
        for each, colour in zip(classes, class_colours(classes), strict=True):
            cells = project.references.of_class(each.label, _N)
            pictures = [address(cell_picture(project, *cell)) for cell in cells]
            words = {"name": each.name, "sentence": each.sentence, "colour": colour}
            cards.append({"label": each.label, "pictures": pictures, **words})
    return cards
