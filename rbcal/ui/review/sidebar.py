"""The panel beside the image: tools, classes, why each red cell is red, and what happened last."""

from __future__ import annotations

from typing import Any

import streamlit as st

from rbcal.charts.colours import class_colours
from rbcal.jobs import live_thread
from rbcal.review import edits
from rbcal.review.boxes import EditedBox
from rbcal.review.cell_review import waiting
from rbcal.review.editor import Editor
from rbcal.review.explanations import green_words, live_words, promise_words, version_words
from rbcal.store.log import Work
from rbcal.ui.review.acts import act
from rbcal.ui.review.cell_list import show_cells
from rbcal.ui.review.view_menu import show_view
from rbcal.ui.session import session
from rbcal.wording import count, literal, signed

ONE_BY_ONE = (
    "A class key names the cell and goes on. **Enter**: the model is right. **Del**: no cell. "
    "Drag the box or its corners to correct it. **U** undoes, **W** shows the whole image."
)
WITHOUT_NAMES = (
    "A class key says what it is and goes on. **Del**: no cell. Drag the box or its corners to mend it. "
    "**U** undoes, **W** shows the whole image."
)
IN_A_BATCH = (
    "**Enter** keeps all cells here that you have not corrected. Click a wrong one, then press its class "
    "key, or **Del** if it is no cell. **U** undoes, **W** shows the whole image."
)
BLIND = (
    "Test image: press the class key of each cell. What the model calls a cell is hidden until you have "
    "named it, so that it does not lead you."
)
_DRAW = ("add_box", "Draw", "Draw boxes around cells that have none (D)")
PIN = "Whether this cell is among those that its class shows, at the key of the class"
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
        show_cells(editor)
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
            f"Show theirs ({count(len(theirs.boxes), 'cell')})",
            "show_theirs",
            help="Undo brings yours back. Save & next stores what you see.",
        )
    yours = count(len(editor.boxes), "cell")
    st.caption(f"Yours: {yours}, not stored yet. Theirs: {literal(theirs_words(theirs))}.")


def theirs_words(theirs: Work) -> str:
    """Say who changed the image meanwhile, and when."""
    last = theirs.last
    if last is None:
        return "as the model found them"
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
            icon, text, words = ("edit", "Stop drawing", "Edit boxes (D, Esc)") if drawing else _DRAW
            _button(text, "toggle_drawing", icon=icon, primary=drawing, help=words)
        _button("Undo", "undo", help="Undo (U, Ctrl+Z)", disabled=not history.past)
        _button("Redo", "redo", help="Redo (Ctrl+Shift+Z)", disabled=not history.future)
        with (
            st.container(key="view", width="content"),
            st.popover("View", help="Which boxes, their colours, brightness (V)"),
        ):
            show_view(editor)
        if editor.log.revision:
            with st.popover("Versions", help="Earlier versions of this image"):
                show_versions(editor)
        _button("Keys", "show_keys", help="All keys (?)")


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
        _button("Previous", "step", -1, key="before", help="The cell before (left)")
        nameless = editor.is_hidden(editor.chosen)  # a class key says what it is, never an Enter
        _button("Keep all (Enter)" if batch else "Keep (Enter)", "keep", primary=True, disabled=nameless)
        _button("Next", "step", 1, key="after", help="The cell after (right)")
        _button("Unsure", "leave_unsure", icon="question_mark", help="Nobody can tell what it is (/)")
        _button("Delete", "remove", icon="delete", help="Del")
    if editor.is_from_nothing:
        st.caption(WITHOUT_NAMES)
        return
    with st.container(horizontal=True, gap="small", key="kinds"):
        kind, passes = (
            "One by one" if view.batches else "Side by side",
            "Hide passes" if view.passes else "Passes",
        )
        _button(kind, "toggle_batches", icon="grid_view", help="Twelve cells of one class at a time (G)")
        _button(
            passes, "toggle_passes", icon="layers", help="The box of each pass, each look at the cell (P)"
        )
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
        st.html(_palette_style(editor))
        with st.container(horizontal=True, gap=None):
            for k in editor.choices:
                _button(literal(named[k]), "relabel", k, key=f"class_{k}", primary=k == label)


def _palette_style(editor: Editor) -> str:
    """Return the colour of each class as a style of its button; the names on the image have the same."""
    edges = (
        f".st-key-class_{each.label} button {{ border-left: 5px solid {colour}; }}"
        for each, colour in zip(editor.classes, class_colours(editor.classes), strict=True)
    )
    return f"<style>{' '.join(edges)}</style>"


