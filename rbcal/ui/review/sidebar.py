"""The panel beside the image: tools, classes, why each red cell is red, and what happened last."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from rbcal.review import cell_review
from rbcal.review.explanations import green_words, literal, signed, version_words
from rbcal.store.log import Work
from rbcal.store.project import Project
from rbcal.ui.review.component import walk_place
from rbcal.ui.review.desk import Desk, act

ONE_BY_ONE = (
    "A class key says what it is and goes on. **Enter**: the model is right. **Del**: no cell. "
    "Drag the box or its corners to mend it. **U** undoes, **W** shows the whole image."
)
ON_A_SHEET = (
    "**Enter** keeps all cells here that you have not mended. Click a wrong one, then press its class key, "
    "or **Del** if it is no cell. **U** undoes, **W** shows the whole image."
)
MOST_BUTTONS = 20  # classes; more of them make a list


def show_panel(desk: Desk) -> None:
    """Show the whole panel, in the order of use."""
    if error := st.session_state.get("review_error"):
        st.error(error, icon=":material/error:")
    if desk.theirs is not None:
        show_conflict(desk)
    show_tools(desk)
    if desk.walking:
        show_walk(desk)
    else:
        show_palette(desk)
        show_chosen(desk)
        show_reds(desk)
    show_green(desk)
    show_status(desk)


def show_conflict(desk: Desk) -> None:
    """Let the expert choose between these boxes and what somebody else did meanwhile."""
    theirs = desk.theirs
    if theirs is None:
        return
    with st.container(horizontal=True, gap="small"):
        st.button("Keep mine", key="mine", on_click=act, args=("mine",), help="Undo shows theirs.")
        st.button(
            f"Show theirs ({len(theirs.boxes)} cells)",
            key="theirs",
            on_click=act,
            args=("theirs",),
            help="Undo brings yours back. Save & next stores what you see.",
        )
    st.caption(f"Yours: {len(desk.present)} cells, not stored yet. Theirs: {literal(theirs_words(theirs))}.")


def theirs_words(theirs: Work) -> str:
    """Say who changed the image meanwhile, and when."""
    last = theirs.last
    if last is None:
        return "as the model left them"
    did = "saved" if last.kind == "save" else "imported" if last.kind == "import" else "changed"
    return f"{did} {signed(last.at, last.who)}"


def show_tools(desk: Desk) -> None:
    """Show what can be done to boxes."""
    with st.container(horizontal=True, gap="small", key="tools"):
        n = len(cell_review.waiting(desk.red_shapes()))
        st.button(
            "Whole image" if desk.walking else f"Walk {n} red" if n else "Walk",
            key="walk",
            icon=":material/crop_free:" if desk.walking else ":material/center_focus_strong:",
            type="primary" if n and not desk.walking and not desk.view.drawing else "secondary",
            on_click=act,
            args=("walk",),
            help="One red cell after another, large (W)",
            disabled=not desk.walk_cells(),
        )
        if not desk.walking:
            st.button(
                "",
                key="mode",
                icon=":material/edit:" if desk.view.drawing else ":material/add_box:",
                type="primary" if desk.view.drawing else "secondary",
                on_click=act,
                args=("draw",),
                help="Edit boxes (D)" if desk.view.drawing else "Draw boxes (D)",
            )
        st.button(
            "",
            key="undo",
            icon=":material/undo:",
            help="Undo (U, Ctrl+Z)",
            disabled=not desk.history.past,
            on_click=act,
            args=("undo",),
        )
        st.button(
            "",
            key="redo",
            icon=":material/redo:",
            help="Redo (Ctrl+Shift+Z)",
            disabled=not desk.history.future,
            on_click=act,
            args=("redo",),
        )
        with (
            st.container(key="view", width="content"),
            st.popover("", icon=":material/tune:", help="View (V)"),
        ):
            show_view(desk)
        if desk.revision:
            with st.popover("", icon=":material/history:", help="Earlier versions of this image"):
                show_versions(desk)
        st.button("", key="help", icon=":material/keyboard:", help="Keys (?)", on_click=act, args=("keys",))


def show_versions(desk: Desk) -> None:
    """Show every review of the image; a click brings its boxes back."""
    st.caption(
        "A click shows the boxes of that time. *Save & next* makes them the newest version; undo goes back."
    )
    with Project.open(desk.path) as project:
        versions = project.reviews.versions(desk.image.id)
    for each in versions:
        st.button(
            literal(version_words(each)),
            key=f"version_{each.revision}",
            on_click=act,
            args=("version", each.review_id),
            width="stretch",
        )


def show_view(desk: Desk) -> None:
    """Show how the picture and the boxes look, and the way back to the start."""
    view, look = desk.view, desk.view.look
    names = ["all", "flagged", *desk.choices]
    only = st.selectbox(
        "Boxes",
        names,
        index=names.index(view.only),
        format_func=lambda each: (
            {"all": "all", "flagged": "only flagged (F)"}.get(each) or f"only {desk.names[each]}"
        ),
    )
    chips = st.segmented_control(
        "Class names on",
        ["all", "flagged", "none"],
        default=view.chips,
        required=True,
        key="chips",
        format_func={"all": "all boxes", "flagged": "red and blue", "none": "no box"}.__getitem__,
    )
    left, right = st.columns(2)
    chosen = {
        "brightness": left.slider("Brightness", -0.5, 0.5, look.get("brightness", 0.0), 0.05),
        "contrast": right.slider("Contrast", 0.5, 4.0, look.get("contrast", 1.0), 0.1),
        "gamma": left.slider("Gamma", 0.3, 3.0, look.get("gamma", 1.0), 0.1),
        "invert": right.toggle("Invert", look.get("invert", False)),
        "channel": st.segmented_control(
            "Channel", ["all", "red", "green", "blue"], default=look.get("channel", "all"), required=True
        ),
    }
    if chosen != {"brightness": 0.0, "contrast": 1.0, "gamma": 1.0, "invert": False, "channel": "all"} | look:
        view.look = chosen
        st.rerun()
    if (chips, only) != (view.chips, view.only):
        view.chips = chips
        desk.show_only(only)
        st.rerun()
    st.button(
        "Remove all boxes"
        if not desk.start
        else "Start over from the last review"
        if desk.image.revision
        else "Start over from the model's boxes",
        on_click=act,
        args=("over",),
        disabled=desk.present == desk.start,
        help="Undo takes it back.",
    )


def show_walk(desk: Desk) -> None:
    """Show how far the walk is, and its acts for the mouse."""
    place, total, waiting = walk_place(desk)
    where = f"{len(desk.sheet)} cells side by side" if desk.sheet else f"Cell {place} of {total}"
    st.progress((total - waiting) / total if total else 1.0, f"{where} · {waiting} to go")
    with st.container(horizontal=True, gap="small", key="steps"):
        _do("before", "", "arrow_back", "Left", "step", -1)
        keep = "Keep all (Enter)" if desk.sheet else "Keep (Enter)"
        st.button(keep, key="keep", type="primary", on_click=act, args=("keep",))
        _do("remove", "Delete", "delete", "Del", "remove")
        _do("after", "", "arrow_forward", "Right", "step", 1)
    with st.container(horizontal=True, gap="small", key="kinds"):
        kind = "One by one" if desk.view.sheets else "Side by side"
        _do("sheet", kind, "grid_view", "Twelve cells of one class at a time (G)", "sheet")
        passes = "Hide passes" if desk.view.passes else "Passes"
        _do("passes", passes, "layers", "Where the passes saw the cell (P)", "passes")
    st.caption(ON_A_SHEET if desk.sheet else ONE_BY_ONE)


def _do(key: str, text: str, icon: str, why: str, what: str, *args: Any) -> None:
    st.button(text, key=key, icon=f":material/{icon}:", help=why, on_click=act, args=(what, *args))


def show_palette(desk: Desk) -> None:
    """Show the classes: of the selected cell, or else of boxes to draw."""
    chosen = None if desk.view.drawing else desk.history.find(desk.selected)
    label = desk.view.label if chosen is None else chosen.label
    heading = "Class for new boxes" if chosen is None else "Class of the selected cell"
    named = [f"{key.upper()} {name}".strip() for key, name in zip(desk.keys, desk.names, strict=True)]
    # Buttons, not a choice with a memory: what the browser remembers lags behind what Python sets.
    with st.container(key="palette", gap=None):
        st.caption(heading)
        if len(desk.choices) > MOST_BUTTONS:
            key = f"class_{desk.image.id}_{desk.selected}_{label}"
            st.selectbox(
                heading,
                desk.choices,
                index=desk.choices.index(label),
                format_func=named.__getitem__,
                key=key,
                on_change=lambda: act(choose_class, key),
                label_visibility="collapsed",
            )
            return
        with st.container(horizontal=True, gap=None):
            for k in desk.choices:
                kind = "primary" if k == label else "secondary"
                st.button(literal(named[k]), key=f"class_{k}", type=kind, on_click=act, args=("label", k))


def show_chosen(desk: Desk) -> None:
    """Show what the model thinks of the selected cell; always as high, so that nothing below it jumps."""
    chosen = desk.history.find(desk.selected)
    verdict = None if chosen is None else desk.verdicts.get(chosen.detection_id or -1)
    if chosen is None:
        lines = ["Click a cell to see what the model thinks of it." if desk.cells else ""]
    elif verdict is None:
        lines = ["Drawn by you." if chosen.detection_id is None else "Found by an earlier model."]
    else:
        cell = desk.cells[verdict.detection_id]
        likely = cell.probs[1:].argsort()[::-1][:3]
        chances = " · ".join(f"{literal(desk.names[k])} {cell.probs[k + 1]:.0%}" for k in likely)
        lines = [f"**{chances}**", *map(literal, verdict.reasons or ["the model is sure of it"])]
    with st.container(height=92, border=False, key="chosen"):
        st.markdown("  \n".join(f":small[{line}]" for line in lines if line))


def show_reds(desk: Desk) -> None:
    """Show why each red cell is red; a row points at its box."""
    reds = desk.red_shapes()
    if not desk.cells:
        st.info(empty_words(desk))
        return
    if not reds:
        st.info("No red cell: the model is sure of every box. Look over them, then save.")
        return
    done = [each.id in desk.seen or each.review_status != "open" for each in reds]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Red cells** · {sum(done)} of {len(reds)} looked at", width="stretch")
        st.button("Next (N)", key="next", on_click=act, args=("next",), disabled=all(done))
    table = pd.DataFrame(
        {
            "Class": [
                ("✓ " if tick else "") + desk.names[each.label] for tick, each in zip(done, reds, strict=True)
            ],
            "Why": [desk.verdicts[each.detection_id or -1].brief for each in reds],
        }
    )
    key = f"reds_{desk.image.id}"
    with st.container(key="reds", height="stretch"):
        st.dataframe(
            table,
            key=key,
            hide_index=True,
            height=28 * len(reds) + 38,  # whole: the container scrolls, as high as the window lets it
            row_height=28,
            on_select=lambda: act(choose_red, key),
            selection_mode="single-cell",
            column_config={"Class": st.column_config.TextColumn(width=105)},
        )


def empty_words(desk: Desk) -> str:
    """Say what to do with an image that comes without boxes."""
    draw = "Drag a box around each cell" if desk.view.drawing else "Press D and drag a box around each cell"
    how = f"{draw}; the class stays until you press another key. An image without cells is saved, too."
    if desk.revision:
        return "These are the boxes that were saved. Change what is wrong, and save again."
    if desk.ranking is None:
        return f"No model yet: this image is annotated from nothing. {how}"
    return f"The model found nothing here. {how}"


def show_green(desk: Desk) -> None:
    """Offer to accept every green box at once, and say how far green can be trusted."""
    if not desk.cells:
        return
    n = sum(not each.flagged and each.review_status == "open" for each in desk.present)
    st.button(
        f"Accept {n} green box{'es' * (n != 1)} (A)",
        key="green",
        icon=":material/done_all:",
        on_click=act,
        args=("green",),
        disabled=not n,
        help="About one in twenty of them, drawn at random, comes back for a look.",
    )
    if desk.green[1]:
        st.caption(literal(green_words(*desk.green)))


def show_status(desk: Desk) -> None:
    """Say how many boxes there are, what happened last, and that nothing of them can be lost."""
    n, changed = len(desk.present), sum(each.touched for each in desk.present)
    kept = " · stored, not saved yet" if desk.history.past else ""
    hidden = n - len(desk.drawn_now) if not desk.walking else 0
    filtered = f" · {hidden} not shown" if hidden else ""
    saved = f"  \n:green[✓ {st.session_state['saved']}]" if "saved" in st.session_state else ""
    with st.container(key="status"):
        if desk.notice:
            st.markdown(f":blue[{desk.notice}]")
        if desk.place is not None and desk.selected is None:
            st.markdown(":blue[In the ring the model sees a cell that has no box of its own.]")
        st.caption(f"{n} cell{'s' * (n != 1)}, {changed} changed{filtered}{kept}{saved}")


def choose_class(desk: Desk, key: str) -> None:
    """Give the box that the expert means the class chosen in a list."""
    desk.relabel(st.session_state[key])


def choose_red(desk: Desk, key: str) -> None:
    """Point at the cell whose row was clicked."""
    cells = st.session_state[key]["selection"]["cells"]
    if cells:
        desk.select(desk.red_shapes()[cells[0][0]].id, centre=True)
