"""The command line: the acts of the app without a browser.

Exit code 0 is success, 1 an input that cannot be used, 2 a wrong argument. With ``--json`` a command prints
one JSON document on stdout and nothing else there; progress goes to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from tqdm import tqdm
from typer.core import TyperGroup

from rbcal import __version__
from rbcal.config import Backbone, Initialisation, ScoringConfig, TrainConfig
from rbcal.errors import RbcalError
from rbcal.formats import coco
from rbcal.metrics import Evaluation
from rbcal.store.classes import RBC7, RBC7_RARE
from rbcal.store.jobs import Kind
from rbcal.store.project import Project, project_path
from rbcal.work import importing, jobs, worker

_Item = TypeVar("_Item")


class _Commands(TyperGroup):
    """Ends with exit code 1 and one sentence where the input cannot be used."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RbcalError as err:
            typer.echo(f"Error: {err}", err=True)
            raise typer.Exit(1) from err


app = typer.Typer(
    cls=_Commands,
    help="Teach a detector to find and subtype red blood cells with the fewest possible clicks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProjectArgument = Annotated[
    Path,
    typer.Argument(
        parser=project_path, metavar="PROJECT", help="A path NAME.rbcal, or the name of one in ./projects."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def init(
    project: ProjectArgument,
    preset: Annotated[str | None, typer.Option(help="rbc7: the paper's seven subtypes.")] = None,
    classes: Annotated[str | None, typer.Option(help="Comma-separated, in the order of their keys.")] = None,
    rare: Annotated[str | None, typer.Option(help="Comma-separated: the classes that are rare.")] = None,
) -> None:
    """Create a project. Without classes, the first import brings them."""
    if preset is not None and (preset != "rbc7" or classes is not None):
        raise typer.BadParameter("give --preset rbc7, or --classes a,b,c, or neither.")
    names = RBC7 if preset else _listed(classes)
    marked = RBC7_RARE if preset and rare is None else _listed(rare)
    if names and (unknown := [name for name in marked if name not in names]):
        raise typer.BadParameter(f"--rare names {unknown[0]!r}, which is not one of the classes.")
    Project.create(project, classes=names, rare=marked).close()
    typer.echo(f"Created {project}", err=True)


@app.command(name="import")
def import_(
    project: ProjectArgument,
    images: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the pictures.")],
    coco_file: Annotated[
        Path | None, typer.Option("--coco", exists=True, dir_okay=False, help="COCO JSON with the boxes.")
    ] = None,
    seed_images: Annotated[
        int | None, typer.Option(min=0, help="Only that many images keep their boxes; default: all.")
    ] = None,
    test_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Part of the groups that becomes the frozen test set.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the random draws.")] = 0,
    group: Annotated[str | None, typer.Option(help="Slide or patient, where the file names none.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Import pictures and boxes. What cannot be used is named, one by one, and skipped."""
    with Project.open(project) as opened:
        report = importing.import_images(
            opened,
            importing.folder(images),
            annotations=None if coco_file is None else coco.read(coco_file.read_bytes()),
            seed_images=seed_images,
            test_fraction=test_fraction,
            seed=seed,
            group=group,
            track=_bar,
        )
    for complaint in report.complaints:
        typer.echo(f"Note: {complaint}", err=True)
    if as_json:
        _print_json(asdict(report))
        return
    typer.echo(
        f"{report.added} images added ({report.pool_images} to the pool), {report.known} were there already; "
        f"boxes for {report.seed_images} images to train on and {report.test_images} of the test set, "
        f"{report.cells} cells; {len(report.complaints)} notes."
    )
    if report.new_classes:
        typer.echo(f"New classes: {', '.join(report.new_classes)}")


@app.command()
def train(
    project: ProjectArgument,
    backbone: Annotated[Backbone, typer.Option(help="The detector's backbone.")] = TrainConfig.backbone,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = TrainConfig.steps,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = TrainConfig.device,
    seed: Annotated[int, typer.Option(help="Of weights, order, augmentation, dropout.")] = TrainConfig.seed,
    init: Annotated[Initialisation, typer.Option(help="Where the backbone starts.")] = TrainConfig.init,
    weights: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with the backbone's weights.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a detector on the annotated images and measure it on the test set."""
    config = TrainConfig(
        backbone=backbone,
        steps=steps,
        device=device,
        seed=seed,
        init=init,
        weights=None if weights is None else str(weights),
    )
    _run(project, "train", {"train": config.to_json()})
    with Project.open(project) as opened:
        model = opened.models.serving()
        if model is None:
            raise typer.Exit(1)
        figures = opened.evaluations.of(model.id)
        names = opened.classes.names()
    if as_json:
        document = {"model": model.id, "images": model.n_images, "cells": model.n_cells}
        measured = None if figures is None else _figures(figures, names)
        _print_json({**document, "seconds": round(model.seconds, 1), "evaluation": measured})
        return
    typer.echo(
        f"Model {model.id}: {model.n_images} images, {model.n_cells} cells, trained in {model.seconds:.0f} s."
    )
    if figures is None:
        typer.echo("There is no test set, so it was not measured.")
    else:
        _print_figures(figures, names)


@app.command()
def score(
    project: ProjectArgument,
    passes: Annotated[int, typer.Option(min=2, help="Stochastic passes, N.")] = ScoringConfig.passes,
    as_json: JsonOption = False,
) -> None:
    """Find and score the cells of every image in the pool with the newest model, and rank the images."""
    _run(project, "score", {"score": replace(ScoringConfig(), passes=passes).to_json()})
    with Project.open(project) as opened:
        ranking, flagged = opened.rankings.current(), opened.rankings.flagged_in_pool()
        entries = opened.rankings.queue()
    n_cells = sum(entry.score.n_cells for entry in entries if entry.score)
    if as_json:
        model = None if ranking is None else ranking.model_id
        _print_json({"model": model, "images": len(entries), "cells": n_cells, "flagged": flagged})
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
        _print_json(
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


@app.command()
def evaluate(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Measure the newest model on the frozen test set."""
    _run(project, "evaluate", {})
    with Project.open(project) as opened:
        point = opened.evaluations.curve()[-1]
        names = opened.classes.names()
    if as_json:
        cells = {"annotated_images": point.n_images, "annotated_cells": point.n_cells}
        _print_json({"model": point.model_id, **cells, **_figures(point.evaluation, names)})
    else:
        typer.echo(f"Model {point.model_id}, trained on {point.n_cells} cells of {point.n_images} images")
        _print_figures(point.evaluation, names)


@app.command()
def status(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Say how far a project is."""
    with Project.open(project) as opened:
        counts = opened.images.counts()
        cells = opened.reviews.cells_per_class()
        model, ranking, job = opened.models.serving(), opened.rankings.current(), jobs.watch(opened)
        document = {
            "project": opened.name,
            "path": str(opened.path),
            **asdict(counts),
            "classes": [
                {"name": each.name, "rare": each.rare, "annotated_cells": cells.get(each.label, 0)}
                for each in opened.classes.all()
            ],
            "review_seconds": round(opened.reviews.expert_seconds(), 1),
            "model": model
            and {"id": model.id, "backbone": model.config.backbone, "annotated_cells": model.n_cells},
            "ranking": ranking and {"model": ranking.model_id, "stale": ranking.stale},
            "flagged_in_pool": opened.rankings.flagged_in_pool(),
            "job": job and {"kind": job.kind, "state": job.state, "stage": job.stage, "reason": job.reason},
        }
    if as_json:
        _print_json(document)
        return
    typer.echo(f"{document['project']}: {counts.images} images in {counts.groups} groups")
    typer.echo(f"  annotated  {counts.annotated_images} images, {counts.annotated_cells} cells")
    typer.echo(f"  pool       {counts.pool_images} images")
    typer.echo(f"  test set   {counts.test_images} images, {counts.test_cells} cells, frozen")
    typer.echo(f"  model      {'none yet' if model is None else f'{model.id} ({model.config.backbone})'}")
    if ranking is not None:
        stale = ", stale: score again" if ranking.stale else ""
        typer.echo(
            f"  ranking    by model {ranking.model_id}{stale}; {document['flagged_in_pool']} flagged cells"
        )
    if job is not None:
        typer.echo(f"  last job   {job.kind}: {job.state}{f' ({job.reason})' if job.reason else ''}")


def _run(path: Path, kind: Kind, config: Mapping[str, Any]) -> None:
    """Do a job in this process, with a progress bar; the app shows it as it would its own."""
    with Project.open(path) as project:
        jobs.watch(project)
        job_id = project.jobs.add(kind, config)
    with redirect_stdout(sys.stderr):  # libraries that talk while they fetch weights
        worker.run(path, job_id, show=True)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _bar(items: Sequence[_Item]) -> Iterable[_Item]:
    return tqdm(items, desc="Importing", file=sys.stderr, leave=False, disable=None)


def _print_json(document: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))


def _figures(figures: Evaluation, names: Sequence[str]) -> dict[str, Any]:
    return {
        "precision_all": figures.precision_all,
        "map_50": figures.map_50,
        "map_50_95": figures.map_50_95,
        "rare_ap_50": figures.rare_ap_50,
        "test_images": figures.n_images,
        "test_cells": sum(figures.n_cells),
        "classes": [
            {"name": name, "ap_50": ap, "test_cells": n_cells}
            for name, ap, n_cells in zip(names, figures.ap_50, figures.n_cells, strict=False)
        ],
    }


def _print_figures(figures: Evaluation, names: Sequence[str]) -> None:
    rare = "no rare cell" if figures.rare_ap_50 is None else f"{figures.rare_ap_50:.3f}"
    typer.echo(
        f"  Precision_all (9)  {figures.precision_all:.3f}   AP@0.5 weighted by the cells of each class"
    )
    typer.echo(f"  mAP@0.5            {figures.map_50:.3f}")
    typer.echo(f"  mAP@[.5:.95]       {figures.map_50_95:.3f}")
    typer.echo(f"  rare-class AP@0.5  {rare}")
    for name, ap, n_cells in zip(names, figures.ap_50, figures.n_cells, strict=False):
        typer.echo(f"    {name:24} {'    -' if ap is None else f'{ap:.3f}'}  of {n_cells} test cells")
