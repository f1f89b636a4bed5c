"""The command that writes the report for whoever has to judge the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbcal.cli.base import JsonOption, OverwriteOption, ProjectArgument, app, echo, print_json
from rbcal.outputs import new_file
from rbcal.report.collect import collect
from rbcal.report.html import as_html
from rbcal.store.project import Project


@app.command()
def report(
    project: ProjectArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT.html", dir_okay=False, help="The file to write.")],
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the state of the work into one HTML file to pass on: figures, curves, examples, methods.

    It needs no network and no script, and prints well.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"A report is called NAME.html, but got {out.name!r}.")
    with Project.open(project) as opened, new_file(out, overwrite=overwrite) as part:
        n_bytes = part.write_bytes(as_html(collect(opened)).encode())
    if as_json:
        print_json({"report": str(out), "bytes": n_bytes})
    else:
        echo(f"The report is in {out}. Open it with a browser; to have it on paper or as PDF, print it.")
