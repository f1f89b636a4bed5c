"""Home: every project, and what can be done with a project file as a whole."""

import streamlit as st

from rbcal.store.project_cards import project_files
from rbcal.ui.home.acts import show_notice
from rbcal.ui.home.cards import show_cards
from rbcal.ui.home.open_file import show_open_file
from rbcal.ui.home.trash import show_trash
from rbcal.ui.page_style import compact_page
from rbcal.ui.project.creation import show_creation
from rbcal.ui.project.demo import NAME, show_demo

if "project" in st.query_params:  # a reload shows this page again
    del st.query_params["project"]
compact_page()
paths = project_files()
if paths:
    heading, *actions = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    heading.title("Projects")
    with actions[0].popover("New project", icon=":material/add:", width="stretch"):
        show_creation()
    with actions[1].popover("Open a file", icon=":material/file_open:", width="stretch"):
        show_open_file()
    with actions[2].popover("Trash", icon=":material/delete:", width="stretch"):
        show_trash()
    show_notice()
    show_cards(paths)
    if not any(path.stem == NAME for path in paths):
        show_demo()
else:
    st.title("rbcal")
    st.write(
        "Teach a detector to find and subtype red blood cells with the fewest possible clicks. "
        "Create a project to begin."
    )
    show_notice()
    show_demo()
    own, other = st.columns(2, gap="large")
    with own:
        st.subheader("New project")
        show_creation()
    with other:
        st.subheader("Open a file")
        show_open_file()
        with st.expander("Trash", icon=":material/delete:"):
            show_trash()
