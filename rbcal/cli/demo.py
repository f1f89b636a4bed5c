"""Commands that make something to try rbcal out on: synthetic slides, and the whole loop on them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rbcal.charts.learning_curve import metrics_table
from rbcal.charts.synthetic_mark import MARK
from rbcal.cli.base import JsonOption, OverwriteOption, app, echo, print_json, run
from rbcal.cli.progress_bar import progress_bar
from rbcal.interchange import synthetic_dataset
from rbcal.simulation import demo_loop
from rbcal.store.project import Project, project_path
from rbcal.wording import count


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", file_okay=False, help="A new folder.")],
    images: Annotated[
        int, typer.Option(min=1, help="How many images, ten a slide.")
    ] = synthetic_dataset.DEMO_IMAGES,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw: the same seed, the same images.")] = 0,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw synthetic slides of the paper's seven subtypes, with exact boxes, as a COCO data set.

    For rbcal simulate --coco OUT/annotations.json --images OUT/images, or for rbcal import.
    """
    n_cells = synthetic_dataset.write_dataset(out, images, seed, progress_bar("Drawing"), overwrite=overwrite)
    if as_json:
        print_json({"folder": str(out), "images": images, "cells": n_cells, "seed": seed, "synthetic": True})
    else:
        echo(f"{images:,} synthetic images with {count(n_cells, 'cell')} are in {out}.")


@app.command()
def demo(
    project: Annotated[
        Path,
        typer.Argument(
            parser=project_path, metavar="[PROJECT]", help="Made if it is not there; else it goes on."
        ),
    ] = "demo",  # type: ignore[assignment]  # the parser makes a path of it
    rounds: Annotated[int, typer.Option(min=1, help="Of ranking, reviewing and training.")] = 3,
    cells: Annotated[int, typer.Option(min=1, help="Reviewed in each round.")] = demo_loop.CELLS,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = demo_loop.TRAINING.steps,
    seed: Annotated[int, typer.Option(min=0, help="Of the slides and of the training.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Go through the whole loop on synthetic slides, with a simulated expert; a few minutes.

    Every step is the real one, over the project file: open it in the app afterwards.
    """
    if not project.exists():
        synthetic_dataset.create_demo(project, seed, progress_bar("Drawing"))
    training = replace(demo_loop.TRAINING, steps=steps, seed=seed)
    with Project.open(project) as opened:
        demo_loop.rehearse(
            opened,
            partial(run, project),
            rounds=rounds,
            cells=cells,
            training=training,
            say=lambda line: echo(line, err=True),
        )
        curve = opened.evaluations.curve()
        minutes = [opened.reviews.expert_seconds(point.created_at) / 60 for point in curve]
    table = metrics_table(curve)
    table["Expert minutes"] = minutes
    if as_json:
        curve_rows = table.astype(object).where(table.notna(), None).to_dict("records")
        print_json({"project": str(project), "synthetic": True, "curve": curve_rows})
        return
    echo(f"{MARK}, simulated expert. Figures on the test set:", "")
    columns = [
        "Annotated cells",
        "Precision_all",
        "mAP@0.5",
        "Rare-class AP@0.5",
        "Macro F1",
        "Expert minutes",
    ]
    words = table[columns].to_string(
        index=False, float_format="{:.3f}".format, formatters={"Expert minutes": "{:.1f}".format}
    )
    echo(*words.splitlines())
    echo("", f"Minutes are expected ones: no expert was timed. Open {project} in the app to go on.")
