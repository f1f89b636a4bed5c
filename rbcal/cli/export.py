"""The command that writes what other programs read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from rbcal.cli.base import JsonOption, OverwriteOption, ProjectArgument, app, echo, print_json
from rbcal.cli.progress_bar import progress_bar
from rbcal.interchange import export_dataset, export_model
from rbcal.store.project import Project

ExportFormat = Literal[
    "model", "coco", "voc", "yolo", "annotations-csv", "predictions-csv", "predictions-coco"
]


@app.command()
def export(
    project: ProjectArgument,
    dest: Annotated[Path, typer.Argument(metavar="DEST", file_okay=False, help="A new folder.")],
    format_: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="model: the weights; coco, voc, yolo: the annotations; annotations-csv: each annotated "
            "cell with its status and note, and the reviewed images; predictions-*: what the model "
            "found in the images that waited when they were sorted last.",
        ),
    ] = "model",
    images: Annotated[bool, typer.Option(help="Write the pictures, too, beside their annotations.")] = True,
    unreviewed: Annotated[
        bool,
        typer.Option(
            "--unreviewed",
            help="Write the images that nobody has reviewed, too, into the folder not_annotated.",
        ),
    ] = False,
    model: Annotated[int | None, typer.Option(help="The number of a model; default: the one in use.")] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write an ONNX graph, too, for pictures of the usual size.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a model, the annotations, or the predictions with their uncertainty into a folder.

    A model is safetensors and JSON, to be used without the project: see docs/use_model.py.
    """
    if format_ != "model" and (model is not None or onnx):
        raise typer.BadParameter("--model and --onnx go with --format model.")
    with Project.open(project) as opened:
        if format_ == "model":
            document = export_model.export_model(opened, dest, model, onnx=onnx, overwrite=overwrite)
            said = f"Model {document['model']} is in {dest}."
        else:
            report = export_dataset.export(
                opened,
                dest,
                format_,
                with_images=images,
                unreviewed=unreviewed,
                overwrite=overwrite,
                track=progress_bar("Exporting"),
            )
            document = {"format": format_, **asdict(report), "folder": str(dest)}
            said = export_dataset.summary(report, str(dest))
    if as_json:
        print_json(document)
    else:
        echo(said)
