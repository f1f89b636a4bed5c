"""The trash of the projects: what is in it, and the way back."""

from __future__ import annotations

import streamlit as st

from rbcal.errors import RbcalError
from rbcal.jobs import project_files
from rbcal.store.project import projects_folder
from rbcal.ui.session import session
from rbcal.wording import literal, signed

_MOST = 20


def show_trash() -> None:
    """List the projects that were deleted, and offer to put each back."""
    entries = project_files.deleted()
    if not entries:
        st.caption("The trash is empty. A project that you delete comes here, with its backups.")
        return
    for each in entries[:_MOST]:
        with st.container(horizontal=True, vertical_alignment="center"):
            when = signed(each.deleted_at.isoformat(), "")
            st.markdown(
                f"**{literal(each.name)}**  \n"
                + f":small[{literal(f'deleted {when}, {each.n_bytes / 1e6:,.0f} MB')}]",
                width="stretch",
            )
            if st.button("Put back", key=f"put_back_{each.path.parent.name}"):
                try:
                    home = project_files.put_back(each)
                except RbcalError as err:
                    st.error(str(err), icon=":material/error:")
                    continue
                session.notice = literal(f"{home.stem} is back.")
                st.rerun()
    folder = (projects_folder() / project_files.TRASH).resolve()
    st.caption(literal(f"rbcal erases nothing. To free the space, delete the folders in {folder}."))
