"""The bar above the image: which one this is, why it comes now, and the ways to leave it."""

from __future__ import annotations

import streamlit as st

from rbcal.review.editor import Editor
from rbcal.review.explanations import brief, why
from rbcal.review.shortcuts import printed
from rbcal.store.project import Project
from rbcal.ui.review.acts import act
from rbcal.ui.review.queue import Queue, queue_label, save, skip
from rbcal.ui.review.wall import choose_unit
from rbcal.ui.review.way_back import go_back, way_back_from
from rbcal.wording import count, literal


def show_bar(project: Project, editor: Editor, order: Queue) -> None:
    """Show which image this is, why it comes now, and the ways to leave it."""
    ids, this = [image_id for image_id, _ in order], (editor.image.id,)
    with st.container(horizontal=True, vertical_alignment="center", key="bar", gap="small"):
        st.markdown(
            f"**{literal(editor.image.name)}** · {place_words(editor, ids)}  \n"
            f":small[{why_words(project, editor, ids)}]",
            width="stretch",
        )
        choose_unit()
        way = way_back_from(editor.image.id)
        if way is None:
            key = printed("skip", "everywhere")
            st.button(
                "Skip",
                key="skip",
                on_click=act,
                args=(skip, *this),
                shortcut=key,
                help=f"Put this image off until the others are done ({key})",
            )
        else:
            words = f"To the page {way.page.capitalize()}; what you did here stays a draft"
            st.button("Back", key="go_back", on_click=go_back, args=this, help=words)
        key = printed("save", "everywhere")
        st.button(
            "Save & next" if way is None else "Save & back",
            key="save",
            type="primary",
            on_click=act,
            args=(save, *this),
            shortcut=key,
            help=f"Store the boxes, then {'open the next image' if way is None else 'go back'} ({key})",
        )


def place_words(editor: Editor, ids: list[int]) -> str:
    """Say where in the queue the image is, and what the queue is filtered by."""
    if editor.image.revision:
        return f"reviewed {count(editor.image.revision, 'time')} before"
    label = queue_label(editor.view, len(editor.names))
    only = "" if label is None else f" that may show {literal(editor.names[label])}"
    if editor.image.split == "test":
        return "test image"
    if editor.image.id not in ids:
        return f"not among the {count(len(ids), 'image')}{only}"
    return f"{ids.index(editor.image.id) + 1:,} of {len(ids):,}{only}"


def why_words(project: Project, editor: Editor, ids: list[int]) -> str:
    """Say why the image comes now, who ranked it, and when that is stale."""
    if editor.image.id not in ids:
        drawn = "Test image, drawn at random: no model learns from it; models are measured with your boxes. "
        measured = "A test image: no model learns from it. All later models are measured with these boxes. "
        is_new = not editor.image.revision
        test = "" if editor.image.split != "test" else drawn if is_new else measured
        return test + "Saving stores a new version; the earlier ones stay." if editor.image.revision else test
    [entry] = project.queue.entries([editor.image.id])
    if entry.score is None or editor.predictions.ranking is None:
        return "not sorted yet"
    strategy = editor.predictions.ranking.strategy
    words = why(strategy, entry, editor.names)
    if strategy.startswith("relevance"):
        words = f"{brief(strategy, entry.score)}: {words}"
    words = literal(words)
    words += f" · sorted by model {editor.predictions.ranking.model_id}, {literal(strategy)}"
    if editor.predictions.ranking.stale:
        words += " · :orange[another model is in use by now: sort the images again on the Train page]"
    return words
