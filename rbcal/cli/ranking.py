"""Commands for the pool: score it, list it in the order of relevance."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES, DEFAULT_CELL_STRATEGY
from rbcal.acquisition.strategies import DEFAULT_STRATEGY, STRATEGIES, check_strategy
from rbcal.cli.base import JsonOption, ProjectArgument, RayOption, app, echo, print_json, run
from rbcal.config import ScoringConfig
from rbcal.errors import ProjectError
from rbcal.jobs.live import update, why_not
from rbcal.review.explanations import BATCH, batch_words, why
from rbcal.store.job_requests import RankJob, ScoreJob
from rbcal.store.project import Project
from rbcal.store.queue import QueueEntry
from rbcal.wording import count

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
    run(project, ScoreJob(config, strategy, ray))
    with Project.open(project) as opened:
        ranking, flagged = opened.rankings.current(), opened.queue.flagged_in_pool()
        entries = opened.queue.top()
    n_cells = sum(entry.score.n_cells for entry in entries if entry.score)
    if as_json:
        model = None if ranking is None else ranking.model_id
        print_json({"model": model, "images": len(entries), "cells": n_cells, "flagged": flagged})
    else:
        echo(f"{count(len(entries), 'image')} ranked: {count(n_cells, 'cell')}, {flagged:,} of them red.")


@app.command()
def rank(project: ProjectArgument, strategy: StrategyOption = DEFAULT_STRATEGY) -> None:
    """Order the ranked pool by another strategy, in seconds: no image is looked at."""
    check_strategy(strategy)
    run(project, RankJob(strategy))
    with Project.open(project) as opened:
        coming = opened.queue.top(BATCH)
        names, rare = opened.classes.names(), opened.classes.rare_labels()
    echo(f"The images that wait are in the order of {strategy}. {batch_words(coming, names, rare)}.")


@app.command()
def live(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Let names learn from all saved answers now, as the app does after each save; no training."""
    with Project.open(project) as opened:
        if (reason := why_not(opened)) is not None:
            raise ProjectError(reason)
        ranking = opened.rankings.current()
        before = ranking and opened.rankings.pool(ranking.id).probs[:, 1:].argmax(axis=1)
        done = update(opened)
        if done is None or ranking is None:
            raise ProjectError("The pool was ranked again meanwhile. Try once more.")
        after = opened.rankings.pool(ranking.id).probs[:, 1:].argmax(axis=1)
    n_renamed = int((before != after).sum())
    if as_json:
        figures = {"labelled_cells": done.n_cells, "new_answers": done.n_new, "predicted_cells": len(after)}
        print_json(
            {"model": done.model_id, **figures, "renamed": n_renamed, "seconds": round(done.seconds, 3)}
        )
        return
    echo(
        f"Fitted to {done.n_cells:,} labelled cells in {done.seconds:.1f} s; {done.n_new:,} of them are "
        f"answers since the training. {n_renamed:,} of {len(after):,} predicted cells have another name now. "
        "Not measured on the test set."
    )


@app.command()
def strategies() -> None:
    """List the strategies that order the images of the pool, or choose cells, and what each goes by."""
    echo("Images: rbcal score, rbcal rank")
    for name, strategy in STRATEGIES.items():
        echo(f"{name:<20} {strategy.sentence}{'  (default)' if name == DEFAULT_STRATEGY else ''}")
    echo("", "Cells, whatever image they are in: rbcal cells, rbcal simulate")
    for name, of_cells in CELL_STRATEGIES.items():
        echo(f"{name:<20} {of_cells.sentence}{'  (default)' if name == DEFAULT_CELL_STRATEGY else ''}")


@app.command()
def queue(
    project: ProjectArgument,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the pool in the order of its strategy, and why each image is where it is."""
    with Project.open(project) as opened:
        ranking, names = opened.rankings.current(), opened.classes.names()
        entries = opened.queue.top(limit)
        reasons = [why(ranking.strategy, entry, names) if ranking else None for entry in entries]
        likely = [{names[label]: n for label, n in entry.likely_cells.items()} for entry in entries]
    if as_json:
        images = enumerate(zip(entries, reasons, strict=True), start=1)
        print_json(
            {
                "model": ranking and ranking.model_id,
                "stale": ranking and ranking.stale,
                "strategy": ranking and ranking.strategy,
                "images": [
                    _as_json(rank, entry, reason) | {"likely_cells": cells}
                    for (rank, (entry, reason)), cells in zip(images, likely, strict=True)
                ],
            }
        )
        return
    if ranking is None:
        echo("The images that wait are not sorted yet: train, then score. In the order of import:")
    elif ranking.stale:
        echo(f"This ranking is by model {ranking.model_id}; a newer model is in use. Score again.")
    echo(f"{'rank':>4} {'R':>7} {'cells':>6} {'red':>8}  image: why")
    for rank, (entry, reason) in enumerate(zip(entries, reasons, strict=True), start=1):
        echo(_as_line(rank, entry, reason))


def _as_json(rank: int, entry: QueueEntry, reason: str | None) -> dict[str, Any]:
    score = entry.score
    return {
        "rank": rank,
        "image_id": entry.image_id,
        "image": entry.name,
        "relevance": score and score.relevance,
        "cells": score and score.n_cells,
        "flagged": score and score.n_flagged,
        "red": score and score.red,
        "class_unsure": score and score.n_class,
        "box_unsure": score and score.n_box,
        "maybe_rare": score and score.n_rare,
        "value": score and score.value,
        "terms": score and dict(score.terms),
        "propensity": score and score.propensity,
        "why": reason,
    }


def _as_line(rank: int, entry: QueueEntry, reason: str | None) -> str:
    score = entry.score
    if score is None:
        return f"{rank:4} {'-':>7} {'-':>6} {'-':>8}  {entry.name}"
    figures = f"{score.relevance:7.0f} {score.n_cells:6} {score.red:8}"
    return f"{rank:4} {figures}  {entry.name}: {reason or ''}"
