"""Progress: what each annotated cell bought, on the frozen test set."""

import streamlit as st

from rbcal.charts.learning_curve import class_curve, class_table, flagged_curve, metrics_table
from rbcal.store.project import Project
from rbcal.ui.downloads import show_chart
from rbcal.ui.progress.calibration import show_calibration
from rbcal.ui.progress.error_gallery import show_errors
from rbcal.ui.progress.report import offer_report
from rbcal.ui.progress.simulations import show_curve, show_experiments
from rbcal.ui.progress.stop_advice import show_stopping
from rbcal.ui.session import open_project_path
from rbcal.wording import duration

FORMAT = st.column_config.NumberColumn(format="%.3f")

PATH = open_project_path()  # before all else: on a fresh server it draws the whole page

heading, action = st.columns([4, 1], vertical_alignment="bottom")
heading.title("Progress")
with action:
    offer_report(PATH)
with Project.open(PATH) as project:
    curve = project.evaluations.curve()
    counts = project.images.counts()
    if not curve:
        st.info(
            "After each training the model is measured on the frozen test set, and a point appears here. "
            + (
                "Train the first model."
                if counts.test_images
                else "This project has no test set yet: import images with boxes, and let a part of their "
                "groups become the test set."
            ),
            icon=":material/show_chart:",
        )
        st.page_link("pages/train.py" if counts.test_images else "pages/project.py", label="Go there")
        if counts.annotated_images:
            show_experiments(project)
        st.stop()

    serving = project.models.serving()
    places = [place for place, point in enumerate(curve) if serving and point.model_id == serving.id]
    place = places[0] if places else len(curve) - 1
    shown, before = curve[place], curve[place - 1] if place else None
    st.caption(f"Model {shown.model_id}, which serves" if places else f"Model {shown.model_id}")
    columns = st.columns(5)
    for column, name, value in (
        (columns[0], "Precision_all", lambda point: point.evaluation.precision_all),
        (columns[1], "mAP@0.5", lambda point: point.evaluation.map_50),
        (columns[2], "Rare-class AP@0.5", lambda point: point.evaluation.rare_ap_50),
    ):
        now, then = value(shown), before and value(before)
        delta = None if now is None or then is None else f"{now - then:+.3f} since model {before.model_id}"
        column.metric(name, "none in test" if now is None else f"{now:.3f}", delta)
    flagged = project.queue.flagged_in_pool()
    columns[3].metric("Annotated cells", f"{counts.annotated_cells:,}")
    columns[4].metric(
        "Flagged in the pool",
        "–" if flagged is None else f"{flagged:,}",
        help="Cells that the current ranking is unsure about, or that may be rare, in images not reviewed. "
        "–: the pool is not ranked yet.",
    )

    st.subheader("What each annotated cell bought")
    show_curve(project, curve)
    st.caption(
        f"Average precision on {shown.evaluation.n_images} test images with "
        f"{sum(shown.evaluation.n_cells):,} cells, never trained on. "
        "Precision_all weights AP@0.5 of each class by its number of cells in the test set; mAP is the plain "
        "mean over the classes. "
        f"Expert time so far: {duration(project.reviews.expert_seconds())}."
    )

    show_stopping(project, curve, shown.evaluation, flagged)
    show_experiments(project)

    st.subheader("Each class")
    show_chart(project, class_curve(curve, project.classes.all()))

    show_errors(PATH, shown.model_id)

    st.subheader("Flagged cells in the pool")
    if history := project.rankings.history():
        show_chart(project, flagged_curve(history))
        st.caption("Cells of the pool that the model of that time was unsure about, or that may be rare.")
    else:
        st.info("Rank the pool on the Train page to see how many cells are flagged.")

    show_calibration(project)

    st.subheader("Figures")
    metrics = metrics_table(curve)
    st.dataframe(metrics, hide_index=True, column_config=dict.fromkeys(metrics.columns[3:], FORMAT))
    per_class = class_table([shown], project.classes.all())
    st.caption(f"AP@0.5 of each class, model {shown.model_id}")
    st.dataframe(per_class, hide_index=True, column_config={"AP@0.5": FORMAT})
