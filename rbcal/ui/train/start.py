"""What the Train page starts: a training, a scoring, another ranking, or the rest of a stopped training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from rbcal.acquisition.strategies import DEFAULT_STRATEGY, offered
from rbcal.config import BACKBONES, Initialisation, ScoringConfig, TrainConfig, suggested_steps
from rbcal.jobs import auto_train, launcher
from rbcal.store.images import Counts
from rbcal.store.job_requests import JobRequest, RankJob, ResumeJob, ScoreJob, TrainJob
from rbcal.store.project import Project, ProjectFile
from rbcal.wording import duration

INITIAL_WEIGHTS: dict[Initialisation, str] = {
    "auto": "The serving model",
    "imagenet": "ImageNet's weights",
    "random": "Random weights",
}


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
    _ask_for_training_by_itself(project)
    if (request := show_form(project, counts)) is not None:
        launcher.start(project.file, request)
        st.rerun()


def _ask_for_training_by_itself(project: Project) -> None:
    """Ask whether trainings shall follow without a click, and say how far the next one is."""
    after = project.train_after
    key = f"train_by_itself_{after}"  # another one once it is stored: another tab may have changed it
    st.toggle(
        f"Train by itself after every {after or auto_train.AFTER} new cells",
        after is not None,
        key=key,
        on_change=_train_by_itself,
        args=(project.file, key),
        help="As the button below, without a click: with the settings of the last training, from the model "
        "that serves, and then a new ranking. A worse model does not take over; you are asked.",
    )
    if after is not None and project.snapshots.current() is not None:
        st.caption("A training was stopped: resume it or forget it, then this goes on.")
    elif after is not None:
        st.caption(
            f"{auto_train.new_answers(project):,} new cells since the last training. The next one starts when"
            " you save an image on **Review**."
        )


def _train_by_itself(file: ProjectFile, key: str) -> None:
    with file.open() as project:
        project.train_by_itself(auto_train.AFTER if st.session_state[key] else None)


def show_form(project: Project, counts: Counts) -> JobRequest | None:
    """Show all settings, and return the job that was asked for."""
    has_model = project.models.serving() is not None
    with st.form("start", border=True):
        columns = st.columns(4)
        train = _ask_for_training(columns, counts, has_model=has_model)
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
            train = _ask_for_more(train)
            score = ScoreJob(_ask_for_thresholds(int(passes)), strategy)
        pressed = _show_buttons(has_model=has_model, is_ranked=project.rankings.current() is not None)
    match pressed:
        case "train and score":
            return TrainJob(train, score if counts.pool_images else None)
        case "train":
            return TrainJob(train)
        case "score":
            return score
        case "rank":
            return RankJob(strategy)
    return None


def _ask_for_training(columns: Sequence[Any], counts: Counts, *, has_model: bool) -> TrainConfig:
    backbone = columns[0].selectbox(
        "Backbone",
        BACKBONES,
        help="efficientnet_lite0 trains in minutes on a laptop. vgg16 is the paper's; it wants a GPU.",
    )
    init = columns[1].selectbox(
        "Start from",
        [name for name in INITIAL_WEIGHTS if has_model or name != "auto"],
        format_func=lambda name: INITIAL_WEIGHTS[name],
        help="Going on from the serving model needs fewer steps and is measured to be better. With "
        "another backbone than its own, training starts from ImageNet's weights.",
    )
    second_look = columns[0].checkbox(
        "Second look",
        TrainConfig.second_look,
        help="Each found cell is also cut out and named by a network of its own, which tells the subtypes "
        "apart better. vgg16 without it is the detector of the paper.",
    )
    suggested = suggested_steps(
        counts.annotated_images, "serving" if has_model else "imagenet", second_look=second_look
    )
    steps = columns[2].number_input(
        "Steps",
        min_value=1,
        value=None,
        key="steps",  # or what is typed is gone when the other choices suggest another number
        step=50,
        placeholder=f"{suggested}",
        help="Left empty: as many as the images warrant, more of them from ImageNet's weights.",
    )
    return TrainConfig(backbone=backbone, second_look=second_look, init=init, steps=int(steps or 0))


def _ask_for_more(config: TrainConfig) -> TrainConfig:
    columns = st.columns(4)
    seed = columns[0].number_input("Random seed", min_value=0, value=config.seed)
    device = columns[1].text_input("Device", config.device, help="auto, cpu, cuda, cuda:1 or mps")
    weights = columns[2].text_input("File with ImageNet weights", help="For vgg16 on an offline PC.")
    repeat = columns[3].number_input(
        "Show rare classes more often",
        0.0,
        1.0,
        config.rare_repeat,
        0.1,
        help="0: every image equally often. t: an image with a class that fewer than this share of "
        "the images have is seen up to sqrt(t / share) times as often.",
    )
    rate = st.number_input(
        "Learning rate",
        1e-7,
        1.0,
        config.learning_rate,
        1e-4,
        format="%.1e",
        help="Lower it if a training ends because its loss is no number.",
    )
    return replace(
        config,
        seed=int(seed),
        device=device.strip(),
        weights=weights.strip() or None,
        rare_repeat=repeat,
        learning_rate=rate,
    )


def _ask_for_thresholds(passes: int) -> ScoringConfig:
    columns = st.columns(4)
    return ScoringConfig(
        passes=passes,
        alpha=columns[0].number_input("alpha, on U^c", 0.0, 1.0, ScoringConfig.alpha, 0.05),
        beta=columns[1].number_input("beta, on U^d", 0.0, 1.0, ScoringConfig.beta, 0.05),
        gamma=columns[2].number_input("gamma, weight of U^r", 0.0, 100.0, ScoringConfig.gamma, 1.0),
        rare_threshold=columns[3].number_input("Rare from p >", 0.0, 1.0, ScoringConfig.rare_threshold, 0.05),
    )


def _show_buttons(*, has_model: bool, is_ranked: bool) -> str | None:
    """Return which button was pressed."""
    both, only_train, only_score, only_rank = st.columns([3, 2, 2, 2])
    pressed = {
        "train and score": both.form_submit_button(
            "Train, then rank the pool", type="primary", width="stretch", icon=":material/play_arrow:"
        ),
        "train": only_train.form_submit_button("Only train", width="stretch"),
        "score": only_score.form_submit_button("Only rank the pool", width="stretch", disabled=not has_model),
        "rank": only_rank.form_submit_button(
            "Only reorder it",
            width="stretch",
            disabled=not is_ranked,
            help="Another order of what the last ranking found: seconds, for no image is looked at.",
        ),
    }
    return next((name for name, is_pressed in pressed.items() if is_pressed), None)


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
            stopped = snapshot.job_id and project.jobs.get(snapshot.job_id).request
            score = stopped.score if isinstance(stopped, TrainJob | ResumeJob) else None
            launcher.start(project.file, ResumeJob(score))
            st.rerun()
        if forget.button("Forget it", width="stretch"):
            project.snapshots.discard()
            st.rerun()
