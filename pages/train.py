"""Training: start a job, watch it live, see the models that it made."""

from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st

from rbcal.acquisition.strategies import DEFAULT_STRATEGY, offered
from rbcal.charts.learning_curve import loss_curve
from rbcal.config import BACKBONES, ScoringConfig, TrainConfig, suggested_steps
from rbcal.errors import JobError
from rbcal.jobs import launcher
from rbcal.store.jobs import Job
from rbcal.store.project import Project
from rbcal.ui.downloads import show_chart
from rbcal.ui.session import open_project_path
from rbcal.ui.train.models import show_models, show_question
from rbcal.wording import duration

STARTS = {
    "auto": "The serving model",
    "imagenet": "ImageNet's weights",
    "random": "Random weights",
}
DONE = {"done": "is finished", "failed": "failed", "cancelled": "was cancelled"}
NAMES = {
    "train": "Training",
    "score": "Scoring",
    "evaluate": "Measuring",
    "rank": "Ordering",
    "simulate": "The simulation",
}
PATH = open_project_path()


def show_start(project: Project) -> None:
    """Ask for the settings of the next job and start it."""
    counts = project.images.counts()
    if not counts.annotated_cells:
        st.info("Training needs annotated cells. Import boxes, or draw some by hand.", icon=":material/draw:")
        st.page_link("pages/project.py", label="Go to Project")
        st.page_link("pages/review.py", label="Go to Review")
        return
    st.write(
        f"**{counts.annotated_cells:,} annotated cells** on {counts.annotated_images:,} images are ready to "
        f"train on; {counts.pool_images:,} images wait in the pool."
    )
    if not counts.test_images:
        st.warning("There is no test set, so the model cannot be measured. Import images with boxes first.")
    serving = project.models.serving()
    with st.form("start", border=True):
        columns = st.columns(4)
        backbone = columns[0].selectbox(
            "Backbone",
            BACKBONES,
            help="efficientnet_lite0 trains in minutes on a laptop. vgg16 is the paper's; it wants a GPU.",
        )
        init = columns[1].selectbox(
            "Start from",
            STARTS if serving else ["imagenet", "random"],
            format_func=lambda name: STARTS[name],
            help="Going on from the serving model needs fewer steps and is measured to be better. With "
            "another backbone than its own, training starts from ImageNet's weights.",
        )
        suggested = suggested_steps(counts.annotated_images, "serving" if serving else "imagenet")
        steps = columns[2].number_input(
            "Steps",
            min_value=1,
            value=None,
            step=50,
            placeholder=f"{suggested}",
            help="Left empty: as many as the images warrant, more of them from ImageNet's weights.",
        )
        passes = columns[3].number_input(
            "Stochastic passes",
            min_value=2,
            value=ScoringConfig.passes,
            help="How often each cell is looked at with dropout on, to see how sure the model is.",
        )
        strategies = offered()
        strategy = st.selectbox(
            "Order of the pool",
            strategies,
            index=list(strategies).index(DEFAULT_STRATEGY),
            format_func=lambda name: f"{name}: {strategies[name]}",
            help="Which images you are shown first. One in ten is drawn at random, whatever you choose: it "
            "checks the order itself.",
        )
        with st.expander("More settings"):
            columns = st.columns(4)
            seed = columns[0].number_input("Random seed", min_value=0, value=TrainConfig.seed)
            device = columns[1].text_input(
                "Device", TrainConfig.device, help="auto, cpu, cuda, cuda:1 or mps"
            )
            weights = columns[2].text_input("File with ImageNet weights", help="For vgg16 on an offline PC.")
            repeat = columns[3].number_input(
                "Show rare classes more often",
                0.0,
                1.0,
                TrainConfig.rare_repeat,
                0.1,
                help="0: every image equally often. t: an image with a class that fewer than this share of "
                "the images have is seen up to sqrt(t / share) times as often.",
            )
            rate = st.number_input(
                "Learning rate",
                1e-7,
                1.0,
                TrainConfig.learning_rate,
                1e-4,
                format="%.1e",
                help="Lower it if a training ends because its loss is no number.",
            )
            columns = st.columns(4)
            alpha = columns[0].number_input("alpha, on U^c", 0.0, 1.0, ScoringConfig.alpha, 0.05)
            beta = columns[1].number_input("beta, on U^d", 0.0, 1.0, ScoringConfig.beta, 0.05)
            gamma = columns[2].number_input("gamma, weight of U^r", 0.0, 100.0, ScoringConfig.gamma, 1.0)
            rare = columns[3].number_input("Rare from p >", 0.0, 1.0, ScoringConfig.rare_threshold, 0.05)
        both, only_train, only_score, only_order = st.columns([3, 2, 2, 2])
        pressed = {
            "train and score": both.form_submit_button(
                "Train, then rank the pool", type="primary", width="stretch", icon=":material/play_arrow:"
            ),
            "train": only_train.form_submit_button("Only train", width="stretch"),
            "score": only_score.form_submit_button(
                "Only rank the pool", width="stretch", disabled=serving is None
            ),
            "rank": only_order.form_submit_button(
                "Only reorder it",
                width="stretch",
                disabled=project.rankings.current() is None,
                help="Another order of what the last ranking found: seconds, for no image is looked at.",
            ),
        }
    scoring = replace(
        ScoringConfig(), passes=int(passes), alpha=alpha, beta=beta, gamma=gamma, rare_threshold=rare
    ).to_json()
    if pressed["score"]:
        launcher.start(PATH, "score", {"score": scoring, "strategy": strategy})
        st.rerun()
    if pressed["rank"]:
        launcher.start(PATH, "rank", {"strategy": strategy})
        st.rerun()
    if pressed["train"] or pressed["train and score"]:
        config = TrainConfig(
            backbone=backbone,
            init=init,
            weights=weights.strip() or None,
            steps=int(steps or 0),
            rare_repeat=repeat,
            learning_rate=rate,
            seed=int(seed),
            device=device.strip(),
        )
        wants_ranking = pressed["train and score"] and counts.pool_images > 0
        ranking = {"score": scoring if wants_ranking else None, "strategy": strategy}
        launcher.start(PATH, "train", {"train": config.to_json(), **ranking})
        st.rerun()


