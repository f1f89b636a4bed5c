"""The models of a project on the Train page: which is in use, which may be, and the expert's say."""

import streamlit as st

from rbcal.charts.model_tables import PRUNING_RULE, comparison_table, models_table
from rbcal.store.models import Question
from rbcal.store.project import Project
from rbcal.wording import count

FIGURES = ("Precision_all", "mAP@0.5")


def show_question(project: Project, question: Question) -> None:
    """Put a model that is worse before the expert, class by class, and ask which shall be used."""
    old, new, gain = question.serving.id, question.model.id, question.comparison.precision_all
    with st.container(border=True):
        st.subheader(f"Model {new} is worse than model {old}. Which one shall be used?")
        images = count(question.comparison.n_images, "test image")
        st.write(
            f"On the {images}, the score (Precision_all) fell from {gain.old:.3f} to {gain.new:.3f}, more "
            f"than chance explains. Model {old} stays in use until you decide. A class that matters to you "
            "may still have gained:"
        )
        table = comparison_table(question.comparison, project.classes.all(), old, new)
        numbers = [column for column in table.columns if column.startswith("Model") or column == "Difference"]
        formats = {column: st.column_config.NumberColumn(format="%.3f") for column in numbers}
        st.dataframe(table, hide_index=True, column_config=formats, placeholder="–")
        keep, change = st.columns(2)
        if keep.button(f"Keep model {old}", type="primary", width="stretch", icon=":material/shield:"):
            serve(project, old)
        if change.button(f"Use model {new}", width="stretch"):
            serve(project, new)


def show_models(project: Project, *, may_choose: bool) -> None:
    """List the models, the newest first, with one click back to the one that was in use before."""
    models, serving = project.models.all(), project.models.serving()
    if not models:
        return
    measured = {point.model_id: point.evaluation for point in project.evaluations.curve()}
    st.subheader("Models")
    st.caption(f"The model in use draws the first boxes and sorts the images that wait. {PRUNING_RULE}")
    formats = {
        "Trained": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        **{name: st.column_config.NumberColumn(format="%.3f") for name in FIGURES},
        **{name: st.column_config.NumberColumn(format="%,d") for name in ("Images", "Cells")},
    }
    table = models_table(models, measured, None if serving is None else serving.id)
    st.dataframe(table, hide_index=True, column_config=formats, placeholder="–")
    others = [each.id for each in models[::-1] if each.has_weights and each != serving]
    before = project.models.previous()
    if not others or not may_choose:  # while a job is at work, it says which is in use
        return
    back, choice, let = st.columns([2, 1, 1], vertical_alignment="bottom")
    if before is not None and back.button(f"Go back to model {before.id}", icon=":material/undo:"):
        serve(project, before.id)
    chosen = choice.selectbox("Another model", others, key="another_model")
    if let.button("Use it", width="stretch"):
        serve(project, chosen)


def serve(project: Project, model_id: int) -> None:
    """Let a model serve from now on, by the expert's word."""
    project.models.promote(model_id, "expert")
    st.toast(f"Model {model_id} is in use now.")
    st.rerun()