def show_chosen(editor: Editor) -> None:
    """Show what the model thinks of the selected cell; always as high, so that nothing below it jumps."""
    chosen = editor.chosen
    verdict = None if chosen is None else editor.predictions.verdicts.get(chosen.detection_id or -1)
    if editor.is_hidden(chosen):
        lines = [edits.name_it(editor)]
    elif chosen is None:
        lines = ["Click a cell to see what the model thinks of it." if editor.predictions.cells else ""]
    elif verdict is None:
        whose = {None: "Imported.", "drawn": "Drawn by hand."}.get(chosen.review_status, "Boxed by outline.")
        lines = [whose if chosen.detection_id is None else "Found by an earlier model."]
    else:
        cell = editor.predictions.cells[verdict.detection_id]
        likely = cell.probs[1:].argsort()[::-1][:3]
        chances = " · ".join(f"{literal(editor.names[k])} {cell.probs[k + 1]:.0%}" for k in likely)
        reasons = verdict.reasons or (["the model is sure of it"] if not verdict.flagged else [])
        lines = [f"**{chances}**", *map(literal, reasons)]
    with st.container(height=74, border=False, key="chosen"), st.container(horizontal=True):
        st.markdown("  \n".join(f":small[{line}]" for line in lines if line), width="stretch")
        if chosen is not None:
            show_note(editor, chosen)


def show_note(editor: Editor, chosen: EditedBox) -> None:
    """Let the expert write a sentence beside the selected cell, and pin it for its class."""
    key = f"note_{chosen.id}_{chosen.note}"
    help_ = literal(chosen.note) or "A note beside this cell; or pin it for its class"
    with st.popover("Note ✓" if chosen.note else "Note", help=help_, width="content"):
        st.text_input(
            "A note beside this cell",
            chosen.note,
            key=key,
            max_chars=edits.LONGEST_NOTE,
            on_change=lambda: act(take_note, key),
        )
        if editor.image.split == "work" and not chosen.waits and chosen.review_status != "unsure":
            with editor.log.file.open() as project:
                is_pinned = project.references.is_pinned(editor.image.id, chosen.box)
            name = literal(editor.names[chosen.label])
            _button(f"Unpin it from {name}" if is_pinned else f"Pin it for {name}", "pin", help=PIN)


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
        f"Accept {count(n, 'green box', 'green boxes')} (A)",
        "keep_green",
        icon="done_all",
        disabled=not n,
        help="About one in twenty of them, drawn at random, comes back as a spot check.",
    )
    if colours.by == "chance":
        st.caption(literal(promise_words(colours, *editor.predictions.spot_checks)))
    elif editor.predictions.spot_checks[1]:
        st.caption(literal(green_words(*editor.predictions.spot_checks)))


def show_status(editor: Editor) -> None:
    """Say how many boxes there are, what happened last, and that nothing of them can be lost."""
    n, changed = len(editor.boxes), sum(each.touched for each in editor.boxes)
    if editor.is_from_nothing and editor.red_cells:  # boxed by outline
        nameless = sum(each.review_status == "open" for each in editor.boxes)
        cells = f"{n - nameless:,} of {count(n, 'cell')} named"
    else:
        cells = f"{count(n, 'cell')}, {changed:,} changed"
    unsure = sum(each.review_status == "unsure" for each in editor.boxes)
    kept = " · a draft, not saved yet" if editor.history.past else ""
    hidden = n - len(editor.visible) if not editor.cell_review.is_open else 0
    filtered = f" · {hidden:,} not shown" if hidden else ""
    saved = f"  \n:green[✓ {session.saved}]" if session.saved else ""
    with st.container(key="status"):
        if editor.notice:
            st.markdown(f":blue[{editor.notice}]")
        if editor.place is not None and editor.selected is None:
            st.markdown(":blue[In the ring the model sees a cell that has no box of its own.]")
        st.caption(f"{cells}{f', {unsure:,} unsure' if unsure else ''}{filtered}{kept}{saved}")
        if (doubtful := live_thread.doubtful(editor.log.file))[0]:
            said = "contradicts others" if doubtful[0] == 1 else "contradict others"
            words = f"{doubtful[0]:,} of {doubtful[1]:,} answers {said} on cells that look alike"
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
