"""The command for experiments: learning curves of strategies on images whose annotations play the expert."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES, check_arms
from rbcal.charts.simulation import summary_table
from rbcal.charts.synthetic_mark import MARK
from rbcal.cli.base import JsonOption, RayOption, app, echo, listed, print_json, run
from rbcal.config import BACKBONES, Backbone, SimulationConfig, Unit
from rbcal.errors import ProjectError
from rbcal.evaluation.learning_curves import METRICS, arm_curves, on_common_grid
from rbcal.evaluation.strategy_comparison import summaries
from rbcal.formats import coco, files
from rbcal.interchange import import_images
from rbcal.store.job_requests import SimulateJob
from rbcal.store.project import Project, project_path, projects_folder
from rbcal.wording import duration

_TEST_FRACTION = 0.3
_QUERY = re.compile(r"(\d+)\s*(cells|images)?")
_DEFAULT = SimulationConfig()


@app.command()
def simulate(
    project: Annotated[
        Path | None,
        typer.Argument(
            parser=project_path,
            metavar="[PROJECT]",
            help="Its annotated images play pool and expert; or give --coco and --images.",
        ),
    ] = None,
    coco_file: Annotated[
        Path | None, typer.Option("--coco", exists=True, dir_okay=False, help="COCO JSON with the boxes.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(exists=True, help="Folder or zip archive of the pictures of --coco.")
    ] = None,
    rare: Annotated[str | None, typer.Option(help="Of --coco: the classes that are rare.")] = None,
    strategies: Annotated[str, typer.Option(help="Comma-separated; see rbcal strategies.")] = ",".join(
        _DEFAULT.strategies
    ),
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each strategy.")] = _DEFAULT.repeats,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each run.")] = _DEFAULT.rounds,
    seed_images: Annotated[
        int, typer.Option(min=1, help="Images annotated before the first round.")
    ] = _DEFAULT.seed_images,
    query: Annotated[
        str, typer.Option(help="What the expert annotates in a round: 200cells or 10images.")
    ] = f"{_DEFAULT.query}{_DEFAULT.unit}",
    pool_sample: Annotated[
        int,
        typer.Option("--candidates", min=1, help="Images drawn from the pool in a round, that are ordered."),
    ] = _DEFAULT.pool_sample,
    steps: Annotated[int, typer.Option(min=1, help="Of training in a round.")] = _DEFAULT.steps,
    seed_steps: Annotated[
        int, typer.Option(min=1, help="Of training on the seed images.")
    ] = _DEFAULT.seed_steps,
    backbone: Annotated[Backbone, typer.Option(help="The detector's backbone.")] = BACKBONES[0],
    weights: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with the backbone's weights.")
    ] = None,
    second_look: Annotated[
        bool | None,
        typer.Option(
            "--second-look/--no-second-look",
            help="Cells are named from crops, too. Left out: with strategies over cells.",
        ),
    ] = None,
    live_every: Annotated[
        int, typer.Option(min=1, help="Over cells: answers until names and order follow.")
    ] = _DEFAULT.live_every,
    cell_seconds: Annotated[
        str, typer.Option(help="Over cells: seconds of a cell alone, side by side, more for a change.")
    ] = ",".join(f"{each:g}" for each in _DEFAULT.cell_costs),
    error_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Which share of the expert's answers is given at random.")
    ] = _DEFAULT.error_rate,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = _DEFAULT.seed,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = _DEFAULT.device,
    processes: Annotated[int, typer.Option(min=0, help="Runs side by side; 0: one per core.")] = 0,
    ray: RayOption = None,
    only_estimate: Annotated[
        bool, typer.Option("--plan", help="Say what it would cost, and do nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let strategies race on annotated images: precision against annotated cells, relevance against random.

    Strategies whose names begin with cells_ ask for single cells of all images. The strategy none is a
    control: the same training, nothing annotated.

    What is done is kept: run the same command again after a cancel, or with more strategies or repeats.
    """
    if coco_file is not None and images is not None and project is None:
        path = _project_of(coco_file, images, listed(rare))
    elif project is not None and coco_file is None and images is None:
        path = project
    else:
        raise typer.BadParameter("give a PROJECT, or --coco FILE with --images DIR.")
    amount, unit = _amount(query)
    config = SimulationConfig(
        strategies=listed(strategies),
        repeats=repeats,
        rounds=rounds,
        seed_images=seed_images,
        query=amount,
        unit=unit,
        pool_sample=pool_sample,
        steps=steps,
        seed_steps=seed_steps,
        backbone=backbone,
        weights=None if weights is None else str(weights.resolve()),
        second_look=_with_cells(strategies) if second_look is None else second_look,
        live_every=live_every,
        cell_costs=_three(cell_seconds),
        error_rate=error_rate,
        seed=seed,
        device=device,
    )
    check_arms(*config.strategies)
    if only_estimate:
        _print_estimate(path, config, processes or os.cpu_count() or 1, as_json=as_json)
    else:
        run(path, SimulateJob(config, processes, ray))
        _print_curves(path, config, as_json=as_json)


