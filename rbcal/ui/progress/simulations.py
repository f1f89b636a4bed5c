"""Experiments on the Progress page: simulated strategies side by side, and how a simulation is begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from rbcal.acquisition.cell_strategies import check_arms
from rbcal.acquisition.strategies import offered
from rbcal.charts import simulation as view
from rbcal.charts import simulation_words as words
from rbcal.charts.learning_curve import learning_curve
from rbcal.charts.matched_training import on_new_cells
from rbcal.config import SimulationConfig
from rbcal.errors import JobError
from rbcal.evaluation.learning_curves import (
    METRICS,
    Axis,
    Metric,
    arm_curves,
    class_metric,
    on_common_grid,
)
from rbcal.evaluation.strategy_comparison import summaries
from rbcal.jobs import launcher
from rbcal.store.classes import CellClass
from rbcal.store.evaluations import CurvePoint
from rbcal.store.job_requests import SimulateJob
from rbcal.store.project import Project, ProjectFile
from rbcal.store.simulations import Simulation
from rbcal.ui.downloads import offer_files, show_chart
from rbcal.wording import literal

FEWEST_IMAGES = 6  # annotated, beside the test set: a few to begin with and a few to choose from
_AXES: Mapping[str, Axis] = {"New cells": "cells", "Expert minutes": "minutes"}
_GO_ON = "What is done stays. If images were annotated since, a new simulation begins: it has other images."
_READING = (
    "Line: mean over the repeats, on the range that every run covers. Band: one standard deviation on either "
    "side. Dashed and grey: random."
)
_DIFFERENCE = (
    "Each order minus random order in the same repeat, which started from the same model. Band: 95 % "
    "bootstrap interval over the repeats, at each place alone; few repeats make it too narrow. The "
    "verdict rests on the mean over the range. By chance alone, about one in twenty such intervals misses "
    "the truth."
)


def show_curve(project: Project, curve: Sequence[CurvePoint]) -> None:
    """Show the project's own learning curve; if asked, with the simulated strategies behind it."""
    simulations = project.simulations.all()
    behind = bool(simulations) and st.toggle(
        "Show the curves of an experiment behind it",
        help="What other orders would have brought on the annotated images: see Experiments below.",
    )
    if not behind:
        show_chart(project, learning_curve(curve, project.classes.all()))
        return
    metrics = _metrics(project.classes.own())
    name = st.selectbox("Metric", metrics, key="live_metric")
    simulation = _chosen(simulations)
    grid = on_common_grid(arm_curves(project.simulations.points(simulation.id), metrics[name]))
    if grid is None:
        st.info(f"Simulation {simulation.id} has no curve of this metric yet.")
        return
    show_chart(project, view.live_chart(on_new_cells(curve), grid, metrics[name], name))
    st.caption(
        f"Points: the models of this project. Behind them: simulation {simulation.id}, which begins with its "
        "first images. It trains for a shorter time than you do, so compare the shapes, not the heights."
    )


def show_experiments(project: Project) -> None:
    """Show a simulation: settings, charts, figures; and how to begin one."""
    st.subheader("Experiments")
    simulations, active_id = project.simulations.all(), _active_id(project)
    if active_id is not None:
        st.fragment(_show_job, run_every=2)(project.file, _n_points(project))
    elif (job := launcher.watch(project)) is not None and (job.kind, job.state) == ("simulate", "failed"):
        st.error(f"The simulation failed. {job.reason}", icon=":material/error:")
    if not simulations:
        st.info(
            "What would another order of review have brought? An experiment goes through the annotated "
            "images of this project again, in several orders. Your annotations answer; nobody has to click.",
            icon=":material/science:",
        )
        show_form(project, expanded=active_id is None)
        return
    by_id = {each.id: each for each in reversed(simulations)}
    shown = simulations[-1].id
    if len(simulations) > 1:
        label = {
            each.id: words.label(each, project.simulations.points(each.id), active=each.id == active_id)
            for each in simulations
        }
        shown = st.selectbox("Simulation", by_id, format_func=label.__getitem__, key="simulation")
    show_simulation(project, by_id[shown], active=shown == active_id)
    show_form(project, expanded=False)


