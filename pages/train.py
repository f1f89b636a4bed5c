"""Training: start a job, watch it live, see the models that it made."""

import streamlit as st

from rbcal.errors import JobError
from rbcal.jobs import launcher
from rbcal.ui.session import open_project
from rbcal.ui.train.models import show_models, show_question
from rbcal.ui.train.running_job import show_job, show_last_jobs
from rbcal.ui.train.start import show_resume, show_start

FILE = open_project()

st.title("Train")
with FILE.open() as opened:
    last = launcher.watch(opened)
    is_active = last is not None and last.active
    if is_active:
        st.subheader("Now")
        st.fragment(show_job, run_every=0.4)(FILE)
    else:
        if (question := opened.models.question()) is not None:
            show_question(opened, question)
        try:
            show_resume(opened)
            show_start(opened)
        except JobError as err:  # another tab was faster
            st.warning(str(err))
        show_last_jobs(opened)
    show_models(opened, may_choose=not is_active)
