"""Training: start a job, watch it live, see the models that it made."""

import streamlit as st

from rbcal.errors import JobError
from rbcal.jobs import launcher
from rbcal.store.project import Project
from rbcal.ui.error_words import errors_as_words
from rbcal.ui.session import open_project_path
from rbcal.ui.train.models import show_models, show_question
from rbcal.ui.train.running_job import show_job
from rbcal.ui.train.start import show_resume, show_start

PATH = open_project_path()

st.title("Train")
with Project.open(PATH) as opened:
    last = launcher.watch(opened)
    is_active = last is not None and last.active
    if not is_active:
        if (question := opened.models.question()) is not None:
            show_question(opened, question)
        try:
            show_resume(opened)
            show_start(opened)
        except JobError as err:  # another tab was faster
            st.warning(str(err))
    if last is not None:
        st.subheader("Now" if is_active else "Last job")
        st.fragment(errors_as_words()(show_job), run_every=0.4 if is_active else None)(PATH)
    show_models(opened, may_choose=not is_active)
