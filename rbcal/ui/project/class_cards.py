"""The classes of a project as cards: one of its cells, the name, and a sentence that says what it is."""

from __future__ import annotations

from html import escape

import streamlit as st

from rbcal.store.classes import CellClass
from rbcal.store.project import Project
from rbcal.ui.thumbnails import address, cell_picture
from rbcal.wording import count

_PER_ROW = 7
_STYLE = """<style>
  .class-card { font-size: .8rem; line-height: 1.35; }
  .class-card img, .class-card .none { width: 100%; max-width: 132px; aspect-ratio: 1;
    object-fit: cover; border-radius: 6px; background: #8882; display: block; }
  .class-card .name { font-weight: 600; font-size: .9rem; margin-top: .3rem; overflow-wrap: anywhere; }
  .class-card .few { opacity: .75; }
</style>"""


def show_class_cards(project: Project) -> None:
    """Show a card for each class of the project."""
    classes, cells = project.classes.own(), project.reviews.cells_per_class()
    st.html(_STYLE)
    for start in range(0, len(classes), _PER_ROW):
        row = classes[start : start + _PER_ROW]
        for column, each in zip(st.columns(min(_PER_ROW, max(4, len(classes)))), row, strict=False):
            column.html(_card(project, each, cells.get(each.label, 0)))


def _card(project: Project, each: CellClass, n_cells: int) -> str:
    pictures = [address(cell_picture(project, *cell)) for cell in project.references.of_class(each.label)]
    picture = f'<img alt="" src="{pictures[0]}">' if pictures else '<div class="none"></div>'
    rare = ", rare" if each.rare else ""
    return (
        f'<div class="class-card">{picture}<div class="name">{escape(each.name)}</div>'
        f'<div class="few">{count(n_cells, "cell")}{rare}</div>{escape(each.sentence)}</div>'
    )
