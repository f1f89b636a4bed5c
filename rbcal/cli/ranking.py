"""Commands for the pool: score it, list it in the order of relevance."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from rbcal.cli.base import JsonOption, ProjectArgument, RayOption, app, print_json, run
from rbcal.config import DEFAULT_STRATEGY, LADDER, STRATEGIES, ScoringConfig, check_strategy
from rbcal.review.explanations import BATCH, batch_words, why
from rbcal.store.project import Project

StrategyOption = Annotated[str, typer.Option(help="How the pool is ordered; see rbcal strategies.")]


@app.command()
def score(
    project: ProjectArgument,
    passes: Annotated[int, typer.Option(min=2, help="Stochastic passes, N.")] = ScoringConfig.passes,
    strategy: StrategyOption = DEFAULT_STRATEGY,
    ray: RayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find and score the cells of every image in the pool with the serving model, and rank the images."""
    check_strategy(strategy)
    config = replace(ScoringConfig(), passes=passes)
    run(project, "score", {"score": config.to_json(), "strategy": strategy, "ray": ray})
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
def rank(project: ProjectArgument, strategy: StrategyOption = DEFAULT_STRATEGY) -> None:
    """Order the ranked pool by another strategy, in seconds: no image is looked at."""
    check_strategy(strategy)
    run(project, "rank", {"strategy": strategy})
    with Project.open(project) as opened:
        coming = opened.rankings.queue(BATCH)
        names, rare = opened.classes.names(), opened.classes.rare_labels()
    typer.echo(f"The pool is in the order of {strategy}. {batch_words(coming, names, rare)}.")


@app.command()
def strategies() -> None:
    """List the strategies that can order the pool, and what each goes by."""
    for name, about in {**STRATEGIES, **LADDER}.items():
        typer.echo(f"{name:<20} {about}{'  (default)' if name == DEFAULT_STRATEGY else ''}")


@app.command()
def queue(
    project: ProjectArgument,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the pool in the order of its strategy, and why each image is where it is."""
    with Project.open(project) as opened:
        ranking = opened.rankings.current()
        entries = opened.rankings.queue(limit)
        names = opened.classes.names()
    if as_json:
        print_json(
            {
                "model": None if ranking is None else ranking.model_id,
                "stale": None if ranking is None else ranking.stale,
                "strategy": None if ranking is None else ranking.strategy,
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
                        "value": entry.score and entry.score.value,
                        "terms": entry.score and dict(entry.score.terms),
                        "propensity": entry.score and entry.score.propensity,
                        "why": ranking and why(ranking.strategy, entry, names),
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
    typer.echo(f"{'rank':>4} {'R':>7} {'cells':>6} {'flagged':>8}  image: why")
    for rank, entry in enumerate(entries, start=1):
        if entry.score is None:
            typer.echo(f"{rank:4} {'-':>7} {'-':>6} {'-':>8}  {entry.name}")
        else:
            score = entry.score
            reason = "" if ranking is None else why(ranking.strategy, entry, names)
            figures = f"{score.relevance:7.0f} {score.n_cells:6} {score.n_flagged:8}"
            typer.echo(f"{rank:4} {figures}  {entry.name}: {reason}")
