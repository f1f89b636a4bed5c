"""Project set-up: create a project, see how far it is, bring in images and boxes."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from rbcal.store.classes import RBC7, RBC7_RARE
from rbcal.store.project import SUFFIX, Project, projects_folder
from rbcal.ui.project.backups import show_backups, show_export
from rbcal.ui.project.classes import show_classes
from rbcal.ui.project.dataset_health import show_health
from rbcal.ui.project.demo import show_demo
from rbcal.ui.project.import_images import show_import, show_report
from rbcal.wording import literal, next_step

OWN_CLASSES, PAPER_CLASSES, FILE_CLASSES = "My own", "The paper's seven", "From the first import"


def show_creation(expanded: bool) -> None:
    """Ask for the name and the classes of a new project."""
    with st.expander("New project", icon=":material/add:", expanded=expanded):
        name = st.text_input("Name", max_chars=80, placeholder="for example: anaemia-2026", key="new_name")
        source = st.segmented_control(
            "Classes",
            [FILE_CLASSES, PAPER_CLASSES, OWN_CLASSES],
            default=FILE_CLASSES,
            required=True,
            help="Subtypes of red blood cells. Rare ones are looked for with more effort. "
            "More classes can join later.",
        )
        classes: Sequence[str] = ()
        rare: Sequence[str] = ()
        if source == PAPER_CLASSES:
            classes, rare = RBC7, RBC7_RARE
            st.caption(f"{', '.join(RBC7)}; rare: {', '.join(RBC7_RARE)}")
        elif source == OWN_CLASSES:
            typed = st.text_area("One class a line", placeholder="discocyte\nstomatocyte\nechinocyte")
            classes = [line.strip() for line in typed.splitlines() if line.strip()]
            rare = st.multiselect("Rare among them", classes)
        if st.button("Create project", type="primary", disabled=not name.strip(), key="create"):
            path = projects_folder() / f"{name.strip()}{SUFFIX}"
            if path.parent != projects_folder():
                st.error("A project name holds no slash or backslash.")
                return
            Project.create(path, classes=classes, rare=rare).close()
            st.session_state["wanted_project"] = name.strip()
            st.rerun()


def show_counts(project: Project) -> None:
    """Show how far the project is and what comes next."""
    counts = project.images.counts()
    columns = st.columns(5)
    columns[0].metric("Images", f"{counts.images:,}")
    columns[1].metric("Annotated images", f"{counts.annotated_images:,}")
    columns[2].metric("Annotated cells", f"{counts.annotated_cells:,}")
    columns[3].metric("In the pool", f"{counts.pool_images:,}", help="Images that wait for annotation.")
    columns[4].metric(
        "Test images",
        f"{counts.test_images:,}",
        help="Drawn once, by group, and never trained on: every model is measured on them.",
    )
    step = next_step(counts, project.models.serving(), project.rankings.current())
    st.info(step.words, icon=":material/arrow_forward:")
    if step.page:
        st.page_link(f"pages/{step.page}.py", label=f"Go to {step.page.capitalize()}")


def show_expert(project: Project) -> None:
    """Ask who sits here: the name signs every edit from now on."""
    name = st.text_input(
        "Your name",
        value=project.expert,
        max_chars=80,
        placeholder="signs what you annotate",
        help="Kept with every box that you draw, change or accept, so that it can be asked later who did it.",
    )
    if name.strip() != project.expert:
        project.sign(name)


is_open = "project" in st.session_state
st.title(literal(Path(st.session_state["project"]).stem) if is_open else "rbcal")
if not is_open:
    st.write(
        "Teach a detector to find and subtype red blood cells with the fewest possible clicks. "
        "Create a project to begin."
    )
    show_creation(expanded=True)
    show_demo()
    st.stop()

with Project.open(Path(st.session_state["project"])) as project:
    show_counts(project)
    show_report(project.path)
    show_health(project)
    left, right = st.columns([3, 2], gap="large")
    with left:
        importing, exporting, safety = st.tabs(["Import images", "Export", "Backups"])
        with importing:
            show_import(project)
        with exporting:
            show_export(project)
        with safety:
            show_backups(project.path)
    with right:
        show_expert(project)
        st.subheader("Classes")
        show_classes(project)
        show_creation(expanded=False)
