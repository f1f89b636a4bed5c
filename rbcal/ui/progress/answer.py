"""What the Progress page says first: whether the last training helped."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rbcal.charts.answer import GAIN, SCORE_WORDS, answer_table, answer_words, score_intervals
from rbcal.charts.learning_curve import SCORE, score_curve
from rbcal.review.explanations import cells_words
from rbcal.review.predictions import cell_colours
from rbcal.store.evaluations import CurvePoint
from rbcal.store.project import Project
from rbcal.ui.downloads import show_chart
from rbcal.ui.progress.headline import FIGURE

_GAIN_WORDS = (
    "The difference to the model that was in use before, and the interval that holds 95 % of it when the "
    "test images are drawn again (bootstrap). Empty for the first model."
)
_LEARNT = "Annotated ones, from which it learnt."
_COLUMNS = {  # in this order, the model and its state before them
    "Annotated images": st.column_config.NumberColumn("Images", format="%,d", help=_LEARNT),
    "Annotated cells": st.column_config.NumberColumn("Cells", format="%,d", help=_LEARNT),
    "Precision_all": st.column_config.NumberColumn(SCORE, format="%.3f", help=SCORE_WORDS),
    GAIN: st.column_config.TextColumn(help=_GAIN_WORDS),
    "Rare-class AP@0.5": FIGURE,
    "Macro F1": FIGURE,
    "mAP@0.5": FIGURE,
    "mAP@[.5:.95]": FIGURE,
}


def show_answer(project: Project, curve: Sequence[CurvePoint], shown: CurvePoint) -> None:
    """Show in a sentence, a curve and a table whether the model in use is better than the one before."""
    comparisons = project.models.comparisons()
    st.markdown(answer_words(curve, shown, comparisons), help=SCORE_WORDS)
    intervals = score_intervals(curve, comparisons)
    show_chart(project, score_curve(curve, intervals))
    serving = project.models.serving()
    table = answer_table(curve, comparisons, None if serving is None else serving.id)
    columns = ["Model", "State", *_COLUMNS]
    st.dataframe(table, hide_index=True, column_order=columns, column_config=_COLUMNS, placeholder="–")
    if words := _cells_left(project):
        st.markdown(words)
    if intervals:
        st.caption("Bar: where the score lies with 95 %, held against the model that was in use before.")


def _cells_left(project: Project) -> str:
    """Return in a sentence how far all cells are done; empty where no ranking says which wait."""
    ranking = project.rankings.current()
    if ranking is None:
        return ""
    waiting = project.queue.waiting_cells(ranking.id)
    n_waiting, n_red = sum(each.n_cells for each in waiting), sum(each.n_red for each in waiting)
    n_read = project.images.counts().annotated_cells
    return cells_words(n_read, n_waiting, n_red, cell_colours(project, ranking))
