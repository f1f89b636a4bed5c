"""The queue of the Review page: the next images in a filmstrip, the list of all, and the ways between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rbcal.acquisition.strategies import DEFAULT_STRATEGY
from rbcal.jobs import live_thread
from rbcal.review.editor import Editor
from rbcal.review.explanations import BATCH, batch_words, brief, why
from rbcal.review.messages import FilmstripMessages
from rbcal.review.view import View
from rbcal.store.project import Project, ProjectFile
from rbcal.store.queue import QueueEntry
from rbcal.ui.review.acts import act
from rbcal.ui.review.wall import choose_unit
from rbcal.ui.review.way_back import go_back
from rbcal.ui.session import session
from rbcal.ui.thumbnails import thumbnail
from rbcal.wording import count, duration, literal

_FILMSTRIP = 12  # images; as many as a tall window has room for
_LISTED = 50  # images on one leaf of the list
_filmstrip = st.components.v2.component(
    "rbcal.filmstrip", js=(Path(__file__).parent / "js" / "filmstrip.js").read_text("utf-8")
)

Queue = list[tuple[int, bool]]  # ids in the order of the queue, and whether each was put off


def following(order: Queue, image_id: int) -> int | None:
    """Return the image after one: the next that was not put off, round the end; then those that were."""
    ids = [each for each, _ in order]
    place = ids.index(image_id) + 1 if image_id in ids else 0
    turned = [*order[place:], *order[:place]]
    others = [(each, skipped) for each, skipped in turned if each != image_id]
    return next((each for each, skipped in others if not skipped), others[0][0] if others else None)


def first(project: Project, order: Queue) -> int | None:
    """Return the image to open first: a test image that waits, else the first of the queue."""
    waiting = project.splits.waiting()
    return waiting[0] if waiting else following(order, -1)


def save(editor: Editor, image_id: int) -> None:
    """Store the boxes of an image, unless the expert must be asked first what that means."""
    if editor.image.id != image_id:  # a second press, meant for the image before
        return
    with editor.log.file.open() as project:
        if not editor.boxes or (editor.n_unread and project.ask_unread):
            session.dialog = "save"
            return
    save_as_read(editor, image_id)


def save_as_read(editor: Editor, image_id: int) -> None:
    """Store the boxes of an image, those as unread that are open; say so, and open the next image."""
    if editor.image.id != image_id:
        return
    following_id = _next(editor)
    editor.save()
    following_id = _test_image(editor) or following_id
    live_thread.start(editor.log.file, following_id)
    go_back(image_id)
    session.saved = f"Saved {literal(editor.image.name)}: {saved_words(editor)}"
    session.wanted_image = following_id
    session.editor = None


def saved_words(editor: Editor) -> str:
    """Say how many boxes were saved, how many of them unread, and how long it took."""
    n_read = len(editor.boxes) - editor.n_unread
    unread = f", {count(editor.n_unread, 'box', 'boxes')} not read" if editor.n_unread else ""
    return f"{count(n_read, 'cell')}{unread}, {duration(editor.log.seconds)}"


def skip(editor: Editor, image_id: int) -> None:
    """Put an image off; its draft stays, and it comes again when the others are done."""
    if editor.image.id != image_id:
        return
    following_id = _next(editor)
    if not editor.image.revision:
        with editor.log.transaction() as project:
            project.queue.skip(editor.image.id)
    session.wanted_image = following_id
    if following_id is None and editor.image.revision:
        session.editor = None  # nothing waits: the page says what comes next
    elif following_id is None:
        editor.notice = "There is no other image to review."


def _next(editor: Editor) -> int | None:
    """Return the image after this one in the queue as it is by now, of its class if there is one; or None."""
    with editor.log.file.open() as project:
        orders = (project.queue.order(each) for each in (queue_label(editor.view, len(editor.names)), None))
        return next(filter(None, (following(order, editor.image.id) for order in orders)), None)


def _test_image(editor: Editor) -> int | None:
    """Return the test image that comes next, drawn now if one is due after this image; else None."""
    if editor.image.split == "test":
        return None  # another one comes first, so that they do not gather
    with editor.log.transaction() as project:
        waiting = project.splits.waiting()
        if waiting:
            return waiting[0]
        return project.splits.draw() if project.splits.is_due() else None


def jump(image_id: int) -> None:
    """Open an image."""
    session.wanted_image = image_id


# ---- the filmstrip -----------------------------------------------------------------------------------


def show_filmstrip(project: Project, editor: Editor, order: Queue) -> None:
    """Show the images around the open one, with what there is to do in each."""
    ranking = editor.predictions.ranking
    strategy = ranking.strategy if ranking else DEFAULT_STRATEGY
    ids = [image_id for image_id, _ in order]
    place = ids.index(editor.image.id) if editor.image.id in ids else 0
    first = max(0, min(place - 1, len(ids) - _FILMSTRIP))
    entries = project.queue.entries(ids[first : first + _FILMSTRIP])
    items = [
        {
            "id": entry.image_id,
            "picture": thumbnail(project, entry.image_id),
            "place": number,
            "lines": _lines(entry, strategy),
            "title": f"{entry.name}: {why(strategy, entry, editor.names)}",
            "here": entry.image_id == editor.image.id,
            "skipped": entry.skipped,
        }
        for number, entry in enumerate(entries, start=first + 1)
    ]
    _filmstrip(
        key="filmstrip",
        data={"items": items, "total": len(ids)},
        on_open_change=lambda: act(_open_from_filmstrip),
    )


def _open_from_filmstrip(_editor: Editor) -> None:
    messages = cast(FilmstripMessages, st.session_state.get("filmstrip") or {})
    asked = messages.get("open")
    if asked == "all":
        session.dialog = "queue"
    elif asked is not None:
        jump(int(asked))


def _lines(entry: QueueEntry, strategy: str) -> list[str]:
    first, score = brief(strategy, entry.score), entry.score
    if score is None or not score.n_cells:
        return [first]
    rare = f" · {score.n_rare} rare" if score.n_rare else ""
    return [first, f"{score.red} red{rare}"]


# ---- the list of all ---------------------------------------------------------------------------------


def show_nothing_left(project: Project) -> None:
    """Say that every image is reviewed, how many cells in them nobody has read, and what comes next."""
    session.editor = None
    counts, ranking = project.images.counts(), project.rankings.current()
    waiting = 0 if ranking is None else sum(each.n_cells for each in project.queue.waiting_cells(ranking.id))
    done = f"{count(counts.annotated_images, 'image')}, {count(counts.annotated_cells, 'cell')}"
    choose_unit()
    left = (
        f" Nobody has kept or named **{count(waiting, 'cell')}** in them: *Cells* shows them."
        if waiting
        else ""
    )
    st.success(f"Every image is reviewed: {done}.{left}")
    st.page_link("pages/train.py", label="Train with them", icon=":material/model_training:")
    st.page_link("pages/project.py", label="Import more images", icon=":material/folder_open:")
    if st.button("Reopen an image", icon=":material/history:"):
        show_list(project.file, session.view, project.classes.names())


@st.dialog("All images", width="large", on_dismiss="rerun")
def show_list(file: ProjectFile, view: View, names: Sequence[str]) -> None:
    """Show the whole queue, filtered, and the images that are done; a click on a row opens its image."""
    left, middle, right = st.columns([4, 4, 2], vertical_alignment="bottom")
    kind = left.segmented_control(
        "Images", ["To review", "Skipped", "Reviewed"], default="To review", required=True, key="list_kind"
    )
    if kind == "Reviewed":
        _show_reviewed(file, middle.text_input("Name contains", key="list_name"), right)
        return
    with file.open() as project:
        choices = [None, *(each.label for each in project.classes.own())]
    label = middle.selectbox(
        "May show cells of",
        choices,
        index=choices.index(view.queue_label) if view.queue_label in choices else 0,
        format_func=lambda k: "any class" if k is None else names[k],
        help="*Save & next* stays with this class, too.",
    )
    with file.open() as project:
        order = project.queue.order(label)
        ids = [image_id for image_id, skipped in order if kind == "To review" or skipped]
        ranking = project.rankings.current()
        strategy = ranking.strategy if ranking else DEFAULT_STRATEGY
        leaf = _leaf(len(ids), right)
        coming = project.queue.entries(ids[:BATCH])
        rare = project.classes.rare_labels()
        entries = project.queue.entries(ids[leaf * _LISTED :][:_LISTED])
        table = pd.DataFrame(
            {
                "": [thumbnail(project, entry.image_id) for entry in entries],
                "#": range(leaf * _LISTED + 1, leaf * _LISTED + 1 + len(entries)),
                "Image": [("⤼ " if entry.skipped else "") + entry.name for entry in entries],
                "Sorted by": [brief(strategy, entry.score) for entry in entries],
                "Red": [entry.score.red if entry.score else None for entry in entries],
                "Rare": [entry.score.n_rare if entry.score else None for entry in entries],
                "Why": [why(strategy, entry, names) for entry in entries],
            }
        )
    if ranking is None:
        table = table.drop(columns=["Sorted by", "Red", "Rare"])  # nobody knows
    view.queue_label = label
    who = ranked_by(ranking.model_id if ranking else None, stale=bool(ranking and ranking.stale))
    shown = [label, *(each for each in rare if each != label)] if label is not None else rare
    which = "" if label is None else f" that may show {literal(names[label])}"
    st.caption(
        f"{who} {count(len(ids), 'image')}{which}. {literal(batch_words(coming, names, shown))}  \n"
        "Click a row to open its image."
    )
    if not ids:
        st.info("No image here. Choose others above.")
        return
    _choose(table, [entry.image_id for entry in entries], f"{kind}_{label}_{leaf}")


def ranked_by(model_id: int | None, *, stale: bool) -> str:
    """Say whose ranking this is, and whether that model serves."""
    if model_id is None:
        return "Not sorted yet: in the order of import."
    words = f"Sorted by model {model_id}."
    return words + (
        " Another model is in use by now: sort the images again on the Train page." if stale else ""
    )


def _show_reviewed(file: ProjectFile, name: str, place: DeltaGenerator) -> None:
    with file.open() as project:
        leaf = _leaf(project.reviews.count(name), place)
        here = project.reviews.latest(_LISTED, leaf * _LISTED, name)
        table = pd.DataFrame(
            {
                "": [thumbnail(project, each.image_id) for each in here],
                "Image": [each.name + (" · test image" if each.split == "test" else "") for each in here],
                "Cells": [each.n_cells for each in here],
                "Took": [duration(each.seconds) if each.origin == "expert" else "imported" for each in here],
                "Saved": [pd.Timestamp(each.created_at) for each in here],
            }
        )
    if not here:
        st.info("No image here. Choose others above.")
        return
    _choose(table, [each.image_id for each in here], f"reviewed_{leaf}")


def _leaf(n: int, place: DeltaGenerator) -> int:
    """Return which leaf of a long list to show, from 0."""
    if n <= _LISTED:
        return 0
    leaves = -(-n // _LISTED)
    return int(place.number_input(f"Page of {leaves}", 1, leaves, key="list_leaf", help=f"{n:,} images")) - 1


def _choose(table: pd.DataFrame, ids: list[int], key: str) -> None:
    chosen = st.dataframe(
        table,
        key=f"list_{key}",
        hide_index=True,
        height=430,
        row_height=64,
        on_select="rerun",
        selection_mode="single-cell",
        placeholder="–",
        column_config={
            "": st.column_config.ImageColumn(width=90),
            "Saved": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    cells = chosen["selection"]["cells"]
    if cells:
        jump(ids[cells[0][0]])
        st.rerun()


def queue_label(view: View, n_classes: int) -> int | None:
    """Return the class that the queue is filtered by, if there still is one."""
    return view.queue_label if view.queue_label is not None and view.queue_label < n_classes else None
