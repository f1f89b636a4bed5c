"""Commands for a project as a whole: create it, fill it, say how far it is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from rbcal.cli.base import JsonOption, LayerOption, ProjectArgument, app, echo, listed, print_json
from rbcal.cli.progress_bar import progress_bar
from rbcal.errors import SplitError
from rbcal.formats import files, labels
from rbcal.interchange import import_images
from rbcal.jobs import launcher
from rbcal.store.classes import RBC7, RBC7_RARE
from rbcal.store.project import Project
from rbcal.wording import count

_Item = TypeVar("_Item")


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
    names = RBC7 if preset else listed(classes)
    marked = RBC7_RARE if preset and rare is None else listed(rare)
    if names and (unknown := [name for name in marked if name not in names]):
        raise typer.BadParameter(f"--rare names {unknown[0]!r}, which is not one of the classes.")
    Project.create(project, classes=names, rare=marked).close()
    echo(f"Created {project}", err=True)


@app.command(name="import")
def import_(
    project: ProjectArgument,
    images: Annotated[
        Path | None,
        typer.Option(exists=True, help="Folder or zip archive of the pictures; default: the project's own."),
    ] = None,
    coco_file: Annotated[
        Path | None, typer.Option("--coco", exists=True, dir_okay=False, help="COCO JSON with the boxes.")
    ] = None,
    labels_path: Annotated[
        Path | None,
        typer.Option("--labels", exists=True, help="File, folder or zip archive with the boxes, any format."),
    ] = None,
    format_: Annotated[
        labels.Format, typer.Option("--format", help="Of the labels; auto: as they look.")
    ] = "auto",
    layer: LayerOption = "",
    seed_images: Annotated[
        int | None, typer.Option(min=0, help="Only that many images keep their boxes; default: all.")
    ] = None,
    test_fraction: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the slides that becomes the frozen test set."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the random draws.")] = 0,
    group: Annotated[str | None, typer.Option(help="Slide or patient, where the file names none.")] = None,
    ungrouped: Annotated[
        bool, typer.Option("--ungrouped", help="Every image stands alone: no folder or file names a slide.")
    ] = False,
    declared_test: Annotated[
        bool, typer.Option(help="Take the test set that the files name, if they name one.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Import pictures and boxes. What cannot be used is named, one by one, and skipped."""
    if coco_file is not None and labels_path is not None:
        raise typer.BadParameter("give --coco or --labels, not both.")
    if images is None and coco_file is None and labels_path is None:
        raise typer.BadParameter("give --images, or --coco or --labels, or both.")
    source: files.Files = {} if images is None else files.located(images)
    label_source: files.Files = {} if labels_path is None else files.located(labels_path)
    if coco_file is not None:
        label_source, format_ = {"annotations.json": coco_file.read_bytes}, "coco"
    annotations = None
    try:
        with Project.open(project) as opened:
            if images is None:
                source, annotations = import_images.paired(opened, source, label_source, format_=format_)
            elif label_source:
                annotations = import_images.read_labels(label_source, source, format_)
            report = import_images.import_images(
                opened,
                source,
                annotations=annotations,
                layer=layer,
                seed_images=seed_images,
                test_fraction=test_fraction,
                seed=seed,
                group=group,
                ungrouped=ungrouped,
                declared_test=declared_test,
                track=progress_bar("Importing"),
            )
    except SplitError as err:
        raise SplitError(
            f"{err} The options are --group, --ungrouped, --no-declared-test and --test-fraction."
        ) from err
    for complaint in report.complaints:
        echo(f"Note: {complaint}", err=True)
    if as_json:
        print_json({"known" if key == "existing" else key: value for key, value in asdict(report).items()})
        return
    echo(
        f"{count(report.added, 'image')} added ({report.pool_images:,} to the pool), {report.existing:,} "
        f"were there already; boxes for {count(report.seed_images, 'image')} to train on and "
        f"{report.test_images:,} of the test set, {count(report.cells, 'cell')}; "
        f"{count(len(report.complaints), 'note')}."
    )
    if report.new_classes:
        echo(f"New classes: {', '.join(report.new_classes)}")


@app.command()
def status(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Say how far a project is."""
    with Project.open(project) as opened:
        counts = opened.images.counts()
        cells = opened.reviews.cells_per_class()
        model, ranking, job = opened.models.serving(), opened.rankings.current(), launcher.watch(opened)
        document = {
            "project": opened.name,
            "path": str(opened.path),
            "synthetic": opened.is_synthetic,
            **asdict(counts),
            "classes": [
                {"name": each.name, "rare": each.rare, "annotated_cells": cells.get(each.label, 0)}
                for each in opened.classes.own()
            ],
            "review_seconds": round(opened.reviews.expert_seconds(), 1),
            "model": model
            and {"id": model.id, "backbone": model.config.backbone, "annotated_cells": model.n_cells},
            "ranking": ranking and {"model": ranking.model_id, "stale": ranking.stale},
            "flagged_in_pool": opened.queue.flagged_in_pool(),
            "job": job and {"kind": job.kind, "state": job.state, "stage": job.stage, "reason": job.reason},
        }
    if as_json:
        print_json(document)
        return
    drawn = " synthetic" if document["synthetic"] else ""
    echo(f"{document['project']}: {counts.images:,}{drawn} images in {count(counts.groups, 'group')}")
    echo(f"  annotated  {count(counts.annotated_images, 'image')}, {count(counts.annotated_cells, 'cell')}")
    echo(f"  pool       {count(counts.pool_images, 'image')}")
    echo(f"  test set   {count(counts.test_images, 'image')}, {count(counts.test_cells, 'cell')}, frozen")
    echo(f"  model      {'none yet' if model is None else f'{model.id} ({model.config.backbone})'}")
    if ranking is not None:
        stale = ", stale: score again" if ranking.stale else ""
        echo(f"  ranking    by model {ranking.model_id}{stale}; {document['flagged_in_pool']:,} red cells")
    if job is not None:
        echo(f"  last job   {job.kind}: {job.state}{f' ({job.reason})' if job.reason else ''}")
