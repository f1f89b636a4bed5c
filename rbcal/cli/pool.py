"""Commands for the pool: score it, list it in the order of relevance."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from rbcal.cli.base import JsonOption, ProjectArgument, app, print_json, run
from rbcal.config import ScoringConfig
from rbcal.store.project import Project


@app.command()
def score(
    project: ProjectArgument,
    passes: Annotated[int, typer.Option(min=2, help="Stochastic passes, N.")] = ScoringConfig.passes,
    as_json: JsonOption = False,
) -> None:
    """Find and score the cells of every image in the pool with the serving model, and rank the images."""
    run(project, "score", {"score": replace(ScoringConfig(), passes=passes).to_json()})
    with Project.open(project) as opened:
        ranking, flagged = opened.rankings.current(), opened.rankings.flagged_in_pool()
        entries = opened.rankings.queue()
    n_cells = sum(entry.score.n_cells for entry in entries if entry.score)
    if as_json:
        model = None if ranking is None else ranking.model_id
        print_json({"model": model, "images": len(entries), "cells": n_cells, "flagged": flagged})
    else:
        typer.echo(f"{len(entries)} images ranked: {n_cells} cells, {flagged} of them flagged.")


@app.command()
def queue(
    project: ProjectArgument,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the pool, the most relevant image first."""
    with Project.open(project) as opened:
        ranking = opened.rankings.current()
        entries = opened.rankings.queue(limit)
    if as_json:
        print_json(
            {
                "model": None if ranking is None else ranking.model_id,
                "stale": None if ranking is None else ranking.stale,
                "images": [
                    {
                        "rank": rank,
                        "image_id": entry.image_id,
                        "image": entry.name,
                        "relevance": entry.score and entry.score.relevance,
                        "cells": entry.score and entry.score.n_cells,
                        "flagged": entry.score and entry.score.n_flagged,
                        "class_unsure": entry.score and entry.score.n_class,
                        "box_unsure": entry.score and entry.score.n_box,
                        "maybe_rare": entry.score and entry.score.n_rare,
                    }
                    for rank, entry in enumerate(entries, start=1)
                ],
            }
        )
        return
    if ranking is None:
        typer.echo("The pool is not ranked yet: train, then score. In the order of import:")
    elif ranking.stale:
        typer.echo(f"This ranking is by model {ranking.model_id}; a newer model serves. Score again.")
    typer.echo(f"{'rank':>4} {'R':>7} {'cells':>6} {'flagged':>8}  image")
    for rank, entry in enumerate(entries, start=1):
        if entry.score is None:
            typer.echo(f"{rank:4} {'-':>7} {'-':>6} {'-':>8}  {entry.name}")
        else:
            score = entry.score
            typer.echo(f"{rank:4} {score.relevance:7.0f} {score.n_cells:6} {score.n_flagged:8}  {entry.name}")
