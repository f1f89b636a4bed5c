"""The panel beside the canvas: tools, classes, and why each red cell is red."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._desk import Desk, act
from rbcal.view.words import literal

MOST_BUTTONS = 20  # classes; more of them make a list


def show_panel(desk: Desk) -> None:
    """Show the whole panel, in the order of use."""
    if error := st.session_state.get("review_error"):
        st.error(error, icon=":material/error:")
    show_tools(desk)
    show_palette(desk)
    show_chosen(desk)
    show_reds(desk)
    show_status(desk)


def show_tools(desk: Desk) -> None:
    """Show what can be done to boxes."""
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Edit boxes" if desk.view.drawing else "Draw boxes",
            key="mode",
            icon=":material/edit:" if desk.view.drawing else ":material/add_box:",
            type="primary" if desk.view.drawing else "secondary",
            on_click=act,
            args=(toggle_mode, desk),
            shortcut="D",
        )
        st.button(
            "",
            key="undo",
            icon=":material/undo:",
            help="Undo (Ctrl+Z)",
            disabled=not desk.history.past,
            on_click=act,
            args=(desk.undo,),
        )
        st.button(
            "",
            key="redo",
            icon=":material/redo:",
            help="Redo (Ctrl+Shift+Z)",
            disabled=not desk.history.future,
            on_click=act,
            args=(desk.redo,),
        )
        with st.popover("", icon=":material/tune:", help="View, keys, start over"):
            show_more(desk)


def show_more(desk: Desk) -> None:
    """Show how the boxes look, the way back to the start, and the keys."""
    chips = st.segmented_control(
        "Class names on",
        ["all", "flagged", "none"],
        default=desk.view.chips,
        required=True,
        key="chips",
        format_func={"all": "all boxes", "flagged": "red and blue", "none": "no box"}.__getitem__,
    )
    if chips != desk.view.chips:
        desk.view.chips = chips
        desk.redraw()
        st.rerun(scope="fragment")
    st.button(
        "Start over from the model's boxes" if desk.start else "Remove all boxes",
        on_click=act,
        args=(start_over, desk),
        disabled=desk.present == desk.start,
        help="Undo takes it back.",
    )
    st.markdown(
        "**Mouse** · click a box, then drag it or its corners · drag beside the boxes to move the image · "
        "Ctrl + wheel to zoom\n\n"
        "**Keys** · 1–9 class · Delete · D draw or edit · N next red cell · H hold to hide boxes · "
        "+ − 0 zoom · Ctrl+Z undo · S skip · Enter save & next"
    )


def show_palette(desk: Desk) -> None:
    """Show the classes: of the selected cell, or else of boxes to draw."""
    chosen = None if desk.view.drawing else desk.history.find(desk.selected)
    label = desk.view.label if chosen is None else chosen.label
    heading = "Class for new boxes" if chosen is None else "Class of the selected cell"
    named = [f"{k + 1} {name}" if k < 9 else name for k, name in enumerate(desk.names)]
    # Buttons, not a choice with a memory: what the browser remembers lags behind what Python sets.
    with st.container(key="palette", gap=None):
        st.caption(heading)
        if len(named) > MOST_BUTTONS:
            key = f"class_{desk.image.id}_{desk.selected}_{label}"
            st.selectbox(
                heading,
                range(len(named)),
                index=label,
                format_func=named.__getitem__,
                key=key,
                on_change=lambda: act(desk.relabel, st.session_state[key]),
                label_visibility="collapsed",
            )
            return
        with st.container(horizontal=True, gap=None):
            for k, name in enumerate(named):
                kind = "primary" if k == label else "secondary"
                st.button(literal(name), key=f"class_{k}", type=kind, on_click=act, args=(desk.relabel, k))


def show_chosen(desk: Desk) -> None:
    """Show what the model thinks of the selected cell; always as high, so that nothing below it jumps."""
    chosen = desk.history.find(desk.selected)
    verdict = None if chosen is None else desk.verdicts.get(chosen.detection_id or -1)
    if chosen is None:
        lines = ["Click a cell to see what the model thinks of it." if desk.cells else ""]
    elif verdict is None:
        lines = ["Drawn by you." if chosen.detection_id is None else "Found by an earlier model."]
    else:
        cell = next(each for each in desk.cells if each.detection_id == chosen.detection_id)
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
    if any(each.detection_id not in (None, *desk.verdicts) for each in desk.present):
        st.info("This draft began with the boxes of an earlier model; red is what that one was unsure of.")
        return
    if not reds:
        st.info("No red cell: the model is sure of every box. Look over them, then save.")
        return
    done = [each.id in desk.seen or each.touched for each in reds]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Red cells** · {sum(done)} of {len(reds)} looked at", width="stretch")
        st.button("Next (N)", key="next", on_click=act, args=(desk.next_red,), disabled=all(done))
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
            on_select=lambda: act(choose_red, desk, key),
            selection_mode="single-cell",
            column_config={"Class": st.column_config.TextColumn(width=105)},
        )


def empty_words(desk: Desk) -> str:
    """Say what to do with an image that comes without boxes."""
    how = "Press D and draw a box around each cell; Save & next also stores an image without cells."
    if desk.ranking is None:
        return f"No model yet: this image is annotated from nothing. {how}"
    return f"The model found nothing here. {how}"


def show_status(desk: Desk) -> None:
    """Say how many boxes there are, and that nothing of them can be lost."""
    n, changed = len(desk.present), sum(each.touched for each in desk.present)
    kept = " · draft kept" if desk.history.past else ""
    saved = f"  \n:green[✓ {st.session_state['saved']}]" if "saved" in st.session_state else ""
    with st.container(key="status"):
        st.caption(f"{n} cell{'s' * (n != 1)}, {changed} changed{kept}{saved}")


def toggle_mode(desk: Desk) -> None:
    """Switch between editing and drawing boxes."""
    desk.view.drawing = not desk.view.drawing
    desk.select(None)


def start_over(desk: Desk) -> None:
    """Go back to what the model found; undo brings the edits back."""
    desk.change(desk.history.change(desk.start), redraw=True)


def choose_red(desk: Desk, key: str) -> None:
    """Point at the cell whose row was clicked."""
    cells = st.session_state[key]["selection"]["cells"]
    if cells:
        desk.select(desk.red_shapes()[cells[0][0]].id, centre=True)