def show_simulation(project: Project, simulation: Simulation, *, active: bool) -> None:
    """Show one simulation."""
    points, classes = project.simulations.points(simulation.id), project.classes.all()
    state = words.state_words(simulation, points, active=active)
    st.markdown(f"**Simulation {simulation.id}: {state}.**")
    st.caption(literal(words.settings_words(simulation, points)))
    if not simulation.finished and not active:
        _offer_to_go_on(project, simulation)
    metrics = _metrics(project.classes.own())
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    name = left.selectbox("Metric", metrics, key="metric")
    axis = _AXES[
        middle.segmented_control("Against", _AXES, default="New cells", required=True, key="axis")
        or "New cells"
    ]
    target = right.number_input(
        "Target of the comparison",
        0.0,
        1.0,
        None,
        0.01,
        placeholder="random's last value",
        key="curve_target",
        help="How many cells (minutes) does each strategy need to come to it?",
    )
    arms = arm_curves(points, metrics[name], axis)
    grid = on_common_grid(arms)
    if grid is None:
        st.info(
            "The test set has no such cell, or the simulation is older than this figure: there is no curve."
            if points and not arms
            else "A curve appears when the first strategy has come through all of its rounds.",
            icon=":material/hourglass_empty:",
        )
        return
    names = simulation.config.strategies
    shown = (
        st.pills("Strategies", names, selection_mode="multi", default=names, key=f"shown_{names}")
        or names  # none chosen: all
    )
    every_run = st.toggle("Every single run", key="every_run")
    chart = view.curves_chart(grid, arms, axis, name, every_arm=every_run, shown=shown)
    show_chart(project, chart)
    minutes = words.cost_model_words(simulation.config) if axis == "minutes" else ""
    st.caption(f"{_READING} {words.unequal_words(grid)} {minutes}")
    stem = f"simulation-{simulation.id}-{axis}"
    every = view.points_table(points, _names(classes))
    offer_files(project, chart, view.curve_table(grid), stem, name, points=every)
    gained = view.difference_table(grid)
    if set(gained["Strategy"]) & set(shown):
        difference = view.difference_chart(grid, axis, name, shown=shown)
        show_chart(project, difference)
        st.caption(_DIFFERENCE)
        offer_files(project, difference, gained, f"{stem}-difference", name)
    table = view.summary_table(summaries(grid, target), axis, name)
    st.dataframe(table, hide_index=True)
    st.caption(
        f"± is one standard deviation over the repeats. Target: "
        f"{'what random had in the end, in the same repeats' if target is None else f'{target:.2f}'}; "
        f"× random below 1 means fewer {axis} than random. Computing took {words.computing_words(points)}."
    )


