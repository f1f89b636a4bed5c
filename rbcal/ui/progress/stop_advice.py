"""Stop advice on the Progress page: the targets of the expert, and what more cells are likely to bring."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rbcal.charts.stop_advice import all_reached, flagged_words, standings, verdict_words
from rbcal.evaluation.metrics import Evaluation
from rbcal.store.evaluations import CurvePoint
from rbcal.store.project import Project, ProjectFile
from rbcal.wording import literal


def show_stopping(
    project: Project, curve: Sequence[CurvePoint], shown: Evaluation, n_flagged: int | None
) -> None:
    """Show whether the targets are reached, what is left to review, and what more cells may bring."""
    st.subheader("When to stop")
    by_metric = standings(curve, shown, project.targets.all(), project.classes.all())
    verdict = verdict_words(by_metric, shown.n_images)
    if all_reached(by_metric):
        st.success(f"**The target is reached.** {verdict} {flagged_words(n_flagged)}", icon=":material/flag:")
    elif verdict:
        st.info(f"**Not yet.** {verdict} {flagged_words(n_flagged)}", icon=":material/trending_up:")
    else:
        st.info(
            f"Say what is good enough, and this page says when it is reached. {flagged_words(n_flagged)}",
            icon=":material/flag:",
        )
    for column, (key, each) in zip(st.columns(len(by_metric)), by_metric.items(), strict=True):
        field = f"target_{key}_{project.file}"  # a target of one project must not become another's
        column.number_input(
            f"Target for {each.name}",
            min_value=0.0,
            max_value=1.0,
            value=each.target,
            step=0.05,
            placeholder="none",
            key=field,
            on_change=_keep,
            args=(project.file, key, field),
            help="Kept in the project. 0: no target.",
        )
        column.caption(literal(each.outlook) if each.few_cells else each.outlook)


def _keep(file: ProjectFile, key: str, field: str) -> None:
    with file.open() as project:
        project.targets.set(key, st.session_state[field] or None)