def _amount(query: str) -> tuple[int, Unit]:
    """Return how much a round brings, and of what."""
    amount = _QUERY.fullmatch(query.strip())
    if amount is None:
        raise typer.BadParameter(f"--query is a number of cells or images such as 200cells, not {query!r}.")
    return int(amount[1]), "images" if amount[2] == "images" else "cells"


def _with_cells(strategies: str) -> bool:
    return any(name in CELL_STRATEGIES for name in listed(strategies))


def _three(text: str) -> tuple[float, float, float]:
    try:
        alone, side_by_side, change = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--cell-seconds are three numbers such as 3,1,4, not {text!r}.") from None
    return alone, side_by_side, change


def _print_curves(path: Path, config: SimulationConfig, *, as_json: bool) -> None:
    """Print what a simulation came to."""
    from rbcal.jobs.simulate import with_fitted_costs  # late: it loads torch, which takes seconds

    with Project.open(path) as project:
        simulation = project.simulations.find(with_fitted_costs(project, config))
        if simulation is None:
            raise ProjectError("Somebody removed the simulation meanwhile. Start it again.")
        points, is_synthetic = project.simulations.points(simulation.id), project.is_synthetic
    if as_json:
        print_json(
            {
                "project": str(path),
                "synthetic": is_synthetic,
                "simulation": simulation.id,
                "images": simulation.images,
                "config": asdict(config),
                "points": [asdict(point) for point in points],
            }
        )
        return
    mark = f"{MARK}: " if is_synthetic else ""
    for metric in METRICS:
        curves = on_common_grid(arm_curves(points, METRICS[metric]))
        if curves is not None:
            table = summary_table(summaries(curves), "cells", metric)
            rows = table.to_string(index=False).splitlines()
            echo(f"{mark}{metric}, against newly annotated cells", *rows, "")
    echo(f"The curves are on the Progress page of {path}.")


def _print_estimate(path: Path, config: SimulationConfig, processes: int, *, as_json: bool) -> None:
    """Print what a simulation would cost, and how much of it is done."""
    from rbcal.jobs import simulate as job  # late: they load torch, which takes seconds
    from rbcal.simulation.arm import Arm, arms
    from rbcal.simulation.runtime_estimate import estimate_runtime

    with Project.open(path) as project:
        corpus = job.load_corpus(project)
        job.check(config, corpus)
        stored = project.simulations.find(job.with_fitted_costs(project, config), corpus.sha256)
        points = [] if stored is None else project.simulations.points(stored.id)
    estimate = estimate_runtime(corpus, config, processes)
    n_done = len({Arm(each.repeat, each.strategy) for each in points} & {*arms(config)})
    if as_json:
        print_json({**asdict(estimate), "arms_done": n_done, "rounds_per_hour": estimate.rounds_per_hour})
        return
    echo(
        f"{len(config.strategies)} strategies x {config.repeats} repeats = {estimate.n_arms} arms of "
        f"{config.rounds} rounds, about {estimate.cells_per_arm:,} new cells in each; {n_done:,} are done."
    )
    echo(
        f"About {duration(estimate.seconds * (1 - n_done / estimate.n_arms))} with {estimate.processes} "
        f"processes, by steps timed now: {estimate.rounds_per_hour:.0f} rounds an hour."
    )


def _project_of(coco_file: Path, images: Path, rare: Sequence[str]) -> Path:
    """Return a project of these images in ./projects, made the first time, found again later."""
    content = coco_file.read_bytes()
    mark = hashlib.sha256(content + repr(sorted(rare)).encode()).hexdigest()[:8]
    path = projects_folder() / f"simulation-{coco_file.stem}-{mark}.rbcal"
    if path.exists():
        return path
    dataset = coco.read(content)
    if unknown := [name for name in rare if name not in dataset.classes]:
        raise typer.BadParameter(f"--rare names {unknown[0]!r}, which is not one of the classes.")
    with Project.build(path, classes=dataset.classes, rare=rare) as project:
        report = import_images.import_images(
            project, files.located(images), annotations=dataset, test_fraction=_TEST_FRACTION
        )
        if not report.test_images:
            raise ProjectError(
                f"None of the pictures that {coco_file.name} names is usable, so there is no test set. "
                "Check --images."
            )
    echo(f"{path}: {report.added:,} images, {report.test_images:,} of them the frozen test set", err=True)
    return path
