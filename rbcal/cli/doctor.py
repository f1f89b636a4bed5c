"""The command that prints what a bug report needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rbcal.cli.base import JsonOption, app, echo, print_json
from rbcal.store.project import projects_folder


@app.command()
def doctor(
    projects: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder of the projects; default: $RBCAL_PROJECTS, else ./projects."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a bug report needs: versions, devices, disk, and how each project is.

    No name, path or image is in it: projects are numbered.
    """
    from rbcal.doctor.collect import collect  # late: nobody else needs what it loads
    from rbcal.doctor.text import as_text

    report = collect(projects or projects_folder())
    if as_json:
        print_json(asdict(report))
    else:
        echo(*as_text(report).splitlines())
