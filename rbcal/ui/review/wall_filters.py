"""Which cells the wall shows, and in which order: the choices in its head, and those saved under a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES
from rbcal.review.wall import as_of_now
from rbcal.store.cell_filters import LONGEST_NAME, CellFilter, Kind, OfTest, Size
from rbcal.store.project import Project
from rbcal.ui.session import session
from rbcal.wording import literal

_Thing = TypeVar("_Thing")
_KINDS: dict[Kind | None, str] = {
    None: "unread cells",
    "doubtful": "answers to check",
    "unsure": "unsure cells",
    "in_bulk": "accepted in bulk",
    "named": "named cells",
}
_BY_SIZE: dict[Any, str] = {"largest": "largest first", "smallest": "smallest first"}
_OF_TEST: dict[OfTest, str] = {"without": "left out", "with": "included", "only": "only these"}
_NAMED_TEST: dict[OfTest, str] = {"without": "", "with": "with test images", "only": "test images"}
_KIND_KEY = "wall_kind"
_KEYS = (_KIND_KEY, "wall_order", "wall_answered_order", "wall_label")  # of the head
_NAME_KEY = "wall_filter_name"
_TITLE_KEY = "wall_menu_title"
_CLASS_HELP = "Of unread cells: what the model names them. Of answered cells: what you named them."
_TEST_HELP = (
    "No model learns from test images; later models are measured with what you say of them. *Answers to "
    "check* leaves them out: whoever corrects only what a model contradicts makes its score too good."
)


def choose_cells(
    project: Project,
    now: CellFilter,
    which: DeltaGenerator,
    order: DeltaGenerator,
    classes: DeltaGenerator,
    more: DeltaGenerator,
) -> CellFilter:
    """Let the expert choose the cells; `more` holds what is chosen now and then."""
    kind = _choose(which, "Show", _KINDS, now.kind, _KIND_KEY)
    strategy, by_size = _choose_order(order, kind, now)
    names = {None: "any class"} | {each.label: each.name for each in project.classes.own()}
    label = _choose(classes, "Class", names, now.label, "wall_label", help=_CLASS_HELP)
    chosen = CellFilter(kind, label, strategy=strategy, by_size=by_size)
    if kind == "doubtful":
        words = "They look like"
        chosen = replace(chosen, resembles=_choose(more, words, names, now.resembles, _key("wall_resembles")))
    if kind is not None:
        chosen = replace(chosen, annotator=_choose_annotator(project, more, now))
    if kind not in (None, "doubtful") and project.images.reviewed_of_test():
        of_test = _choose(more, "Test images", _OF_TEST, now.of_test, _key("wall_of_test"), help=_TEST_HELP)
        chosen = replace(chosen, of_test=of_test)
    slides = {None: "any slide"} | {
        each.name: each.name for each in project.images.groups() if each.split in chosen.splits
    }
    return replace(chosen, group=_choose(more, "Slide", slides, now.group, _key("wall_slide")))


def menu_of_filters(place: DeltaGenerator, n: int) -> DeltaGenerator:
    """Return the menu for what is chosen now and then, whose title says how many of these choices are made.

    With another title it is another one for Streamlit; its state is set anew, so that it stays open. Set each
    time, it would close the list that the expert has just opened in it.
    """
    key, title = _key("wall_menu"), f"Filters ({n})" if n else "Filters"
    if st.session_state.get(_TITLE_KEY) != title:
        st.session_state[_TITLE_KEY] = title
        st.session_state[key] = st.session_state.get(key, False)
    icon = ":material/filter_alt:"
    of_wall = place.container(key="wall_filters")
    return of_wall.popover(title, icon=icon, width="stretch", wrap=False, key=key, on_change="rerun")


def _choose_order(place: DeltaGenerator, kind: Kind | None, now: CellFilter) -> tuple[str, Size | None]:
    """Let the order be chosen: a strategy, which unread cells alone have, or a size that comes first."""
    if kind is not None:
        first = "contradicted most" if kind == "doubtful" else "newest first"
        by_size = _choose(place, "Order", {None: first} | _BY_SIZE, now.by_size, "wall_answered_order")
        return now.strategy, by_size
    titles = {name: each.title for name, each in CELL_STRATEGIES.items()}
    sentences = "  \n".join(f"**{each.title}**: {each.sentence}" for each in CELL_STRATEGIES.values())
    order = _choose(
        place, "Order", titles | _BY_SIZE, now.by_size or now.strategy, "wall_order", help=sentences
    )
    return (now.strategy, cast(Size, order)) if order in _BY_SIZE else (order, None)


def _choose_annotator(project: Project, more: DeltaGenerator, now: CellFilter) -> str | None:
    """Let one of those who answered cells be chosen, where there are several."""
    people: dict[str | None, str] = {each: each for each in project.log.annotators()}
    if project.log.any_unsigned():
        people[""] = "no name, or imported"
    if len(people) < 2:
        return None
    return _choose(more, "Answered by", {None: "anyone", **people}, now.annotator, _key("wall_annotator"))


def _key(name: str) -> str:
    """Return the key of a choice in the menu: while that is closed, the browser keeps what it had there."""
    return f"{name}_{session.filters_used}"


def _choose(
    column: DeltaGenerator, title: str, words: Mapping[_Thing, str], now: _Thing, key: str, **others: Any
) -> _Thing:
    """Let one of some things be chosen by its words: with None among the options, the box could be cleared.

    `now` is what the wall shows; it is still chosen when the page was left meanwhile.
    """
    if st.session_state.get(key) not in words.values():
        st.session_state[key] = words.get(now, next(iter(words.values())))
    chosen = column.selectbox(title, list(words.values()), key=key, **others)
    return next(each for each, own in words.items() if own == chosen)


def show_kind(kind: Kind) -> None:
    """Show answered cells of a kind."""
    st.session_state[_KIND_KEY] = _KINDS[kind]


# ---- saved filters -----------------------------------------------------------------------------------


def show_saved(project: Project, chosen: CellFilter, place: DeltaGenerator) -> None:
    """Show the saved filters, each to be chosen or removed."""
    for name, each in project.cell_filters.all().items():
        with place.container(horizontal=True, gap="small"):
            st.button(
                literal(name),
                key=f"filter {name}",
                on_click=_use,
                args=(name,),
                type="primary" if each == chosen else "secondary",
                width="stretch",
            )
            words = f"Remove {literal(name)}"
            icon = ":material/close:"
            st.button("", key=f"remove {name}", on_click=_remove, args=(name,), icon=icon, help=words)


def offer_to_save(project: Project, chosen: CellFilter) -> None:
    """Let what is chosen be saved under a name."""
    own = _words(project, chosen)
    with (
        st.form("save_filter", clear_on_submit=True, border=False),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        st.text_input("Save these choices as", key=_NAME_KEY, max_chars=LONGEST_NAME, placeholder=own)
        st.form_submit_button("Save", on_click=_save, args=(own, chosen))


def _words(project: Project, chosen: CellFilter) -> str:
    """Return a name for what is chosen."""
    names, orders = project.classes.names(), {name: each.title for name, each in CELL_STRATEGIES.items()}
    parts = [
        _KINDS[chosen.kind],
        "" if chosen.label is None else names[chosen.label],
        "" if chosen.resembles is None else f"like {names[chosen.resembles]}",
        "no name" if chosen.annotator == "" else chosen.annotator,
        _NAMED_TEST[chosen.of_test],
        chosen.group,
        "" if chosen.kind else orders[chosen.strategy],
    ]
    if chosen.by_size is not None:
        parts[-1] = _BY_SIZE[chosen.by_size]
    return ", ".join(filter(None, parts))[:LONGEST_NAME]


def _save(own: str, chosen: CellFilter) -> None:
    """Save what is chosen under the name that was given, else under one of its own."""
    if session.wall_of is not None:
        with session.wall_of.open() as project:
            project.cell_filters.save(st.session_state[_NAME_KEY].strip() or own, chosen)


def _remove(name: str) -> None:
    if session.wall_of is not None:
        with session.wall_of.open() as project:
            project.cell_filters.remove(name)


def _use(name: str) -> None:
    """Show the cells that a saved filter is for."""
    wall, file = session.wall, session.wall_of
    if wall is None or file is None:
        return
    with file.open() as project:
        saved = project.cell_filters.all().get(name)
        if saved is None:  # it was removed in another tab
            return
        chosen, gone = as_of_now(project, saved)
    wall.like = None
    wall.restart(wall.size, chosen)
    wall.notice = gone
    session.filters_used += 1  # the menu is a new one, and closed: the keys are those of the wall again
    for key in _KEYS:
        st.session_state.pop(key, None)
