"""The classes of the project: their names, colours and keys, which are rare, and merges."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from rbcal.charts.colours import class_colours
from rbcal.errors import ProjectError
from rbcal.review.shortcuts import check_keys, class_keys
from rbcal.store.classes import LONGEST_SENTENCE, CellClass
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.session import session
from rbcal.wording import literal

_WIDTHS = [6, 2, 2, 2]


def show_classes(project: Project) -> None:
    """Show the classes with their cells; the expert marks the rare ones."""
    classes = project.classes.own()
    if not classes:
        st.caption("The classes come with the first import of boxes, or you name them yourself.")
        if st.button("Name classes", icon=":material/edit:"):
            edit_classes(project.file)
        return
    cells = project.reviews.cells_per_class()
    table = pd.DataFrame(
        {
            "Class": [each.name for each in classes],
            "Rare": [each.rare for each in classes],
            "Annotated cells": [cells.get(each.label, 0) for each in classes],
        }
    )
    edited = st.data_editor(table, hide_index=True, disabled=["Class", "Annotated cells"], key="classes")
    rare = [each.name for each, marked in zip(classes, edited["Rare"], strict=True) if marked]
    if rare != [each.name for each in classes if each.rare]:
        project.classes.set_rare(rare)
        st.rerun()
    if merged := [each for each in project.classes.all() if each.merged_into is not None]:
        names = project.classes.names()
        pairs = [f"{each.name} counts as {names[each.merged_into or 0]}" for each in merged]
        st.caption(f"Merged: {literal(', '.join(pairs))}")
    if st.button("Edit classes", icon=":material/edit:"):
        edit_classes(project.file)


@st.dialog("Classes", width="large")
def edit_classes(file: ProjectFile) -> None:
    """Let the expert rename, colour and merge classes; what is annotated stays as it is."""
    with file.open() as project:
        if not project.classes.own():
            _show_addition(project)
            return
        each, saying, merging, more = st.tabs(["Names, colours, keys", "What they are", "Merge", "Add"])
        with each:
            _show_form(project)
        with saying:
            _show_sentences(project)
        with merging:
            _show_merges(project)
        with more:
            _show_addition(project)


def _show_form(project: Project) -> None:
    classes = project.classes.own()
    keys, colours = class_keys(project.classes.all()), class_colours(classes)
    with st.form("class_form", border=False):
        for column, heading in zip(st.columns(_WIDTHS), ("Name", "Colour", "Key", "Rare"), strict=True):
            column.caption(heading)
        rows = [_ask(each, keys[each.label], colour) for each, colour in zip(classes, colours, strict=True)]
        st.caption(
            "A class keeps its cells when it is renamed. The colour is that of its lines in charts. The key "
            "gives a cell this class on the Review page."
        )
        if not st.form_submit_button("Save", type="primary"):
            return
    try:
        _save(project, classes, rows)
    except ProjectError as err:
        st.error(str(err))
        return
    _done()


def _ask(each: CellClass, key: str, colour: str) -> tuple[str, str, str, bool]:
    name, hue, button, rare = st.columns(_WIDTHS, vertical_alignment="center")
    k, plain = each.label, literal(each.name)
    return (
        name.text_input(f"Name of {plain}", each.name, 300, key=f"name_{k}", label_visibility="collapsed"),
        hue.color_picker(f"Colour of {plain}", colour, key=f"colour_{k}", label_visibility="collapsed"),
        button.text_input(f"Key of {plain}", key.upper(), 1, key=f"key_{k}", label_visibility="collapsed"),
        rare.checkbox(f"{plain} is rare", each.rare, key=f"rare_{k}", label_visibility="collapsed"),
    )


def _save(project: Project, classes: Sequence[CellClass], rows: Sequence[tuple[str, str, str, bool]]) -> None:
    """Store what was typed, all of it or nothing; what is as by default stays so."""
    names, colours = list(project.classes.names()), [each.colour for each in project.classes.all()]
    usual_keys = class_keys(project.classes.all())
    keys = [each.key or "" for each in project.classes.all()]
    for each, usual, (name, colour, key, _) in zip(classes, class_colours(classes), rows, strict=True):
        names[each.label] = name
        if colour.lower() != usual.lower():
            colours[each.label] = colour
        if key.lower() != usual_keys[each.label]:
            keys[each.label] = key
    with project.transaction():
        project.classes.set_names(names)
        project.classes.set_colours(colours)
        project.classes.set_keys(check_keys(keys))
        project.classes.set_rare([row[0].strip() for row in rows if row[3]])


def _show_sentences(project: Project) -> None:
    """Let the expert say in a sentence what each class is; its card shows it."""
    classes = project.classes.own()
    with st.form("class_sentences", border=False):
        st.caption("A sentence for whoever annotates with you. The cards of the classes show it.")
        said = {
            each.label: st.text_input(
                literal(each.name), each.sentence, LONGEST_SENTENCE, key=f"sentence_{each.label}"
            )
            for each in classes
        }
        if not st.form_submit_button("Save sentences", type="primary"):
            return
    project.classes.describe(
        {each.label: said[each.label] for each in classes if said[each.label].strip() != each.sentence}
    )
    _done()


def _show_merges(project: Project) -> None:
    own, names = {each.label: each.name for each in project.classes.own()}, project.classes.names()
    left, right, go = st.columns([4, 4, 2], vertical_alignment="bottom")
    label = left.selectbox(
        "All cells of", list(own), index=None, format_func=names.__getitem__, key="merge_from"
    )
    others = [each for each in own if each != label]
    target = right.selectbox("count as", others, index=None, format_func=names.__getitem__, key="merge_into")
    is_asked = go.button("Merge", disabled=label is None or target is None, width="stretch")
    if is_asked and label is not None and target is not None:
        project.classes.merge(label, target)
        _done()
    st.caption(
        "The annotations stay as they are and are only read differently: in training, on the test set, in "
        "charts and exports. A merge can be taken back at any time, and each cell has its class again. "
        "Figures that were measured before stay as they are."
    )
    for each in project.classes.all():
        if each.merged_into is None:
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{literal(each.name)} counts as {literal(names[each.merged_into])}", width="stretch")
            if st.button("Take back", key=f"part_{each.label}"):
                project.classes.unmerge(each.label)
                _done()


def show_first_classes(project: Project) -> None:
    """Let the first classes be named here and now."""
    st.subheader("Which kinds of cells will you name?")
    st.write("One name is enough to begin. More can join at any time, and each can be renamed.")
    _show_addition(project)


def _show_addition(project: Project) -> None:
    """Ask for the names of more classes."""
    with st.form("more_classes", border=False):
        typed = st.text_area("One class a line", placeholder="discocyte\nstomatocyte\nechinocyte")
        is_wanted = st.form_submit_button("Add", type="primary")
    names = [line.strip() for line in typed.splitlines() if line.strip()]
    if not is_wanted or not names:
        return
    try:
        project.classes.add(names)
    except ProjectError as err:
        st.error(str(err))
        return
    _done()


def _done() -> None:
    """Close the dialog; the Review page reads the classes anew."""
    session.editor = None
    st.rerun()
