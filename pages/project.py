"""Project: its images, what comes next, and what can be done with the whole of it."""

import streamlit as st

from rbcal.store.project import Project
from rbcal.ui.page_style import compact_page
from rbcal.ui.project.backups import show_backups
from rbcal.ui.project.class_cards import show_class_cards
from rbcal.ui.project.classes import show_classes
from rbcal.ui.project.dataset_health import health_of, show_alarms, show_health
from rbcal.ui.project.export import show_export
from rbcal.ui.project.image_grid import show_images
from rbcal.ui.project.import_images import show_import, show_report
from rbcal.ui.project.overview import count_words, show_annotator, show_next_step
from rbcal.ui.project.splits import show_test_set
from rbcal.ui.session import open_project, session
from rbcal.wording import literal

FILE = open_project()


def show_tabs(project: Project) -> None:
    """Show what can be done with the whole of the project."""
    health = health_of(project)
    with st.container():  # always there, so that the tabs keep their place, and the one that is open
        if health is not None:
            show_alarms(project, health)
    importing, classes, testing, healthy, exporting, safety = st.tabs(
        ["Import", "Classes", "Test set", "Health", "Export", "Backups"]
    )
    with importing:
        show_import(project)
    with classes:
        show_class_cards(project)
        show_classes(project)
    with testing:
        show_test_set(project)
    with healthy:
        show_health(project, health)
    with exporting:
        show_export(project)
    with safety:
        show_backups(project.file)


compact_page()
st.title(literal(FILE.path.stem))
with FILE.open() as project:
    counts = project.images.counts()
    with st.sidebar:
        show_annotator(project)
    show_next_step(project, counts)
    with st.container():
        show_report(FILE)
        if session.running_job is not None and project.models.serving() is None:
            show_class_cards(project)  # what to look for, while the first model is in training
        if counts.images:
            st.caption(count_words(counts))
            show_images(FILE)
    show_tabs(project)
