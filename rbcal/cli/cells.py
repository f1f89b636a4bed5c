"""The command for cells: which to name next, whatever image they are in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from rbcal.acquisition.cell_strategies import DEFAULT_CELL_STRATEGY, check_cell_strategy
from rbcal.cli.base import JsonOption, ProjectArgument, app, echo, print_json
from rbcal.errors import ProjectError
from rbcal.jobs.cells import AskedCell, cells_to_ask
from rbcal.store.cell_filters import Size
from rbcal.store.project import Project


@app.command()
def cells(
    project: ProjectArgument,
    limit: Annotated[int, typer.Option(min=1, help="How many cells.")] = 20,
    strategy: Annotated[
        str, typer.Option(help="How they are chosen; see rbcal strategies.")
    ] = DEFAULT_CELL_STRATEGY,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Only cells that the model names so now.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only cells of that slide or patient.")] = None,
    by_size: Annotated[
        Size | None, typer.Option(help="Which come first, whatever the strategy, by the area of their boxes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the cells to name next, of all images that wait, and how likely you would change each."""
    check_cell_strategy(strategy)
    with Project.open(project) as opened:
        names = opened.classes.names()
        label = None if class_name is None else _label(class_name, names)
        if group is not None and group not in opened.images.group_splits():
            slides = ", ".join(opened.images.group_splits())
            raise ProjectError(f"There is no slide {group!r} in this project. Choose one of: {slides}.")
        query = cells_to_ask(opened, limit, strategy, label, by_size=by_size, group=group)
    if as_json:
        print_json(
            {
                "model": query.ranking.model_id,
                "stale": query.ranking.stale,
                "strategy": by_size or strategy,
                "waiting": query.n_cells,
                "cells": [_as_json(rank, cell, names) for rank, cell in enumerate(query.cells, start=1)],
            }
        )
        return
    if query.ranking.stale:
        echo(f"This ranking is by model {query.ranking.model_id}; a newer model is in use. Score again.")
    order = f"the {by_size} first" if by_size else f"by {strategy}"
    whose = "" if class_name is None else f" named {class_name}"
    echo(f"{len(query.cells)} of {query.n_cells:,} cells{whose} that wait, {order}:")
    width = max([5, *(len(names[cell.label]) for cell in query.cells)])
    echo(f"{'rank':>4} {'class':<{width}} {'p':>4} {'change':>6} {'value':>10}  image: box (x1, y1, x2, y2)")
    for rank, cell in enumerate(query.cells, start=1):
        echo(_as_line(rank, cell, names[cell.label].ljust(width)))


def _label(name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise ProjectError(f"There is no class {name!r} in this project. Choose one of: {', '.join(names)}.")
    return names.index(name)


def _as_json(rank: int, cell: AskedCell, names: tuple[str, ...]) -> dict[str, Any]:
    figures = {**asdict(cell), "box": [round(float(side), 2) for side in cell.box]}
    del figures["embedding"]
    return {"rank": rank, **figures, "class": names[figures.pop("label")]}


def _as_line(rank: int, cell: AskedCell, name: str) -> str:
    change = "-" if cell.change_probability is None else f"{cell.change_probability:.0%}"
    box = ", ".join(f"{side:.0f}" for side in cell.box)
    return f"{rank:4} {name} {cell.p:4.2f} {change:>6} {cell.value:10.4g}  {cell.image}: {box}"
