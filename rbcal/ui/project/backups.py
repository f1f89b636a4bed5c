"""What must never be lost: exports, backups, and a way back when a project is damaged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.interchange import export_dataset
from rbcal.jobs import restore
from rbcal.store import backups
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.store.verification import verify
from rbcal.wording import literal, signed

_FORMATS = {
    "coco": "Annotations, COCO",
    "voc": "Annotations, Pascal VOC",
    "yolo": "Annotations, YOLO",
    "predictions-csv": "Predictions with their uncertainty, tables (CSV)",
    "predictions-coco": "Predictions with their uncertainty, COCO results",
}
_WHYS = {
    backups.ASKED: "made by hand",
    "before-training": "before a training",
    "before-restore": "before a restore",
}


def show_export(project: Project) -> None:
    """Ask for a format and a folder, and write what other programs read."""
    format_ = st.selectbox("What", get_args(export_dataset.Format), format_func=_FORMATS.__getitem__)
    if format_.startswith("predictions") and project.rankings.current() is None:
        st.info("There are no predictions yet: train a model, then let it rank the pool.")
        return
    annotations = not format_.startswith("predictions")
    with_images = annotations and st.toggle("With the pictures", value=True)
    default = project.path.parent / "exports" / f"{project.path.stem}-{format_}"
    folder = st.text_input("Into a new folder on this PC", value=str(default), key=f"export_{format_}")
    with st.container(horizontal=True):
        is_wanted = st.button("Export", type="primary", disabled=not folder.strip())
        st.download_button(
            "Download as zip",
            data=partial(_zipped, project.path, format_, with_images),
            file_name=f"{project.path.stem}-{format_}.zip",
            mime="application/zip",
            on_click="ignore",
            help="Made when you click. For many images, a folder on this PC is quicker.",
        )
    if not is_wanted:
        return
    bar = st.progress(0.0, "Exporting")

    def track(images: list[Image]) -> Iterator[Image]:
        for done, image in enumerate(images):
            bar.progress(done / len(images), f"Exporting {done} of {len(images)}")
            yield image

    target = Path(folder.strip().strip('"'))
    n = export_dataset.export(project, target, format_, with_images=with_images, track=track)
    bar.empty()
    st.success(f"{n} image{'s' * (n != 1)} written to {literal(str(target))}")


def _zipped(path: Path, format_: export_dataset.Format, with_images: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder, Project.open(path) as project:
        written = Path(folder) / "export"
        export_dataset.export(project, written, format_, with_images=with_images)
        return Path(shutil.make_archive(str(Path(folder) / "packed"), "zip", written)).read_bytes()


def show_backups(path: Path, *, damaged: bool = False) -> None:
    """List the backups of a project, make one, put one back, and check that the file is whole."""
    if "restored" in st.session_state:
        st.success(st.session_state.pop("restored"), icon=":material/settings_backup_restore:")
    if not damaged:
        _show_checks(path)
    found = backups.listing(path)
    if not found:
        st.info("There is no backup yet. One is made before every training, and whenever you ask for it.")
        return
    st.caption(literal(f"In {backups.folder(path)}. The newest, one a day for a week, and one a week stay."))
    for each in found[:20]:
        with st.container(horizontal=True, vertical_alignment="center"):
            why = _WHYS.get(each.why, each.why.replace("-", " "))
            when = signed(each.made_at.isoformat(), "")
            st.markdown(literal(f"{when} · {why} · {each.n_bytes / 1e6:,.0f} MB"), width="stretch")
            if st.button("Restore", key=f"restore_{each.path.name}"):
                _confirm(path, each, when)


def _show_checks(path: Path) -> None:
    with st.container(horizontal=True):
        if st.button("Back up now", icon=":material/save:"):
            kept = backups.keep(path, backups.ASKED)
            st.session_state["restored"] = f"Backed up: {literal(kept.name)}"
            st.rerun()
        if st.button(
            "Check the project", icon=":material/verified_user:", help="Every picture, box and model."
        ):
            with st.spinner("Checking every picture, box and model"):
                result = verify(path)
            if result.ok:
                st.session_state["restored"] = f"The project is whole: {literal(', '.join(result.safe))}."
                st.rerun()
            problems = [problem for check in result.checks for problem in check.problems]
            st.error(
                f"The project is damaged. Safe: {literal(', '.join(result.safe))}. {len(problems)} problems, "
                f"the first: {literal(problems[0])}. Restore a backup below.",
                icon=":material/error:",
            )


@st.dialog("Restore this backup?")
def _confirm(path: Path, backup: backups.Backup, when: str) -> None:
    st.write(
        f"The project becomes what it was on {when}. What it is now is kept as a backup, too: there is a way "
        "back."
    )
    if not st.button("Restore it", type="primary"):
        return
    try:
        kept = restore.restore(path, backup.path)
    except RbcalError as err:
        st.error(str(err))
        return
    st.session_state.pop("editor", None)  # its boxes are those of before
    st.session_state["restored"] = f"Restored. What the project was before is in {literal(kept.name)}"
    st.rerun()
