"""Project set-up: create a project, see how far it is, bring in images and boxes."""

import streamlit as st

from rbcal.store.project import Project
from rbcal.ui.project.backups import show_backups
from rbcal.ui.project.classes import show_classes
from rbcal.ui.project.creation import show_creation
from rbcal.ui.project.dataset_health import show_health
from rbcal.ui.project.demo import show_demo
from rbcal.ui.project.export import show_export
from rbcal.ui.project.import_images import show_import, show_report
from rbcal.ui.project.overview import show_annotator, show_counts
from rbcal.ui.project.splits import show_test_set
from rbcal.ui.session import session
from rbcal.wording import literal


def show_project(project: Project) -> None:
    """Show how far the project is, and what can be done with the whole of it."""
    show_counts(project)
    show_report(project.file)
    show_health(project)
    left, right = st.columns([3, 2], gap="large")
    with left:
        importing, testing, exporting, safety = st.tabs(["Import images", "Test set", "Export", "Backups"])
        with importing:
            show_import(project)
        with testing:
            show_test_set(project)
        with exporting:
            show_export(project)
        with safety:
            show_backups(project.file)
    with right:
        show_annotator(project)
        st.subheader("Classes")
        show_classes(project)
        show_creation(expanded=False)


st.title("rbcal" if session.project is None else literal(session.project.path.stem))
if session.project is None:
    st.write(
        "Teach a detector to find and subtype red blood cells with the fewest possible clicks. "
        "Create a project to begin."
    )
    show_creation(expanded=True)
    show_demo()
else:
    with session.project.open() as project:
        show_project(project)
