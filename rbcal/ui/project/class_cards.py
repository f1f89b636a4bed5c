"""The classes of a project as cards: one of its cells, the name, and a sentence that says what it is."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
import streamlit as st

from rbcal.formats import crops, pictures
from rbcal.store.classes import CellClass
from rbcal.store.project import Project
from rbcal.ui.thumbnails import address
from rbcal.wording import count

_PER_ROW = 7
_AROUND = 0.35  # sides of the cell that a picture shows beyond it, on either side
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
    example = project.summary.typical_cell(each.label)
    if example is None:
        picture = '<div class="none"></div>'
    else:
        image_id, box = example
        sha256 = project.images.digest(image_id)

        def read() -> pictures.Pixels:
            return pictures.decode(project.images.content(image_id), project.images.get(image_id).layer)

        picture = f'<img alt="" src="{address(_crop(sha256, box, read))}">'
    rare = ", rare" if each.rare else ""
    return (
        f'<div class="class-card">{picture}<div class="name">{escape(each.name)}</div>'
        f'<div class="few">{count(n_cells, "cell")}{rare}</div>{escape(each.sentence)}</div>'
    )


@st.cache_data(max_entries=500, show_spinner=False)
def _crop(sha256: str, box: tuple[float, float, float, float], _read: Callable[[], pictures.Pixels]) -> bytes:
    """Return a picture of a cell of the image with these bytes."""
    del sha256  # only the key
    return crops.crop(_read(), [np.array(box)], margin=_AROUND).jpeg()
