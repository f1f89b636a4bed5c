"""The command that finds the cells of a folder of pictures with an exported model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rbcal.cli.base import JsonOption, LayerOption, OverwriteOption, app, echo, print_json
from rbcal.cli.progress_bar import progress_bar
from rbcal.config import ScoringConfig
from rbcal.wording import count


@app.command()
def predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A folder that rbcal export PROJECT MODEL wrote.")
    ],
    pictures: Annotated[
        Path, typer.Argument(metavar="PICTURES", exists=True, help="A folder, a zip archive, or one picture.")
    ],
    dest: Annotated[Path, typer.Argument(metavar="DEST", file_okay=False, help="A new folder.")],
    passes: Annotated[
        int,
        typer.Option(
            min=0, help="Passes with dropout, at least 2, for U^d, U^c and U^r; 0: one pass finds the cells."
        ),
    ] = 0,
    layer: LayerOption = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find the cells of pictures with an exported model: a table of them, and one of numbers per image.

    No project is needed, and none is touched.
    """
    if passes == 1:
        raise typer.BadParameter("--passes is 0, or at least 2: U^d compares passes.")
    from rbcal.interchange.exported_model import load_model  # with torch, which takes seconds
    from rbcal.interchange.predict_folder import predict_folder

    scoring = ScoringConfig(passes=passes) if passes else ScoringConfig()
    report = predict_folder(
        load_model(model, scoring=scoring, device=device),
        pictures,
        dest,
        with_passes=bool(passes),
        layer=layer,
        overwrite=overwrite,
        track=progress_bar("Predicting"),
    )
    if as_json:
        print_json({**asdict(report), "folder": str(dest)})
        return
    images = count(report.n_images, "image")
    echo(f"{count(report.n_cells, 'cell')} in {images}: {dest / 'cells.csv'}, {dest / 'images.csv'}.")
    for name, why in report.unreadable.items():
        echo(f"Left out: {name}: {why}")
