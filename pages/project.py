"""Project set-up: create a project, see how far it is, bring in images and boxes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from rbcal.errors import RbcalError
from rbcal.formats import coco, pictures
from rbcal.store.classes import RBC7, RBC7_RARE
from rbcal.store.project import SUFFIX, Project, projects_folder
from rbcal.view.guide import next_step
from rbcal.view.words import literal
from rbcal.work import importing

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
            st.session_state["just_created"] = name.strip()
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


def show_classes(project: Project) -> None:
    """Show the classes with their cells; the expert marks the rare ones."""
    classes = project.classes.all()
    if not classes:
        st.caption("The classes come with the first import.")
        return
    cells = project.reviews.cells_per_class()
    table = pd.DataFrame(
        {
            "Class": [each.name for each in classes],
            "Rare": [each.rare for each in classes],
            "Annotated cells": [cells.get(each.label, 0) for each in classes],
        }
    )
    edited = st.data_editor(table, hide_index=True, disabled=["Class", "Annotated cells"], key="classes")
    rare = [each.name for each, marked in zip(classes, edited["Rare"], strict=True) if marked]
    if rare != [each.name for each in classes if each.rare]:
        project.classes.set_rare(rare)
        st.rerun()


def show_import(project: Project) -> None:
    """Ask for images and boxes, and import them."""
    st.subheader("Import images")
    way = st.segmented_control(
        "From",
        ["A folder on this PC", "Upload"],
        default="A folder on this PC",
        required=True,
        help="A folder is faster for many images. Upload works from another PC, too.",
    )
    if way == "Upload":
        files = st.file_uploader(
            "Images", type=[suffix[1:] for suffix in pictures.SUFFIXES], accept_multiple_files=True
        )
        boxes = st.file_uploader("Boxes, COCO JSON (optional)", type=["json"])
        ready = bool(files)
    else:
        folder = st.text_input("Folder of the images", placeholder=str(Path.home() / "slides"))
        boxes_path = st.text_input("Boxes, COCO JSON file (optional)")
        ready = bool(folder.strip())
    with st.expander("Seed set, test set, groups"):
        keep_all = st.toggle("Keep the boxes of all images", value=True)
        seed_images = None
        if not keep_all:
            seed_images = st.number_input(
                "Images that keep their boxes (seed set)",
                min_value=0,
                value=12,
                help="Drawn at random. The others join the pool without boxes, to be reviewed.",
            )
        fraction = 0.0
        if not project.images.counts().test_images:
            fraction = st.slider(
                "Part of the groups for the frozen test set",
                0.0,
                0.5,
                0.25,
                0.05,
                help="Only images with boxes. Drawn once; without it, progress cannot be measured.",
            )
        group = st.text_input(
            "Slide or patient of these images (optional)",
            help="Images of one slide stay together: all in the test set, or none. Without it, the COCO "
            "file's field `group` counts, then the subfolder; else every image stands alone.",
        )
        seed = st.number_input("Random seed", value=0)
    if not st.button("Import", type="primary", disabled=not ready):
        return
    if way == "Upload":
        source: importing.Pictures = {file.name: file.getvalue for file in files}
        annotations = coco.read(boxes.getvalue()) if boxes else None
    else:
        source = importing.folder(Path(folder.strip().strip('"')))
        annotations = coco.read(read_file(boxes_path)) if boxes_path.strip() else None
    if annotations is None or not any(image.boxes for image in annotations.images):
        fraction, seed_images = 0.0, None
    bar = st.progress(0.0, "Importing")

    def track(images: Sequence[coco.CocoImage]) -> Iterator[coco.CocoImage]:
        for done, image in enumerate(images):
            bar.progress(done / len(images), f"Importing {done} of {len(images)}")
            yield image

    st.session_state["import_report"] = importing.import_images(
        project,
        source,
        annotations=annotations,
        seed_images=seed_images,
        test_fraction=fraction,
        seed=int(seed),
        group=group.strip() or None,
        track=track,
    )
    st.rerun()


def read_file(text: str) -> bytes:
    """Return the bytes of a file on this PC."""
    path = Path(text.strip().strip('"'))
    try:
        return path.read_bytes()
    except OSError as err:
        raise RbcalError(f"{path} cannot be read: {err.strerror}. Check its path.") from err


def show_report(report: importing.ImportReport) -> None:
    """Say what the last import did, and what it could not do, one by one."""
    st.success(
        f"{report.added} images added, {report.pool_images} of them to the pool; {report.known} were there "
        f"already. Boxes for {report.seed_images} images to train on and {report.test_images} test images: "
        f"{report.cells} cells."
    )
    if report.new_classes:
        st.info("New classes: " + literal(", ".join(report.new_classes)))
    if report.complaints:
        with st.expander(f"{len(report.complaints)} notes", icon=":material/warning:", expanded=True):
            st.dataframe(pd.DataFrame({"Note": report.complaints}), hide_index=True)


is_open = "project" in st.session_state
st.title(literal(Path(st.session_state["project"]).stem) if is_open else "rbcal")
if not is_open:
    st.write(
        "Teach a detector to find and subtype red blood cells with the fewest possible clicks. "
        "Create a project to begin."
    )
    show_creation(expanded=True)
    st.stop()

with Project.open(Path(st.session_state["project"])) as project:
    show_counts(project)
    if "import_report" in st.session_state:
        show_report(st.session_state.pop("import_report"))
    left, right = st.columns([3, 2], gap="large")
    with left:
        show_import(project)
    with right:
        st.subheader("Classes")
        show_classes(project)
        show_creation(expanded=False)
