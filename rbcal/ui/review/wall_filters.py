"""Which cells the wall shows, and in which order: the choices in its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES
from rbcal.store.cell_filters import CellFilter, Kind, OfTest, Size
from rbcal.store.project import Project

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
_KIND_KEY = "wall_kind"
FILTERS_KEY = "wall_filters"
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
        chosen = replace(chosen, resembles=_choose(more, words, names, now.resembles, "wall_resembles"))
    if kind is not None:
        chosen = replace(chosen, annotator=_choose_annotator(project, more, now))
    if kind not in (None, "doubtful") and project.images.reviewed_of_test():
        of_test = _choose(more, "Test images", _OF_TEST, now.of_test, "wall_of_test", help=_TEST_HELP)
        chosen = replace(chosen, of_test=of_test)
    slides = {None: "any slide"} | {
        each.name: each.name for each in project.images.groups() if each.split in chosen.splits
    }
    return replace(chosen, group=_choose(more, "Slide", slides, now.group, "wall_slide"))


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
    return _choose(more, "Answered by", {None: "anyone", **people}, now.annotator, "wall_annotator")


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