def show_resume(project: Project) -> None:
    """Offer to go on with a training that was stopped."""
    snapshot = project.snapshots.current()
    if snapshot is None:
        return
    with st.container(border=True):
        st.write(
            f"**A training was stopped, and is kept as of step {snapshot.step} of {snapshot.config.steps}**, "
            f"after {duration(snapshot.seconds)}. It can go on from there, with the annotations that it "
            "began with. Another training takes its place."
        )
        go_on, forget = st.columns(2)
        if go_on.button("Resume", type="primary", width="stretch", icon=":material/resume:"):
            stopped = snapshot.job_id and project.jobs.get(snapshot.job_id).config
            after = {name: stopped[name] for name in ("score", "strategy") if stopped and name in stopped}
            launcher.start(PATH, "train", {"resume": True, **after})
            st.rerun()
        if forget.button("Forget it", width="stretch"):
            project.snapshots.discard()
            st.rerun()


def show_job() -> None:
    """Show the job's row: how far it is, its loss, the tail of its log, and *Cancel*."""
    with Project.open(PATH) as project:
        job = launcher.watch(project)
        if job is None:
            return
        if not job.active and st.session_state.get("watched_job") == job.id:
            del st.session_state["watched_job"]
            st.rerun(scope="app")  # the form and the models come back
        if job.active:
            st.session_state["watched_job"] = job.id
            show_progress(project, job)
        else:
            show_end(job)
        if losses := project.jobs.losses(job.id):
            show_chart(project, loss_curve(losses))
        st.code("\n".join(project.jobs.log_tail(job.id)) or "No log yet.", language=None)


def show_progress(project: Project, job: Job) -> None:
    """Show how far an active job is, and let the expert cancel it."""
    left = job.seconds_left(datetime.now(UTC))
    words = job.stage
    if job.steps:
        words += f": {job.step} of {job.steps}"
    if left is not None:
        words += f", about {duration(left)} left"
    bar, button = st.columns([5, 1], vertical_alignment="bottom")
    bar.progress(job.step / job.steps if job.steps else 0.0, words)
    if button.button("Cancel", icon=":material/stop:", width="stretch", disabled=job.cancel_requested):
        launcher.cancel(project)
        st.rerun(scope="fragment")
    if job.cancel_requested:
        st.caption("Stopping.")
    st.caption("You may close the browser: the work goes on.")


def show_end(job: Job) -> None:
    """Say how the last job ended."""
    words = f"{NAMES[job.kind]} {DONE[job.state]}"
    if job.started_at and job.finished_at:
        words += f" after {duration((job.finished_at - job.started_at).total_seconds())}"
    if job.state == "failed":
        st.error(f"{words}. {job.reason}", icon=":material/error:")
    elif job.state == "cancelled":
        st.warning(f"{words}. {job.reason or ''}")
    else:
        st.success(f"{words}.")
        st.page_link("pages/review.py", label="Review the images at the top", icon=":material/rate_review:")


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
        st.fragment(show_job, run_every=0.4 if is_active else None)()
    show_models(opened, may_choose=not is_active)
