"""Backups of the project, the way back to one, and the check that the file is whole."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.jobs import restore
from rbcal.store import backups
from rbcal.store.project import ProjectFile
from rbcal.store.verification import verify
from rbcal.ui.review.wall import forget_wall
from rbcal.ui.session import session
from rbcal.wording import literal, signed

_WHYS = {
    backups.ASKED: "made by hand",
    "before-training": "before a training",
    "before-restore": "before a restore",
}


def show_backups(file: ProjectFile) -> None:
    """List the backups of a project, make one, put one back, and check that the file is whole.

    One without an id cannot be opened: then a backup can be put back, and no more.
    """
    path = file.path
    if session.notice is not None:
        st.success(session.notice, icon=":material/settings_backup_restore:")
        session.notice = None
    if file.project_id is not None:
        _show_checks(path)
    copies = backups.listing(path)
    if not copies:
        st.info("There is no backup yet. One is made before every training, and whenever you ask for it.")
        return
    st.caption(literal(f"In {backups.folder(path)}. The newest, one a day for a week, and one a week stay."))
    for each in copies[:20]:
        with st.container(horizontal=True, vertical_alignment="center"):
            why = _WHYS.get(each.why, each.why.replace("-", " "))
            when = signed(each.made_at.isoformat(), "")
            st.markdown(literal(f"{when} · {why} · {each.n_bytes / 1e6:,.0f} MB"), width="stretch")
            if st.button("Restore", key=f"restore_{each.path.name}"):
                _confirm(file, each, when)


def _show_checks(path: Path) -> None:
    with st.container(horizontal=True):
        if st.button("Back up now", icon=":material/save:"):
            kept = backups.create(path, backups.ASKED)
            session.notice = f"Backed up: {literal(kept.name)}"
            st.rerun()
        if st.button(
            "Check the project", icon=":material/verified_user:", help="Every picture, box and model."
        ):
            with st.spinner("Checking every picture, box and model"):
                result = verify(path)
            if result.ok:
                session.notice = f"The project is whole: {literal(', '.join(result.safe))}."
                st.rerun()
            problems = [problem for check in result.checks for problem in check.problems]
            st.error(
                f"The project is damaged. Safe: {literal(', '.join(result.safe))}. {len(problems)} problems, "
                f"the first: {literal(problems[0])}. Restore a backup below.",
                icon=":material/error:",
            )


@st.dialog("Restore this backup?")
def _confirm(file: ProjectFile, backup: backups.Backup, when: str) -> None:
    st.write(
        f"The project becomes what it was on {when}. What it is now is kept as a backup, too: there is a way "
        "back."
    )
    if not st.button("Restore it", type="primary"):
        return
    try:
        if file.project_id is not None:
            file.open().close()  # it may have been replaced while this was asked
        kept = restore.restore(file.path, backup.path)
    except RbcalError as err:
        st.error(str(err))
        return
    session.editor = session.project = None  # its boxes are those of before
    forget_wall(file.path)
    session.notice = f"Restored. What the project was before is in {literal(kept.name)}"
    st.rerun()
