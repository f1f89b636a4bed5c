"""Commands for models: train, measure, compare, choose, export."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from rbcal.benchmarks.store_speed import bench_store
from rbcal.benchmarks.tables import bench_table, store_table
from rbcal.charts.few_cells import few_rare_cells, interval_words, rare_words
from rbcal.charts.model_tables import PRUNING_RULE, origin
from rbcal.charts.synthetic_mark import MARK
from rbcal.cli.base import JsonOption, ProjectArgument, app, echo, print_json, run
from rbcal.config import BACKBONES, Backbone, Initialisation, ScoringConfig, TrainConfig
from rbcal.evaluation.metrics import ClassIntervals, Evaluation
from rbcal.jobs import distributed_train
from rbcal.store.classes import CellClass
from rbcal.store.job_requests import EvaluateJob, ResumeJob, TrainJob
from rbcal.store.project import Project
from rbcal.wording import count, duration


@app.command()
def train(
    project: ProjectArgument,
    backbone: Annotated[Backbone, typer.Option(help="The detector's backbone.")] = TrainConfig.backbone,
    second_look: Annotated[
        bool,
        typer.Option(
            help="Name each cell from a crop of its own as well; vgg16 without it is the paper's model."
        ),
    ] = TrainConfig.second_look,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps; default: as many as the images warrant.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = TrainConfig.device,
    seed: Annotated[
        int, typer.Option(min=0, help="Of weights, order, augmentation, dropout.")
    ] = TrainConfig.seed,
    init: Annotated[
        Initialisation, typer.Option(help="Where the weights start; auto: from the model in use, if any.")
    ] = TrainConfig.init,
    weights: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with the backbone's weights.")
    ] = None,
    rare_repeat: Annotated[
        float, typer.Option(min=0, max=1, help="Images of a class rarer than this are seen more often.")
    ] = TrainConfig.rare_repeat,
    validation: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of the images that picks the best weights.")
    ] = TrainConfig.validation,
    learning_rate: Annotated[
        float, typer.Option(min=1e-7, max=1, help="At its peak; lower it if the loss is no number.")
    ] = TrainConfig.learning_rate,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training that was stopped, as it was begun.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a detector on the annotated images, measure it, and use it unless it is worse.

    With several GPUs: torchrun --nproc-per-node 4 -m rbcal train PROJECT ...
    """
    config = TrainConfig(
        backbone=backbone,
        second_look=second_look,
        steps=steps or 0,
        device=device,
        seed=seed,
        init=init,
        weights=None if weights is None else str(weights),
        rare_repeat=rare_repeat,
        validation=validation,
        learning_rate=learning_rate,
    )
    with distributed_train.leading(device) as leads:
        if not leads:
            return
        run(project, ResumeJob() if resume else TrainJob(config))
    with Project.open(project) as opened:
        model, serving, question = opened.models.all()[-1], opened.models.serving(), opened.models.question()
        figures = opened.evaluations.of(model.id)
        classes = opened.classes.all()
        is_synthetic = opened.is_synthetic
    if as_json:
        print_json(
            {
                "synthetic": is_synthetic,
                "model": model.id,
                "serving": serving and serving.id,
                "images": model.n_images,
                "cells": model.n_cells,
                "config": asdict(model.config),
                "seconds": round(model.seconds, 1),
                "evaluation": None if figures is None else _figures(figures, classes),
            }
        )
        return
    if is_synthetic:
        echo(f"{MARK}:")
    echo(
        f"Model {model.id}: {count(model.n_images, 'image')}, {count(model.n_cells, 'cell')}, trained in "
        f"{duration(model.seconds)}."
    )
    if figures is None:
        echo("There is no test set, so it was not measured.")
    else:
        _print_figures(figures, classes)
    if question is not None:
        echo(
            f"It is worse than model {question.serving.id}, which stays in use. To use the new one: "
            f"rbcal serve {project} {question.model.id}"
        )