def show_form(project: Project, *, expanded: bool) -> None:
    """Ask for the settings of a simulation with the annotated images of this project, and start it."""
    with st.expander("Compare orders on the annotated images", icon=":material/science:", expanded=expanded):
        counts = project.images.counts()
        lacking = _lacking(project)
        if lacking:
            st.info(lacking)
        enough = max(FEWEST_IMAGES, counts.annotated_images)
        columns = st.columns(4)
        repeats = columns[0].number_input(
            "Repeats",
            1,
            100,
            SimulationConfig.repeats,
            help="10 or more for a claim; fewer than 5 make none.",
        )
        rounds = columns[1].number_input("Rounds", 1, 50, SimulationConfig.rounds)
        query = columns[2].number_input(
            "Cells in each round", 10, 10_000, SimulationConfig.query, 10, help="Whole images, until so many."
        )
        seeds = columns[3].number_input(
            "Images to begin with",
            1,
            enough - 2,
            min(SimulationConfig.seed_images, enough // 3),
            help="Seed images: annotated before the first round, drawn anew in each repeat.",
        )
        strategies = st.multiselect(
            "Orders to compare",
            offered(),
            SimulationConfig.strategies,
            help="\n".join(f"- **{name}**: {sentence}" for name, sentence in offered().items()),
        )
        if "random" not in strategies:
            st.warning("Without random order there is nothing to compare the others with.")
        cells = counts.annotated_cells * (1 - seeds / enough)
        if not lacking and rounds * query > cells:
            st.warning(
                f"About {cells:,.0f} annotated cells are left beside the first images, fewer than {rounds} "
                f"rounds of {query:,} take. Once the images run out, all orders come to the same."
            )
        if st.button(
            "Simulate", type="primary", disabled=bool(lacking) or not strategies, icon=":material/play_arrow:"
        ):
            config = SimulationConfig(
                strategies=tuple(strategies),
                repeats=int(repeats),
                rounds=int(rounds),
                query=int(query),
                seed_images=int(seeds),
            )
            _start(project, config)
        st.caption(
            "It takes minutes to hours, and you can use every page meanwhile. `rbcal simulate PROJECT "
            "--plan` says how long on this PC. Further orders or repeats of the same settings join it."
        )


def _lacking(project: Project) -> str:
    """Return what a simulation needs and the project has not, in words; empty if it can begin."""
    counts, job = project.images.counts(), launcher.watch(project)
    if not counts.test_cells:
        return (
            "A simulation is measured on the test set, and this project has none. Import images with boxes, "
            "and let a part of their groups become the test set."
        )
    if counts.annotated_images < FEWEST_IMAGES:
        return (
            f"A simulation needs at least {FEWEST_IMAGES} annotated images outside the test set; this "
            f"project has {counts.annotated_images:,}. Review more images first."
        )
    if job is not None and job.active:
        return "Another job is running. A simulation can begin when it has ended."
    return ""


def _start(project: Project, config: SimulationConfig) -> None:
    check_arms(*config.strategies)
    try:
        launcher.start(project.file, SimulateJob(config))
    except JobError as err:  # another tab was faster
        st.warning(str(err))
    else:
        st.rerun()


def _offer_to_go_on(project: Project, simulation: Simulation) -> None:
    job = launcher.watch(project)
    busy = job is not None and job.active
    if st.button("Go on with it", icon=":material/resume:", disabled=busy, help=_GO_ON):
        _start(project, simulation.config)


def _show_job(file: ProjectFile, n_points: int) -> None:
    """Show how far the simulation is; new curves, and its end, draw the page again."""
    with file.open() as project:
        job = launcher.watch(project)
        if job is None or not job.active or _n_points(project) != n_points:
            st.rerun(scope="app")
        words = f"{job.stage}: {job.step:,} of {job.steps:,}" if job.steps else job.stage
        bar, button = st.columns([5, 1], vertical_alignment="bottom")
        bar.progress(job.step / job.steps if job.steps else 0.0, words)
        if button.button("Cancel", icon=":material/stop:", width="stretch", disabled=job.cancel_requested):
            launcher.cancel(project)
            st.rerun(scope="fragment")
        st.caption("You may close the browser: the work goes on. What is done stays also when you cancel.")


def _metrics(classes: Sequence[CellClass]) -> dict[str, Metric]:
    """Return what a curve can be of, by name."""
    return {**METRICS, **{f"AP@0.5 of {each.name}": class_metric(each.label) for each in classes}}


def _names(classes: Sequence[CellClass]) -> list[str]:
    return [each.name for each in classes]


def _chosen(simulations: Sequence[Simulation]) -> Simulation:
    """Return the simulation that is chosen below, or the last one."""
    chosen = st.session_state.get("simulation")
    return next((each for each in simulations if each.id == chosen), simulations[-1])


def _n_points(project: Project) -> int:
    return sum(len(project.simulations.points(each.id)) for each in project.simulations.all())


def _active_id(project: Project) -> int | None:
    """Return the simulation that a job is at work on; 0 while it has not begun one, None without a job."""
    job = launcher.watch(project)
    if job is None or not job.active or not isinstance(job.request, SimulateJob):
        return None
    wanted = job.request.config

    def is_wanted(each: Simulation) -> bool:
        """Whether it differs in nothing but what the worker adds: earlier arms, and the times of reviews."""
        free = {name: getattr(each.config, name) for name in ("strategies", "repeats", "cost_model")}
        return not each.finished and each.config == replace(wanted, **free)

    return max((each.id for each in project.simulations.all() if is_wanted(each)), default=0)
