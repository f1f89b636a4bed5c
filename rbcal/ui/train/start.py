"""What the Train page starts: a training, a scoring, another ranking, or the rest of a stopped training."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import streamlit as st

from rbcal.acquisition.strategies import DEFAULT_STRATEGY, offered
from rbcal.config import BACKBONES, Backbone, Initialisation, ScoringConfig, TrainConfig, suggested_steps
from rbcal.jobs import auto_train, launcher
from rbcal.store.images import Counts
from rbcal.store.job_requests import JobRequest, RankJob, ResumeJob, ScoreJob, TrainJob
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.running_work import DONE
from rbcal.wording import count, listed, literal

NETWORKS: dict[Backbone, str] = {
    "efficientnet_lite0": "Small: minutes on a laptop",
    "vgg16": "Large, the paper's: wants a GPU",
}
INITIAL_WEIGHTS: dict[Initialisation, str] = {
    "auto": "The model in use",
    "imagenet": "Everyday pictures",
    "random": "Nothing",
}
_State = Literal["new cells", "unsorted", "same cells"]
_SORTS = (
    "The model in use looks at each image that waits (scoring), then they are sorted (ranking): those come "
    "first that it would learn most from."
)


def show_start(project: Project) -> None:
    """Say what there is to learn from, and offer the one button that starts the next training."""
    counts = project.images.counts()
    if not counts.annotated_cells:
        st.info(
            "Training needs annotated cells. Import boxes, or name some cells on Review.",
            icon=":material/draw:",
        )
        st.page_link("pages/project.py", label="Go to Project")
        st.page_link("pages/review.py", label="Go to Review")
        return
    state = _state(project, counts)
    _say_what_teaches(project, counts, state)
    buttons = st.container(horizontal=True)  # above the settings that they go by
    with st.expander("Settings", icon=":material/tune:"):
        train, score = show_settings(project, counts)
    is_unsorted = state == "unsorted"
    if is_unsorted and buttons.button("Sort the images", type="primary", icon=":material/sort:", help=_SORTS):
        _start(project, score)
    comes_first = project.snapshots.current() is None and not is_unsorted  # *Resume* comes before
    if buttons.button(
        "Train",
        type="primary" if comes_first else "secondary",
        icon=":material/play_arrow:",
        help="Trains on all annotated cells and measures the model on the test set. Then the model looks at "
        "the images that wait (the pool) and sorts them: those come first that it would learn most from. It "
        "takes minutes to hours, and you can use every page meanwhile.",
    ):
        _start(project, TrainJob(train, score if counts.pool_images else None))


def _state(project: Project, counts: Counts) -> _State:
    """Return what there is to do; "unsorted": the model in use has learnt all, but sorted no image."""
    serving, ranking = project.models.serving(), project.rankings.current()
    if serving is None or not project.models.has_learnt_all(serving.id):
        return "new cells"
    is_sorted = ranking is not None and not ranking.stale
    return "same cells" if is_sorted or not counts.pool_images else "unsorted"


def _say_what_teaches(project: Project, counts: Counts, state: _State) -> None:
    """Say what the next model learns from, and what it cannot learn."""
    cells, images = count(counts.annotated_cells, "annotated cell"), count(counts.annotated_images, "image")
    waiting = count(counts.pool_images, "image that waits", "images that wait")
    if state == "unsorted":
        st.write(f"The model in use has learnt from all **{cells}** on {images}. Let it sort the {waiting}.")
    else:
        sorts = f", then sorts the {waiting}" if counts.pool_images else ""
        st.write(f"The next model learns from **{cells}** on {images}{sorts}.")
    if state == "same cells" and counts.test_images:
        st.caption(
            "The model in use has learnt from the same cells. One more training shows whether it is trained "
            "out: *Progress* then says whether longer training helps, or only new cells do."
        )
    n_cells = project.reviews.cells_per_class()
    if unnamed := [literal(each.name) for each in project.classes.own() if not n_cells.get(each.label)]:
        st.caption(f"It cannot name {listed(unnamed, most=5)}: no cell is annotated as such yet.")
    if not counts.test_images:
        every = project.splits.every
        grows = (
            f"One in {every} images that you annotate becomes a test image. Or import" if every else "Import"
        )
        st.warning(f"There is no test set, so the model cannot be measured. {grows} images with boxes first.")


def _start(project: Project, request: JobRequest) -> None:
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
        help="As *Train*, without a click: with the settings of the last training, from the model in use. "
        "A worse model does not take over; you are asked.",
    )
    if after is not None and project.snapshots.current() is not None:
        st.caption("A training was stopped. Resume it or drop it; then this goes on.")
    elif after is not None:
        st.caption(
            f"{auto_train.new_answers(project):,} new cells since the last training. The next one starts when"
            " you save an image on **Review**."
        )


def _train_by_itself(file: ProjectFile, key: str) -> None:
    with file.open() as project:
        project.train_by_itself(auto_train.AFTER if st.session_state[key] else None)


def show_settings(project: Project, counts: Counts) -> tuple[TrainConfig, ScoreJob]:
    """Show all settings and the other acts; return the settings."""
    has_model = project.models.serving() is not None
    _ask_for_training_by_itself(project)
    train = _ask_for_training(counts, has_model=has_model)
    strategies = offered()
    strategy = st.selectbox(
        "Which images come first",
        strategies,
        index=list(strategies).index(DEFAULT_STRATEGY),
        format_func=lambda name: f"{name}: {strategies[name]}",
        help="The strategy that sorts the images that wait. One image in ten is drawn at random, whatever "
        "you choose: it checks the order itself.",
    )
    st.markdown("**How a model learns**")
    train = _ask_for_more(train)
    st.markdown("**When a cell is red**")
    score = ScoreJob(_ask_for_thresholds(), strategy)
    st.markdown("**Only a part of it**")
    _offer_parts(project, train, score, has_model=has_model)
    return train, score


def _ask_for_training(counts: Counts, *, has_model: bool) -> TrainConfig:
    columns = st.columns(3)
    backbone = columns[0].selectbox(
        "Network",
        BACKBONES,
        format_func=NETWORKS.__getitem__,
        help="The backbone. Small: efficientnet_lite0. Large: vgg16, which the paper has.",
    )
    init = columns[1].selectbox(
        "Starts from",
        [name for name in INITIAL_WEIGHTS if has_model or name != "auto"],
        format_func=lambda name: INITIAL_WEIGHTS[name],
        help="The initial weights. Going on from the model in use needs fewer steps and is measured to be "
        "better; with another network than its own, training starts from everyday pictures. Everyday "
        "pictures: ImageNet's weights. Nothing: random weights.",
    )
    second_look = st.checkbox(
        "Look twice at each cell",
        TrainConfig.second_look,
        help="The second look: each cell that is found is also cut out and named by a network of its own, "
        "which tells the subtypes apart better. The large network without it is the detector of the paper.",
    )
    suggested = suggested_steps(
        counts.annotated_images, "serving" if has_model else "imagenet", second_look=second_look
    )
    steps = columns[2].number_input(
        "Training steps",
        min_value=1,
        value=None,
        key="steps",  # or what is typed is gone when the other choices suggest another number
        step=50,
        placeholder=f"{suggested:,}",
        help="How long the model learns. Left empty: as long as the images warrant.",
    )
    return TrainConfig(backbone=backbone, second_look=second_look, init=init, steps=int(steps or 0))


def _ask_for_more(config: TrainConfig) -> TrainConfig:
    columns = st.columns(3)
    repeat = columns[0].number_input(
        "Show rare classes more often",
        0.0,
        1.0,
        config.rare_repeat,
        0.1,
        help="rare_repeat. 0: every image equally often. t: an image with a class that fewer than this share "
        "of the images have is seen up to sqrt(t / share) times as often.",
    )
    rate = columns[1].number_input(
        "Learning rate",
        1e-7,
        1.0,
        config.learning_rate,
        1e-4,
        format="%.1e",
        help="How much a model changes at each step. Lower it if a training ends because its loss is no "
        "number.",
    )
    seed = columns[2].number_input(
        "Random seed",
        min_value=0,
        value=config.seed,
        help="What is drawn by chance in a training follows from it.",
    )
    device = columns[0].text_input("Compute on", config.device, help="Device: auto, cpu, cuda or mps.")
    weights = columns[1].text_input(
        "File to start from", help="ImageNet's weights of the large network, for a PC without a network."
    )
    return replace(
        config,
        seed=int(seed),
        device=device.strip(),
        weights=weights.strip() or None,
        rare_repeat=repeat,
        learning_rate=rate,
    )


def _ask_for_thresholds() -> ScoringConfig:
    """Ask how often a cell is looked at, and for the thresholds of equations (7) and (8)."""
    columns = st.columns(5)
    passes = columns[0].number_input(
        "Looks at each cell",
        min_value=2,
        value=ScoringConfig.passes,
        help="Stochastic passes, with dropout on: a cell that is named another way each time is not sure.",
    )
    return ScoringConfig(
        passes=int(passes),
        alpha=columns[1].number_input(
            "Unsure name up to",
            0.0,
            1.0,
            ScoringConfig.alpha,
            0.05,
            help="alpha in equation (8), on U^c: the share of the looks that agree on the class.",
        ),
        beta=columns[2].number_input(
            "Unsure box up to",
            0.0,
            1.0,
            ScoringConfig.beta,
            0.05,
            help="beta in equation (8), on U^d: how well the boxes of the looks overlap.",
        ),
        rare_threshold=columns[3].number_input(
            "Maybe rare above",
            0.0,
            1.0,
            ScoringConfig.rare_threshold,
            0.05,
            help="p in equation (7), U^r: the probability of a rare class.",
        ),
        gamma=columns[4].number_input(
            "Rare counts",
            0.0,
            100.0,
            ScoringConfig.gamma,
            1.0,
            help="gamma in equation (8), the weight of U^r: a cell that may be rare counts as so many.",
        ),
    )


def _offer_parts(project: Project, train: TrainConfig, score: ScoreJob, *, has_model: bool) -> None:
    """Offer to do a part of what the button does."""
    only_train, only_score, only_rank = st.columns(3)
    if only_train.button(
        "Train only", width="stretch", help="The images that wait keep their order (no scoring, no ranking)."
    ):
        _start(project, TrainJob(train))
    if only_score.button(
        "Sort the images only",
        width="stretch",
        disabled=not has_model,
        help=_SORTS,
    ):
        _start(project, score)
    if only_rank.button(
        "Change the order only",
        width="stretch",
        disabled=project.rankings.current() is None,
        help="Sorts by what the model found last time (ranking alone): seconds, for no image is looked at.",
    ):
        _start(project, RankJob(score.strategy))


def show_resume(project: Project) -> None:
    """Offer to go on with a training that was stopped."""
    snapshot = project.snapshots.current()
    if snapshot is None:
        return
    with st.container(border=True):
        state = project.jobs.get(snapshot.job_id).state if snapshot.job_id else None
        st.write(
            f"**A training {DONE.get(state or '', 'was stopped')}. It can go on from step {snapshot.step:,} "
            f"of {snapshot.config.steps:,}**, with the annotations that it began with. Another training "
            "takes its place."
        )
        go_on, forget = st.columns(2)
        if go_on.button("Resume", type="primary", width="stretch", icon=":material/resume:"):
            stopped = snapshot.job_id and project.jobs.get(snapshot.job_id).request
            score = stopped.score if isinstance(stopped, TrainJob | ResumeJob) else None
            launcher.start(project.file, ResumeJob(score))
            st.rerun()
        if forget.button("Drop it", width="stretch"):
            project.snapshots.discard()
            st.rerun()
