"""The projects on the start page: a card each, with its first picture and how far it is."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.formats import pictures
from rbcal.jobs import launcher
from rbcal.store import project_cards
from rbcal.store.project_cards import ProjectCard
from rbcal.ui.home.acts import offer_acts
from rbcal.ui.session import session
from rbcal.ui.thumbnails import address
from rbcal.wording import count, since

_PER_PAGE = 24
_PER_ROW = 4
_STYLE = """<style>
  .rbcal-card img, .rbcal-card .none { display: block; width: 100%; height: 104px; object-fit: cover;
    border-radius: 6px; background: #8882; }
  .rbcal-card .none { display: flex; align-items: center; justify-content: center;
    font-size: .8rem; opacity: .7; }
  .rbcal-card .name { font-weight: 600; margin-top: .4rem; overflow: hidden; text-overflow: ellipsis;
    white-space: nowrap; }
  .rbcal-card .line { font-size: .8rem; opacity: .8; line-height: 1.35; overflow-wrap: anywhere; }
  .rbcal-card .wrong { font-size: .8rem; line-height: 1.35; overflow-wrap: anywhere;
    max-height: 8.2em; overflow: auto; }
</style>"""


def show_cards(paths: list[Path]) -> None:
    """Show a card for each project, the one that was opened last first."""
    st.html(_STYLE)
    leaves = -(-len(paths) // _PER_PAGE)
    leaf = st.pagination(leaves, key="home_page") if leaves > 1 else 1
    shown = paths[(leaf - 1) * _PER_PAGE : leaf * _PER_PAGE]
    for start in range(0, len(shown), _PER_ROW):
        for column, path in zip(st.columns(_PER_ROW), shown[start : start + _PER_ROW], strict=False):
            with column.container(border=True, height="stretch"):
                _show_card(_card(path, project_cards.version(path)))


@st.cache_data(max_entries=500, show_spinner=False)
def _card(path: Path, version: tuple[tuple[int, int], ...]) -> ProjectCard:
    """Return what a card says; it is read anew when the file has changed."""
    del version  # only the key
    return project_cards.read_card(path)


def _show_card(card: ProjectCard) -> None:
    if card.problem is not None:
        words = f'<div class="wrong">⚠ {escape(card.problem)}</div>'
        picture = '<div class="none">Cannot be read</div>'
    else:
        words = "".join(f'<div class="line">{escape(line)}</div>' for line in _lines(card))
        picture = _picture(card)
    name = escape(card.name)
    st.html(f'<div class="rbcal-card">{picture}<div class="name" title="{name}">{name}</div>{words}</div>')
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("Open", key=f"open_{card.name}", width="stretch"):
            session.wanted_project = card.name
            st.switch_page("pages/project.py")
        offer_acts(card.path)


def _lines(card: ProjectCard) -> list[str]:
    precision = "not measured yet" if card.precision is None else f"{card.precision:.3f}"
    lines = [
        f"{count(card.images, 'image')}, {card.waiting:,} waiting",
        f"{count(card.cells, 'annotated cell')}",
        f"Precision: {precision}",
        _when(card.path),
    ]
    if card.job is not None and launcher.is_at_work(card.path):
        lines.append(f"At work now: {card.job}")
    return lines


def _when(path: Path) -> str:
    """Say when a project was opened last; of one that never was, when its file was changed."""
    last, now = (
        each.astimezone().replace(tzinfo=None)
        for each in (project_cards.last_opened(path), datetime.now(UTC))
    )
    return f"{'Opened' if project_cards.was_opened(path) else 'Changed'}: {since(last, now)}"


def _picture(card: ProjectCard) -> str:
    small = card.thumbnail
    if small is None and card.images:
        small = _made(card.path, project_cards.version(card.path))
    if small is None:
        words = "No images yet" if not card.images else "Open it to see its pictures"
        return f'<div class="none">{words}</div>'
    return f'<img alt="" src="{address(small)}">'


@st.cache_data(max_entries=100, show_spinner=False)
def _made(path: Path, version: tuple[tuple[int, int], ...]) -> bytes | None:
    """Return a small copy of the first picture of a project that keeps none; None: it has no quick one."""
    del version  # only the key
    try:
        first = project_cards.first_picture(path)
        return None if first is None else pictures.thumbnail(first[0], layer=first[1])
    except RbcalError:  # the card of a project is no place to say it: opening the project is
        return None