@app.command()
def models(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """List the models, the oldest first."""
    with Project.open(project) as opened:
        every, serving = opened.models.all(), opened.models.serving()
        curve = opened.evaluations.curve()
        is_synthetic = opened.is_synthetic
    measured = {point.model_id: point.evaluation for point in curve}
    same_cells_as = {point.model_id: point.same_cells_as for point in curve}
    rows = [
        {
            "model": model.id,
            "serving": model == serving,
            "backbone": model.config.backbone,
            "started_from": origin(model),
            "annotated_images": model.n_images,
            "annotated_cells": model.n_cells,
            "same_cells_as": same_cells_as.get(model.id),
            "precision_all": measured[model.id].precision_all if model.id in measured else None,
            "map_50": measured[model.id].map_50 if model.id in measured else None,
            "weights_kept": model.has_weights,
            "sha256": model.sha256,
            "code_version": model.code_version,
            "created_at": model.created_at,
        }
        for model in every
    ]
    if as_json:
        print_json({"synthetic": is_synthetic, "models": rows})
        return
    if is_synthetic:
        echo(f"{MARK}:")
    for row in rows:
        figure = "not measured" if row["precision_all"] is None else f"{row['precision_all']:.3f}"
        marks = ("  in use" if row["serving"] else "") + ("" if row["weights_kept"] else "  weights dropped")
        if row["same_cells_as"] is not None:
            marks += f"  same cells as model {row['same_cells_as']}"
        echo(
            f"{row['model']:4}  {row['backbone']}, from {row['started_from']}, "
            f"{row['annotated_cells']:,} cells  Precision_all {figure}{marks}"
        )
    echo(PRUNING_RULE)


@app.command()
def serve(
    project: ProjectArgument, model: Annotated[int, typer.Argument(help="The number of the model.")]
) -> None:
    """Use a model from now on: it draws the first boxes and ranks the pool."""
    with Project.open(project) as opened:
        opened.models.promote(model, "expert")
    echo(f"Model {model} is in use now. Rank the pool with it: rbcal score {project}")


@app.command()
def evaluate(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Measure the model in use on the frozen test set: AP, and recall, precision and F1 of each class."""
    run(project, EvaluateJob())
    with Project.open(project) as opened:
        serving = opened.models.serving()
        point = next(each for each in opened.evaluations.curve() if serving and each.model_id == serving.id)
        classes = opened.classes.all()
        is_synthetic = opened.is_synthetic
    if as_json:
        cells = {"annotated_images": point.n_images, "annotated_cells": point.n_cells}
        print_json(
            {
                "synthetic": is_synthetic,
                "model": point.model_id,
                **cells,
                **_figures(point.evaluation, classes),
            }
        )
    else:
        if is_synthetic:
            echo(f"{MARK}:")
        trained_on = f"{count(point.n_cells, 'cell')} of {count(point.n_images, 'image')}"
        echo(f"Model {point.model_id}, trained on {trained_on}")
        _print_figures(point.evaluation, classes)


@app.command()
def bench(
    backbone: Annotated[
        Backbone | None, typer.Option(help="Whose scoring is measured; default: both.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = TrainConfig.device,
    passes: Annotated[int, typer.Option(min=2, help="Stochastic passes, N.")] = ScoringConfig.passes,
    pictures: Annotated[int, typer.Option(min=2, help="How many pictures are drawn for it.")] = 8,
    train_seconds: Annotated[
        float, typer.Option(min=0, help="Training time of each of three detectors; 0: leave it out.")
    ] = 60.0,
    store: Annotated[
        bool, typer.Option("--store", help="Measure a large project file instead, drawn for it.")
    ] = False,
    images: Annotated[int, typer.Option(min=40, help="With --store: its images.")] = 10_000,
    boxes: Annotated[int, typer.Option(min=40, help="With --store: its boxes.")] = 1_000_000,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast scoring and training are on this machine, as ratios; it takes some minutes."""
    if store:
        _bench_store(images, boxes, as_json=as_json)
        return
    from rbcal.benchmarks.detector_speed import bench as measure  # late: it loads torch, which takes seconds

    with redirect_stdout(sys.stderr):
        document = measure(
            backbones=[backbone] if backbone else BACKBONES,
            device=device,
            passes=passes,
            n_pictures=pictures,
            train_seconds=train_seconds,
            say=lambda line: echo(line, err=True),
        )
    if as_json:
        print_json(document)
    else:
        echo(*bench_table(document).splitlines())


def _bench_store(images: int, boxes: int, *, as_json: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="rbcal-bench-") as folder:
        document = bench_store(
            Path(folder), n_images=images, n_boxes=boxes, say=lambda line: echo(line, err=True)
        )
    if as_json:
        print_json(document)
    else:
        echo(*store_table(document).splitlines())


def _figures(figures: Evaluation, classes: Sequence[CellClass]) -> dict[str, Any]:
    return {
        "precision_all": figures.precision_all,
        "map_50": figures.map_50,
        "map_50_95": figures.map_50_95,
        "rare_ap_50": figures.rare_ap_50,
        "rare_ap_rests_on_few_cells": few_rare_cells(figures, classes) > 0,
        "macro_f1": figures.macro_f1,
        "test_images": figures.n_images,
        "test_cells": sum(figures.n_cells),
        "classes": [
            {
                "name": name,
                "ap_50": ap,
                "recall": recall,
                "precision": precision,
                "f1": f1,
                "test_cells": n_cells,
                "few": is_few,
                "interval": None if interval is None else asdict(interval),
            }
            for name, ap, recall, precision, f1, n_cells, is_few, interval in _by_class(figures, classes)
        ],
    }


def _print_figures(figures: Evaluation, classes: Sequence[CellClass]) -> None:
    rare = "no rare cell" if figures.rare_ap_50 is None else f"{figures.rare_ap_50:.3f}"
    rare = "cannot be told yet" if few_rare_cells(figures, classes) else rare
    macro_f1 = "not counted" if figures.macro_f1 is None else f"{figures.macro_f1:.3f}"
    echo(f"  Precision_all (9)  {figures.precision_all:.3f}   AP@0.5 weighted by the cells of each class")
    echo(f"  mAP@0.5            {figures.map_50:.3f}")
    echo(f"  mAP@[.5:.95]       {figures.map_50_95:.3f}")
    echo(f"  rare-class AP@0.5  {rare}")
    echo(f"  macro F1           {macro_f1}   mean of F1 over the classes, each box with its one name")
    echo(f"    {'':24} AP@0.5  recall  precision     F1")
    for name, *shares, n_cells, is_few, interval in _by_class(figures, classes):
        ap, recall, precision, f1 = ("-" if each is None else f"{each:.3f}" for each in shares)
        echo(f"    {name:24} {ap:>6}  {recall:>6}  {precision:>9}  {f1:>5}  of {n_cells:,} test cells")
        if is_few:
            echo(f"    {'':24} 95 % within: {interval_words(interval)}")
    echo("  recall: of the test cells of a class, the part that was found and named so")
    echo("  precision: of the boxes with the name of a class, the part that is right")
    if words := rare_words(figures, classes):
        echo(f"  {words}")


def _by_class(
    figures: Evaluation, classes: Sequence[CellClass]
) -> Iterator[
    tuple[str, float | None, float | None, float | None, float | None, int, bool, ClassIntervals | None]
]:
    """Yield name, figures, test cells and interval of each class that the model was measured on.

    The figures are AP, recall, precision and F1; the interval follows whether the test cells are few.
    """
    names = [each.name for each in classes]
    columns = (figures.ap_50, figures.recall, figures.precision, figures.f1, figures.n_cells, figures.few)
    intervals = map(figures.interval, range(len(names)))
    return zip(names, *columns, intervals, strict=False)
