"""The panel beside the image: tools, classes, why each red cell is red, and what happened last."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from rbcal.jobs import live_thread
from rbcal.review import edits
from rbcal.review.boxes import EditedBox
from rbcal.review.canvas_drawing import HIDDEN
from rbcal.review.cell_review import waiting
from rbcal.review.editor import Editor
from rbcal.review.explanations import green_words, live_words, promise_words, version_words
from rbcal.store.log import Work
from rbcal.ui.review.acts import act
from rbcal.ui.review.view_menu import show_view
from rbcal.ui.session import session
from rbcal.wording import count, literal, signed

ONE_BY_ONE = (
    "A class key says what it is and goes on. **Enter**: the model is right. **Del**: no cell. "
    "Drag the box or its corners to mend it. **U** undoes, **W** shows the whole image."
)
IN_A_BATCH = (
    "**Enter** keeps all cells here that you have not mended. Click a wrong one, then press its class key, "
    "or **Del** if it is no cell. **U** undoes, **W** shows the whole image."
)
BLIND = (
    "Test image: what the model calls its cells is hidden until you have named them, so that figures rest on "
    "your word alone. Press the class key of each cell."
)
MOST_BUTTONS = 20  # classes; more of them make a list


def show_panel(editor: Editor) -> None:
    """Show the whole panel, in the order of use."""
    if session.review_error:
        st.error(session.review_error, icon=":material/error:")
    if editor.log.theirs is not None:
        show_conflict(editor, editor.log.theirs)
    show_tools(editor)
    if editor.cell_review.is_open:
        show_cell_review(editor)
    else:
        show_palette(editor)
        show_chosen(editor)
        show_reds(editor)
    show_green(editor)
    show_status(editor)


def _button(
    text: str, action: str, *arguments: Any, key: str = "", icon: str = "", primary: bool = False, **more: Any
) -> None:
    """Show a button for an act."""
    st.button(
        text,
        key=key or action,
        icon=f":material/{icon}:" if icon else None,
        type="primary" if primary else "secondary",
        on_click=act,
        args=(action, *arguments),
        **more,
    )


def show_conflict(editor: Editor, theirs: Work) -> None:
    """Let the expert choose between these boxes and what somebody else did meanwhile."""
    with st.container(horizontal=True, gap="small"):
        _button("Keep mine", "keep_mine", help="Undo shows theirs.")
        _button(
            f"Show theirs ({len(theirs.boxes)} cells)",
            "show_theirs",
            help="Undo brings yours back. Save & next stores what you see.",
        )
    st.caption(f"Yours: {len(editor.boxes)} cells, not stored yet. Theirs: {literal(theirs_words(theirs))}.")


def theirs_words(theirs: Work) -> str:
    """Say who changed the image meanwhile, and when."""
    last = theirs.last
    if last is None:
        return "as the model left them"
    did = "saved" if last.kind == "save" else "imported" if last.kind == "import" else "changed"
    return f"{did} {signed(last.at, last.who)}"


def show_tools(editor: Editor) -> None:
    """Show what can be done to boxes."""
    by_cell, drawing, history = editor.cell_review.is_open, editor.view.drawing, editor.history
    with st.container(horizontal=True, gap="small", key="tools"):
        n = len(waiting(editor.red_cells))
        _button(
            "Whole image" if by_cell else f"Walk {n} red" if n else "Walk",
            "toggle_cell_review",
            icon="crop_free" if by_cell else "center_focus_strong",
            primary=bool(n) and not by_cell and not drawing,
            help="One red cell after another, large (W)",
            disabled=not editor.cells,
        )
        if not by_cell:
            icon, words = ("edit", "Edit boxes (D)") if drawing else ("add_box", "Draw boxes (D)")
            _button("", "toggle_drawing", icon=icon, primary=drawing, help=words)
        _button("", "undo", icon="undo", help="Undo (U, Ctrl+Z)", disabled=not history.past)
        _button("", "redo", icon="redo", help="Redo (Ctrl+Shift+Z)", disabled=not history.future)
        with (
            st.container(key="view", width="content"),
            st.popover("", icon=":material/tune:", help="View (V)"),
        ):
            show_view(editor)
        if editor.log.revision:
            with st.popover("", icon=":material/history:", help="Earlier versions of this image"):
                show_versions(editor)
        _button("", "show_keys", icon="keyboard", help="Keys (?)")


def show_versions(editor: Editor) -> None:
    """Show every review of the image; a click brings its boxes back."""
    st.caption(
        "A click shows the boxes of that time. *Save & next* makes them the newest version; undo goes back."
    )
    with editor.log.file.open() as project:
        versions = project.reviews.versions(editor.image.id)
    for each in versions:
        words = literal(version_words(each))
        _button(words, "show_version", each.review_id, key=f"version_{each.revision}", width="stretch")


def show_cell_review(editor: Editor) -> None:
    """Show how far the cell review is, and its acts for the mouse."""
    batch, view = editor.cell_review.batch, editor.view
    place, total, left = editor.cell_review.place(editor.boxes, editor.selected)
    where = f"{count(len(batch), 'cell')} side by side" if batch else f"Cell {place} of {total}"
    st.progress((total - left) / total if total else 1.0, f"{where} · {left} to go")
    with st.container(horizontal=True, gap="small", key="steps"):
        _button("", "step", -1, key="before", icon="arrow_back", help="Left")
        _button("Keep all (Enter)" if batch else "Keep (Enter)", "keep", primary=True)
        _button("Unsure", "leave_unsure", icon="question_mark", help="Nobody can tell what it is (/)")
        _button("Delete", "remove", icon="delete", help="Del")
        _button("", "step", 1, key="after", icon="arrow_forward", help="Right")
    with st.container(horizontal=True, gap="small", key="kinds"):
        kind, passes = (
            "One by one" if view.batches else "Side by side",
            "Hide passes" if view.passes else "Passes",
        )
        _button(kind, "toggle_batches", icon="grid_view", help="Twelve cells of one class at a time (G)")
        _button(passes, "toggle_passes", icon="layers", help="Where the passes saw the cell (P)")
    if not editor.is_blind:
        st.caption(IN_A_BATCH if batch else ONE_BY_ONE)


def show_palette(editor: Editor) -> None:
    """Show the classes: of the selected cell, or else of boxes to draw."""
    chosen = None if editor.view.drawing else editor.chosen
    label = editor.view.label if chosen is None else -1 if editor.is_hidden(chosen) else chosen.label
    heading = "Class for new boxes" if chosen is None else "Class of the selected cell"
    named = [f"{key.upper()} {name}".strip() for key, name in zip(editor.keys, editor.names, strict=True)]
    # Buttons, not a choice with a memory: what the browser remembers lags behind what Python sets.
    with st.container(key="palette", gap=None):
        st.caption(heading)
        if len(editor.choices) > MOST_BUTTONS:
            key = f"class_{editor.image.id}_{editor.selected}_{label}"
            st.selectbox(
                heading,
                editor.choices,
                index=editor.choices.index(label) if label in editor.choices else None,
                format_func=named.__getitem__,
                key=key,
                on_change=lambda: act(choose_class, key),
                label_visibility="collapsed",
            )
            return
        with st.container(horizontal=True, gap=None):
            for k in editor.choices:
                _button(literal(named[k]), "relabel", k, key=f"class_{k}", primary=k == label)


def show_chosen(editor: Editor) -> None:
    """Show what the model thinks of the selected cell; always as high, so that nothing below it jumps."""
    chosen = editor.chosen
    verdict = None if chosen is None else editor.predictions.verdicts.get(chosen.detection_id or -1)
    if editor.is_hidden(chosen):
        lines = [edits.NAME_IT]
    elif chosen is None:
        lines = ["Click a cell to see what the model thinks of it." if editor.predictions.cells else ""]
    elif verdict is None:
        lines = ["Drawn by you." if chosen.detection_id is None else "Found by an earlier model."]
    else:
        cell = editor.predictions.cells[verdict.detection_id]
        likely = cell.probs[1:].argsort()[::-1][:3]
        chances = " · ".join(f"{literal(editor.names[k])} {cell.probs[k + 1]:.0%}" for k in likely)
        reasons = verdict.reasons or (["the model is sure of it"] if not verdict.flagged else [])
        lines = [f"**{chances}**", *map(literal, reasons)]
    with st.container(height=92, border=False, key="chosen"), st.container(horizontal=True):
        st.markdown("  \n".join(f":small[{line}]" for line in lines if line), width="stretch")
        if chosen is not None:
            show_note(chosen)


def show_note(chosen: EditedBox) -> None:
    """Let the expert write a sentence beside the selected cell."""
    key = f"note_{chosen.id}_{chosen.note}"
    icon = ":material/sticky_note_2:" if chosen.note else ":material/note_add:"
    with st.popover("", icon=icon, help=literal(chosen.note) or "A note beside this cell", width="content"):
        st.text_input(
            "A note beside this cell",
            chosen.note,
            key=key,
            max_chars=edits.LONGEST_NOTE,
            on_change=lambda: act(take_note, key),
        )


def show_reds(editor: Editor) -> None:
    """Show why each red cell is red; a row points at its box."""
    reds = editor.red_cells
    if not editor.predictions.cells:
        st.info(empty_words(editor))
        return
    if not reds:
        st.info("No red cell: the model is sure of every box. Look over them, then save.")
        return
    done = [each.id in editor.visited or each.review_status != "open" for each in reds]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Red cells** · {sum(done)} of {len(reds)} looked at", width="stretch")
        _button("Next (N)", "next_red", disabled=all(done))
    table = pd.DataFrame(
        {
            "Class": [
                ("✓ " if tick else "") + (HIDDEN if editor.is_hidden(each) else editor.names[each.label])
                for tick, each in zip(done, reds, strict=True)
            ],
            "Why": [editor.predictions.verdicts[each.detection_id or -1].brief for each in reds],
        }
    )
    key = f"reds_{editor.image.id}"
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


def empty_words(editor: Editor) -> str:
    """Say what to do with an image that comes without boxes."""
    draw = "Drag a box around each cell" if editor.view.drawing else "Press D and drag a box around each cell"
    by_hand = f"{draw}; the class stays until you press another key. An image without cells is saved, too."
    if editor.log.revision:
        return "These are the boxes that were saved. Change what is wrong, and save again."
    if editor.predictions.ranking is None and session.running_job is not None:
        return f"The model is in training: its boxes come when it has ranked the pool. {by_hand}"
    if editor.predictions.ranking is None:
        return f"No model yet: this image is annotated from nothing. {by_hand}"
    return f"The model found nothing here. {by_hand}"


def show_green(editor: Editor) -> None:
    """Offer to accept every green box at once, and say how far green can be trusted."""
    if editor.is_blind and editor.n_unread:
        st.caption(BLIND)
    if editor.is_blind or not editor.predictions.cells:
        return
    colours = editor.predictions.colours
    if colours.by == "chance" and (colours.change is None or colours.change.green_limit is None):
        st.caption(literal(promise_words(colours, 0, 0)))
        return
    n = sum(not each.flagged and each.review_status == "open" for each in editor.boxes)
    _button(
        f"Accept {n} green box{'es' * (n != 1)} (A)",
        "keep_green",
        icon="done_all",
        disabled=not n,
        help="About one in twenty of them, drawn at random, comes back for a look.",
    )
    if colours.by == "chance":
        st.caption(literal(promise_words(colours, *editor.predictions.spot_checks)))
    elif editor.predictions.spot_checks[1]:
        st.caption(literal(green_words(*editor.predictions.spot_checks)))


def show_status(editor: Editor) -> None:
    """Say how many boxes there are, what happened last, and that nothing of them can be lost."""
    n, changed = len(editor.boxes), sum(each.touched for each in editor.boxes)
    unsure = sum(each.review_status == "unsure" for each in editor.boxes)
    kept = " · stored, not saved yet" if editor.history.past else ""
    hidden = n - len(editor.visible) if not editor.cell_review.is_open else 0
    filtered = f" · {hidden} not shown" if hidden else ""
    saved = f"  \n:green[✓ {session.saved}]" if session.saved else ""
    with st.container(key="status"):
        if editor.notice:
            st.markdown(f":blue[{editor.notice}]")
        if editor.place is not None and editor.selected is None:
            st.markdown(":blue[In the ring the model sees a cell that has no box of its own.]")
        st.caption(
            f"{n} cell{'s' * (n != 1)}, {changed} changed{f', {unsure} unsure' if unsure else ''}"
            f"{filtered}{kept}{saved}"
        )
        if (doubtful := live_thread.doubtful(editor.log.file))[0]:
            said = "contradicts others" if doubtful[0] == 1 else "contradict others"
            words = f"{doubtful[0]:,} of {doubtful[1]:,} answers {said}, of cells that look alike"
            st.caption(f":orange[{words}: see *Cells*, answers to check.]")
        if (error := live_thread.last_error(editor.log.file)) is not None:
            st.caption(f":orange[Names did not learn from your last answers: {literal(error)}]")
        elif editor.predictions.live_cells:
            st.caption(live_words(editor.predictions.live_cells))


def choose_class(editor: Editor, key: str) -> None:
    """Give the box that the expert means the class chosen in a list."""
    edits.relabel(editor, st.session_state[key])


def take_note(editor: Editor, key: str) -> None:
    """Keep what was written beside the selected cell."""
    edits.note(editor, st.session_state[key])


def choose_red(editor: Editor, key: str) -> None:
    """Point at the cell whose row was clicked."""
    cells = st.session_state[key]["selection"]["cells"]
    if cells:
        editor.select(editor.red_cells[cells[0][0]].id, centre=True)
